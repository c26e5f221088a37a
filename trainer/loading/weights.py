"""Load a model's files with transformers, according to `[model]`; every failure becomes a one-line message.

Called by load_base. Weights are read from safetensors, or from pickles that hold tensors alone; no other pickled
object is ever executed.
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
# quantisation method of stored weights -> the package that reads it
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
    """Load tokenizer and model onto a device. Raises ModelError naming the model, the reason and what to do."""
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
    except Exception as error:  # transformers raises many types for a model that cannot be loaded
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
    """Reject a model whose class is Python code beside it, unless that code may run.

    If transformers has the class too, its own is used and the code beside the model is not run.
    """
    own = config.get("auto_map")
    if not own or options.trust_remote_code or _is_built_in(config):
        return
    raise ModelError(_refused_code(name))


def _is_built_in(config: dict[str, Any]) -> bool:
    """Return whether transformers itself has the class that a config names."""
    classes = config.get("architectures") or []
    return config.get("model_type") in CONFIG_MAPPING and all(hasattr(transformers, one) for one in classes)


def _refused_code(name: str) -> str:
    return (
        f"model {name} brings Python code of its own, which would run on this machine with your rights: read it, then "
        "allow it with --trust-remote-code (trust_remote_code = true under [model] in prefloop.toml), or take "
        "another model"
    )


def _quantisation(name: str, config: dict[str, Any], options: ModelOptions, device: torch.device) -> dict[str, Any]:
    """Return the arguments for transformers that quantise the weights, or keep them quantised. Raises ModelError."""
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
    """Return how a model's linear weights are stored, as text; None if they are not quantised."""
    config = getattr(model.config, "quantization_config", None)
    if config is None:
        return None
    if getattr(config, "load_in_4bit", False):
        return "4 bit"
    return "8 bit" if getattr(config, "load_in_8bit", False) else str(getattr(config, "quant_method", "few bits"))


def _in_words(name: str, error: Exception) -> str:
    """Describe an error of transformers in one line."""
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
