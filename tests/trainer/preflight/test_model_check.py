"""What a model is tried for, with models and templates that fail in one way each."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from data.errors import ModelError
from tests.trainer.plainly import grown
from trainer.interface.config import DPOConfig
from trainer.model.base import Base
from trainer.preflight.model_check import check_model, check_sampling, check_template, check_training, new_sampler
from trainer.preflight.model_report import report_model
from trainer.sampling.sampler import Sampler


def asked_by(base: Base, template: str) -> Base:
    return base.under(base.format.model_copy(update={"template": template}))


def raising(words: str) -> Callable[..., Tensor]:
    def forward(*_: object, **__: object) -> Tensor:
        raise AttributeError(words)

    return forward


def test_a_good_model_trains_answers_and_is_as_it_was(base: Base) -> None:
    before = {name: parameter.clone() for name, parameter in base.model.named_parameters()}
    trained = check_training(base, rank=4)
    sampler = new_sampler(base, rows=2, max_adapters=1, max_rank=4)
    check_sampling(sampler, trained)
    assert trained.reason == "packed"
    assert sampler.adapters == () and sampler.rows == []
    assert all(torch.equal(before[name], parameter) for name, parameter in base.model.named_parameters())
    assert not any("forward" in vars(module) for module in base.model.modules())


def test_the_step_has_moved_the_adapter(base: Base) -> None:
    trained = check_training(base, rank=4)
    assert all(bool(weights.up.abs().max() > 0) for weights in trained.adapter.layers.values())
    assert trained.canary.logprobs != trained.canary.base_logprobs


def test_whatever_a_model_s_own_code_raises_is_one_line_with_a_way_out(base: Base) -> None:
    vars(base.model.get_decoder())["forward"] = raising("no\n  such   thing")
    with pytest.raises(ModelError) as refused:
        check_training(base, rank=4)
    words = str(refused.value)
    assert words.startswith(f"model {base.name} cannot be trained: AttributeError: no such thing; serve another model")
    assert "\n" not in words


def test_so_it_is_with_the_sampler(base: Base) -> None:
    vars(base.model.get_decoder())["forward"] = raising("no")
    with pytest.raises(ModelError, match=f"model {base.name} cannot") as refused:
        new_sampler(base, rows=2, max_adapters=1, max_rank=4)
    assert "\n" not in str(refused.value)


def test_a_sampler_that_leaves_a_part_of_the_adapter_out_is_found(base: Base) -> None:
    trained = check_training(base, rank=4)
    other = replace(trained, adapter=grown(base.model).adapter())
    sampler = new_sampler(base, rows=2, max_adapters=1, max_rank=8)
    with pytest.raises(ModelError, match=r"cannot answer with an adapter as it was trained: served, it does not"):
        check_sampling(sampler, other)
    assert sampler.adapters == ()


def test_a_template_that_takes_everything_misses_nothing(base: Base) -> None:
    assert check_template(base).missing() == ()


def test_a_template_without_a_system_turn_is_named(base: Base) -> None:
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    found = check_template(asked_by(base, refusing + base.format.template))
    assert found.missing() == ("takes no system turn",)


def test_so_is_one_of_a_single_turn(base: Base) -> None:
    refusing = "{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}"
    assert (
        "takes no conversation of several turns"
        in check_template(asked_by(base, refusing + base.format.template)).missing()
    )


def test_one_that_refuses_every_question_is_an_error(base: Base) -> None:
    with pytest.raises(ModelError, match=f"model {base.name} cannot be asked: .*another chat template"):
        check_template(asked_by(base, "{{ raise_exception('never') }}"))


def test_the_whole_check_is_the_parts(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_model(base, rank=4) == check_template(base)
    monkeypatch.setattr(Sampler, "score", raising("broken"))
    with pytest.raises(ModelError, match="cannot answer with an adapter: AttributeError: broken"):
        check_model(base, rank=4)


def test_a_report_measures_what_the_context_holds(base: Base) -> None:
    said: list[str] = []
    report = report_model(base, DPOConfig(rank=4, alpha=8), said.append)
    assert [step.tokens for step in report.steps] == [256]  # of 512 that this model reads
    assert report.tokens_per_second > 0 and report.steps[0].seconds > 0
    assert report.use.token_budget == 2048
    assert said == ["one LoRA step ...", "sampling ...", "a step on 256 tokens ..."]
