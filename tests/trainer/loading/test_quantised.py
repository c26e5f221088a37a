"""Bases in 4 and 8 bit: bitsandbytes' numbers, TRL's training, PEFT's files; serving and training on the CPU too."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel
from trl import DPOConfig as TRLConfig
from trl import DPOTrainer

from data.records import Sampling
from tests.trainer.algorithms.test_against_trl import BETA, ROWS, flat, lora_of, rows_of, token_pairs
from tests.trainer.plainly import greedy
from trainer.algorithms.dpo import PreferenceObjective
from trainer.forward.logprobs import Packed, Plain
from trainer.forward.probe import choose_forward
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import DPOConfig
from trainer.interface.model_settings import ModelOptions, Quantize
from trainer.model.adapter import read_adapter
from trainer.model.base import Base, load_base
from trainer.model.linear_map import Quantised, linear_map, linear_maps
from trainer.model.policy import Policy
from trainer.sampling.sampler import Request, Sampler

CPU = torch.device("cpu")
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_new_tokens=24)
PROMPT = tuple(range(20, 33))


@pytest.fixture(params=list(Quantize))
def bits(request: pytest.FixtureRequest) -> Quantize:
    return Quantize(request.param)


def load(model_dir: Path, bits: Quantize) -> Base:
    return load_base(str(model_dir), device=CPU, options=ModelOptions(quantize=bits))


def by_transformers(model_dir: Path, bits: Quantize) -> PreTrainedModel:
    """The same base without us."""
    four: dict[str, Any] = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.float32,
    }
    wanted = BitsAndBytesConfig(**(four if bits is Quantize.FOUR_BIT else {"load_in_8bit": True}))
    return AutoModelForCausalLM.from_pretrained(
        model_dir, quantization_config=wanted, dtype=torch.float32, device_map={"": CPU}
    )


def in_full(model: PreTrainedModel) -> PreTrainedModel:
    """The same with plain modules in place of those in 8 bit, whose weights are int8 x (largest of the row) / 127."""
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "Linear8bitLt":
            plain = nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
            plain.weight.data = module.weight.data.float() * module.weight.SCB[:, None] / 127
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, plain)
    return model


class TestAgainstBitsandbytes:
    def test_the_weights_are_those_that_its_kernel_multiplies_with(self, model_dir: Path, bits: Quantize) -> None:
        model = load(model_dir, bits).model
        for name, linear in linear_maps(model).items():
            if name == "lm_head":
                assert linear.dense
                continue
            assert isinstance(linear, Quantised)
            x = torch.randn(5, linear.in_features)
            off = (linear.product(x) - x @ linear.weight().t()).abs().max() / linear.product(x).abs().max()
            assert off < 1e-5

    def test_greedy_is_that_of_transformers(self, model_dir: Path, bits: Quantize) -> None:
        (row,) = Sampler(load(model_dir, bits)).generate([Request(PROMPT, None, 0, GREEDY)])
        assert row.token_ids == greedy(in_full(by_transformers(model_dir, bits)), PROMPT, 24)


def test_loss_and_gradient_equal_trl(model_dir: Path, tmp_path: Path, bits: Quantize) -> None:
    rows = [{"prompt": f"<|user|>{p}<|assistant|>", "chosen": c, "rejected": r} for p, c, r in ROWS]
    base = load(model_dir, bits)
    oracle = DPOTrainer(
        model=by_transformers(model_dir, bits),
        args=TRLConfig(
            output_dir=str(tmp_path),
            beta=BETA,
            per_device_train_batch_size=len(rows),
            activation_checkpointing=False,
            bf16=False,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear"),
    )
    assert oracle.model is not None
    rounding: list[Any] = [one for one in oracle.model.modules() if hasattr(one, "support_avx512bf16_for_cpu")]
    for module in rounding:  # off in the product too: outside training it rounds to bfloat16
        module.support_avx512bf16_for_cpu = False
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    theirs, ours = lora_of(oracle.model), policy.lora.parameters
    assert theirs.keys() == ours.keys()
    assert {parameter.dtype for parameter in ours.values()} == {torch.float32}
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
            theirs[name].data = parameter.detach().clone()  # TRL keeps them in bfloat16 on a quantised base

    found = rows_of(oracle)
    loss = oracle._compute_loss(oracle.model, oracle.data_collator(found), return_outputs=False)
    loss.backward()

    pairs = token_pairs(found)
    with policy.reference():
        reference = group_logps(policy, Plain(), [pair.group for pair in pairs], TokenBudget(8192, print))
    terms = PreferenceObjective(policy, Plain(), DPOConfig(beta=BETA), reference, None).terms(pairs)
    terms.loss.mean().backward()

    near = 1e-5 if bits is Quantize.FOUR_BIT else 2e-2  # bitsandbytes rounds activations to 8 bit too, we do not
    assert terms.loss.mean().item() == pytest.approx(loss.item(), rel=near, abs=near)
    expected = flat({name: p.grad for name, p in theirs.items()})
    assert expected.norm() > 0.01
    assert (flat({name: p.grad for name, p in ours.items()}) - expected).norm() / expected.norm() < near


def test_packed_is_plain(model_dir: Path, bits: Quantize) -> None:
    assert isinstance(choose_forward(load(model_dir, bits).model).forward, Packed)


def test_what_was_trained_is_served_as_peft_loads_it(model_dir: Path, tmp_path: Path, bits: Quantize) -> None:
    base = load(model_dir, bits)
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.lora.parameters.values():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    policy.save(tmp_path / "v1")
    sampler = Sampler(base)
    sampler.load("v1", read_adapter(tmp_path / "v1", base.model, max_rank=4))
    (row,) = sampler.generate([Request(PROMPT, "v1", 0, GREEDY)])
    loaded = PeftModel.from_pretrained(in_full(by_transformers(model_dir, bits)), str(tmp_path / "v1"))
    oracle = loaded.generate(input_ids=torch.tensor([PROMPT]), max_new_tokens=24, do_sample=False, pad_token_id=0)
    assert row.token_ids == oracle[0, len(PROMPT) :].tolist()


def test_another_quantisation_is_another_base(model_dir: Path) -> None:
    revisions = {load(model_dir, bits).revision for bits in Quantize} | {load_base(str(model_dir)).revision}
    assert len(revisions) == 3


def test_the_start_says_in_what_the_weights_are(model_dir: Path) -> None:
    base = load(model_dir, Quantize.FOUR_BIT)
    millions = load_base(str(model_dir)).model.num_parameters() / 1e6
    assert f"({millions:.1f} M parameters, cpu, float32, weights in 4 bit," in base.describe()


class SomeQuantLinear(nn.Module):
    """As a library for GPTQ or AWQ has them: nothing but sizes and a product."""

    qweight: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.in_features, self.out_features = 6, 4
        self.register_buffer("qweight", torch.randint(-8, 8, (4, 6)))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ (self.qweight.to(x.dtype) * 0.1).t() + self.bias


def test_another_librarys_module_is_read_by_what_it_does() -> None:
    module = SomeQuantLinear()
    linear = linear_map(module)
    assert linear is not None and not linear.dense
    torch.testing.assert_close(linear.weight(), module.qweight * 0.1)
    x = torch.randn(3, 6)
    assert torch.equal(linear.product(x), module(x))
