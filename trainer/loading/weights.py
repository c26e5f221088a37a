"""A model's files into memory by transformers, as `[model]` says; every failure is one line in words.

Called by load_base. Weights are read from safetensors, or from pickles that hold tensors alone: nothing else in a
pickle is ever run.
"""

import pickle
from importlib.util import find_spec
from typing import Any

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils.logging import disable_progress_bar

from data.errors import ModelError
from trainer.interface.model_settings import Dtype, ModelOptions, Quantize
from trainer.loading.files import ModelFiles
from trainer.loading.quantised import prepare

_DTYPES = {Dtype.FLOAT32: torch.float32, Dtype.BFLOAT16: torch.bfloat16}
# what reads weights that were quantised before -> the package that brings it
_LIBRARIES = {
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed_tensors",
}
_UNSAFE = ("weights_only", "Weights only")


def load_files(
    files: ModelFiles, device: torch.device, options: ModelOptions
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and model on a device. Raises ModelError naming the model, the reason and the way out."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    shared: dict[str, Any] = {"local_files_only": files.local, "trust_remote_code": options.trust_remote_code}
    try:
        config, _ = PreTrainedConfig.get_config_dict(files.source, local_files_only=files.local)
        _check_code(files.name, config, options)
        quantisation = _quantisation(files.name, config, options, device)
        tokenizer = AutoTokenizer.from_pretrained(files.source, **shared)
        model = AutoModelForCausalLM.from_pretrained(
            files.source, dtype=_dtype(options, device), weights_only=True, **quantisation, **shared
        )
    except ModelError:
        raise
    except Exception as error:  # transformers raises a dozen types for a model that cannot be loaded
        raise ModelError(_in_words(files.name, error)) from error
    if quantisation:
        prepare(model, _dtype(options, device))
    else:
        torch.nn.Module.to(model, device)
    return tokenizer, model


def _dtype(options: ModelOptions, device: torch.device) -> torch.dtype:
    if options.dtype is not None:
        return _DTYPES[options.dtype]
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def _check_code(name: str, config: dict[str, Any], options: ModelOptions) -> None:
    """Refuse a model whose class comes as Python code beside it, unless that may run.

    Code beside a class that transformers has too is not run; transformers' own is used.
    """
    own = config.get("auto_map")
    if not own or options.trust_remote_code or _is_built_in(config):
        return
    raise ModelError(_refused_code(name))


def _is_built_in(config: dict[str, Any]) -> bool:
    """Whether transformers itself has the class that a config names."""
    classes = config.get("architectures") or []
    return config.get("model_type") in CONFIG_MAPPING and all(hasattr(transformers, one) for one in classes)


def _refused_code(name: str) -> str:
    return (
        f"model {name} brings Python code of its own, which would run on this machine with your rights: read it, then "
        "allow it with --trust-remote-code (trust_remote_code = true under [model] in prefloop.toml), or take "
        "another model"
    )


def _quantisation(name: str, config: dict[str, Any], options: ModelOptions, device: torch.device) -> dict[str, Any]:
    """What transformers is told so that the weights are quantised, or stay so. Raises ModelError."""
    before = (config.get("quantization_config") or {}).get("quant_method")
    if before is not None:
        _check_quantised(name, str(before), options)
        return {"device_map": {"": device}}
    if options.quantize is None:
        return {}
    if find_spec("bitsandbytes") is None:
        raise ModelError(
            f"--quantize {options.quantize} needs the package bitsandbytes: pip install 'prefloop[quantize]'"
        )
    wanted = (
        BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # as above
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=_dtype(options, device),
        )
        if options.quantize is Quantize.FOUR_BIT
        else BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    )
    return {"quantization_config": wanted, "device_map": {"": device}}


def _check_quantised(name: str, method: str, options: ModelOptions) -> None:
    if options.quantize is not None:
        raise ModelError(f"model {name} is quantised already ({method}): leave out --quantize {options.quantize}")
    package = _LIBRARIES.get(method)
    if package is not None and find_spec(package) is None:
        raise ModelError(
            f"model {name} is quantised with {method}, which needs a package to be read: pip install {package}; or "
            "take the model as it was before"
        )


def quantisation(model: PreTrainedModel) -> str | None:
    """In what a model's linear weights are kept, in words; None where they are plain numbers."""
    config = getattr(model.config, "quantization_config", None)
    if config is None:
        return None
    if getattr(config, "load_in_4bit", False):
        return "4 bit"
    return "8 bit" if getattr(config, "load_in_8bit", False) else str(getattr(config, "quant_method", "few bits"))


def _in_words(name: str, error: Exception) -> str:
    """One line for whatever transformers raised."""
    said = " ".join(str(error).split())
    if "trust_remote_code" in said:
        return _refused_code(name)
    if isinstance(error, pickle.UnpicklingError) or any(sign in said for sign in _UNSAFE):
        return (
            f"model {name} keeps its weights in a pickle that holds more than tensors, or is damaged; it was not "
            "opened, because what is in it could run. Take the model as safetensors"
        )
    return (
        f"model {name} cannot be loaded: {said.rstrip('.') or type(error).__name__}. Give --model a directory with "
        "config.json, weights and tokenizer, a GGUF file, or a hub id"
    )
