"""Every family in the table of docs/models.md: it serves, trains, is PEFT's, and swaps; or is refused in words."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from app.serving.engine import BASE, SamplingJob, complete
from app.serving.inprocess import InProcessEngine
from data.errors import ModelError
from data.records import Sampling
from tests.models import ANSWER, EGG
from tests.trainer.families import FAMILIES, REFUSED, save_family
from tests.trainer.plainly import gradient
from tests.trainer.scene import freeze, toy_snapshot
from trainer.algorithms.dpo import PreferenceObjective
from trainer.evaluation.canary import CanaryAnswer, make_canary, verify
from trainer.forward.encoding import TokenPair
from trainer.forward.probe import choose_forward
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import DPOConfig
from trainer.model.base import Base, load_base
from trainer.model.policy import Policy
from trainer.round import run_round
from trainer.sampling.sampler import Request, SampledRow, Sampler

PROMPT = tuple(3 + i * 7 % 53 for i in range(11))
OTHER = tuple(3 + i * 5 % 59 for i in range(6))
LENGTH = 10
PAIRS = [TokenPair(PROMPT, (9, 60, 61, 70, 2), (44, 45, 2)), TokenPair(OTHER, (80, 7, 2), (81, 12, 13, 14, 15, 16, 2))]
TABLE = Path(__file__).parents[3] / "docs" / "models.md"


@dataclass(frozen=True)
class Family:
    """A tiny model of a family on disk and loaded, with a policy far from its base."""

    path: Path
    base: Base
    adapter: Path
    policy: Policy


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Family:
    path = save_family(request.param, model_dir, tmp_path_factory.mktemp("family"))
    base = load_base(str(path))
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.lora.parameters.values():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    adapter = tmp_path_factory.mktemp("adapters") / "v1"
    policy.save(adapter)
    return Family(path, base, adapter, policy)


@pytest.fixture(scope="module")
def sampler(family: Family) -> Iterator[Sampler]:
    sampler = Sampler(family.base, max_rows=4, max_adapters=2, max_rank=4)
    sampler.load("v1", family.policy.adapter())
    yield sampler


def asked(adapter: str | None, *seeds: int, prompt: tuple[int, ...] = PROMPT, greedy: bool = False) -> list[Request]:
    sampling = Sampling(max_new_tokens=LENGTH, temperature=0.0 if greedy else 1.0)
    return [Request(prompt, adapter, seed, sampling) for seed in seeds]


@torch.no_grad()
def by_transformers(model: Any, prompt: tuple[int, ...]) -> list[int]:
    """Greedy answer of transformers' own generate."""
    ids = torch.tensor([prompt])
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=LENGTH, do_sample=False)
    return list(out[0, len(prompt) :].tolist())


def alone(model: Any, prompt: tuple[int, ...], completion: tuple[int, ...]) -> Tensor:
    """Log-probabilities of a completion's tokens by one forward pass over this sequence alone."""
    logits = model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0].float()
    steps = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
    return steps.gather(1, torch.tensor(completion)[:, None])[:, 0]


@torch.no_grad()
def logps(model: Any, row: SampledRow) -> Tensor:
    return alone(model, row.request.prompt_ids, tuple(row.token_ids))


def test_it_serves_what_transformers_generates(family: Family, sampler: Sampler) -> None:
    rows = sampler.generate([*asked(None, 0, greedy=True), *asked(None, 0, prompt=OTHER, greedy=True)])
    assert [row.token_ids for row in rows] == [by_transformers(family.base.model, ids) for ids in (PROMPT, OTHER)]


def test_two_seeds_draw_what_they_drew_alone_and_know_its_log_probabilities(family: Family, sampler: Sampler) -> None:
    first, second, other = sampler.generate([*asked(None, 1, 2), *asked("v1", 1, prompt=OTHER)])
    assert first.token_ids != second.token_ids
    assert [row.token_ids for row in sampler.generate(asked(None, 2))] == [second.token_ids]
    with family.policy.acting():
        torch.testing.assert_close(torch.tensor(other.logprobs), logps(family.base.model, other), rtol=0, atol=1e-3)
    for row in (first, second):
        torch.testing.assert_close(torch.tensor(row.logprobs), logps(family.base.model, row), rtol=0, atol=1e-3)


def test_a_step_of_dpo_has_the_loss_and_the_gradients_of_the_plain_computation(family: Family) -> None:
    policy, forward, beta = family.policy, choose_forward(family.base.model).forward, 0.1
    groups = [pair.group for pair in PAIRS]
    reference = group_logps(policy, forward, groups, TokenBudget(1000, print))
    objective = PreferenceObjective(policy, forward, DPOConfig(beta=beta), reference, None)
    ours = objective.terms(PAIRS).loss.mean()
    expected = torch.stack([plain_loss(policy, pair, beta) for pair in PAIRS]).mean()
    torch.testing.assert_close(ours.float(), expected, rtol=0, atol=1e-4)
    got, wanted = gradient(ours, policy.lora), gradient(expected, policy.lora)
    assert wanted.norm() > 0
    assert (got - wanted).norm() / wanted.norm() < 1e-3


def plain_loss(policy: Policy, pair: TokenPair, beta: float) -> Tensor:
    """-log sigmoid(beta (log-ratio of chosen - log-ratio of rejected)), every sequence on its own."""
    both = pair.chosen_ids, pair.rejected_ids
    with policy.acting():
        trained = [alone(policy.model, pair.prompt_ids, ids).sum() for ids in both]
    with torch.no_grad():
        base = [alone(policy.model, pair.prompt_ids, ids).sum() for ids in both]
    return -F.logsigmoid(beta * ((trained[0] - base[0]) - (trained[1] - base[1])))


def test_peft_loads_what_it_saved_and_answers_the_same(family: Family, sampler: Sampler) -> None:
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(family.path), str(family.adapter)).eval()
    rows = sampler.generate(asked("v1", 0, greedy=True)) + sampler.generate(asked("v1", 0, prompt=OTHER, greedy=True))
    assert [row.token_ids for row in rows] == [by_transformers(model, ids) for ids in (PROMPT, OTHER)]


def test_it_swaps_in_the_engine_with_its_canary(family: Family) -> None:
    canary = make_canary(family.policy, choose_forward(family.base.model).forward, [CanaryAnswer(EGG, ANSWER)])

    async def swap() -> None:
        engine = InProcessEngine(family.base, max_rows=2, max_adapters=2, max_rank=4)
        try:
            job = SamplingJob(EGG, BASE, (1,), Sampling(max_new_tokens=4))
            before = (await complete(engine, job))[0].token_ids
            await engine.load("v1", family.adapter)
            scored = [await engine.score(canary.prompt, canary.token_ids, version) for version in ("v1", BASE)]
            verify(canary, served=scored[0], served_base=scored[1])
            await engine.unload("v1")
            assert (await complete(engine, job))[0].token_ids == before
        finally:
            engine.close()

    asyncio.run(swap())


@pytest.mark.parametrize("name", ["GPT-2", "OPT", "Gemma 2", "Mamba"])
def test_a_round_goes_to_its_end_with_its_evaluation(name: str, model_dir: Path, tmp_path: Path) -> None:
    base = load_base(str(save_family(name, model_dir, tmp_path / "model")))
    config = DPOConfig(epochs=1, batch_size=2, rank=2, alpha=4, learning_rate=1e-2)
    snapshot = toy_snapshot(train=4, heldout=2)
    directory = freeze(tmp_path / "round", base, snapshot=snapshot, config=config, max_new_tokens=3)
    assert run_round(directory, lambda: False).evaluation is not None


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_serve_is_refused_in_one_line(name: str, model_dir: Path, tmp_path: Path) -> None:
    base = load_base(str(save_family(name, model_dir, tmp_path)))
    with pytest.raises(ModelError) as caught:
        Sampler(base)
    said = str(caught.value)
    assert said.startswith(f"model {tmp_path} cannot")
    assert "serve a model of another architecture" in said
    assert "\n" not in said


def test_the_docs_have_its_row(request: pytest.FixtureRequest, family: Family, sampler: Sampler) -> None:
    name = request.node.callspec.params["family"]
    assert row_of(name, family, sampler) in TABLE.read_text(encoding="utf-8").splitlines()


def row_of(name: str, family: Family, sampler: Sampler) -> str:
    """The family's row in docs/models.md, as it is found here."""
    serves = sampler.way.partition(",")[0]
    trains = choose_forward(family.base.model).reason.partition(":")[0]
    on = " ".join(sorted({f"`{module.rpartition('.')[2]}`" for module in family.policy.lora.names}))
    return f"| {name} | `{family.base.model.config.model_type}` | {serves} | {trains} | {on} |"
