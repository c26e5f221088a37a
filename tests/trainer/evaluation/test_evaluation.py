"""A challenger against champion and base: who is compared with whom, and the intervals by other libraries."""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
import torch
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from data.errors import AdapterError
from data.records import Message, Sampling
from tests.trainer.plainly import alone
from tests.trainer.scene import ask, random_lora, toy_pairs
from trainer.evaluation.contenders import Contenders
from trainer.evaluation.evaluation import (
    BASE,
    CHALLENGER,
    Champion,
    Exam,
    Samples,
    draw_samples,
    evaluate,
    fresh_answers,
)
from trainer.evaluation.scoring import Scorer
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed
from trainer.forward.packing import Group
from trainer.forward.reference import ReferenceLogps, group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import RoundConfig
from trainer.interface.manifest import Evaluation, Progress
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.base import Base
from trainer.model.lora import Lora, LoraStack
from trainer.model.policy import Policy
from trainer.progress import EvaluationProgress
from trainer.sampling.sampler import SampledRow

ANSWERS = 24
PROMPTS = [ask("how do I boil an egg?"), ask("why?")]
BUDGET = TokenBudget(8192, print)


def champion_of(base: Base) -> Champion:
    return Champion("round-000001", random_lora(base.model, seed=5, rank=2))


def examined(
    policy: Policy,
    champion: Champion | None = None,
    *,
    heldout: Sequence[TokenPair] = (),
    probes: Sequence[tuple[Message, ...]] = (),
) -> tuple[Evaluation, Samples]:
    exam = Exam(champion, heldout, probes, Sampling(max_new_tokens=6), answers=ANSWERS)
    contenders = Contenders(policy.base, {**exam.adapters, CHALLENGER: policy.adapter()})
    samples = draw_samples(policy.base, contenders, exam, PROMPTS, seed=0)
    return evaluate(exam, samples, scorer_of(policy, exam)), samples


def scorer_of(policy: Policy, exam: Exam) -> Scorer:
    return Scorer(policy, Packed(), BUDGET, name=CHALLENGER, others=exam.adapters)


def gains(policy: Policy, rival: Adapter | None, pairs: Sequence[TokenPair]) -> list[float]:
    """By how much more each chosen completion gained on the rival."""
    groups = [pair.group for pair in pairs]
    with policy.acting():
        here = group_logps(policy, Packed(), groups, BUDGET)
    with LoraStack(policy.model).acting(*([Lora(rival)] if rival else [])):
        there = group_logps(policy, Packed(), groups, BUDGET)
    return [here[g][0] - there[g][0] - (here[g][1] - there[g][1]) for g in groups]


def one_by_one(policy: Policy, rows: Sequence[SampledRow], rival: Adapter | None) -> list[float]:
    """Log ratios by one plain forward pass an answer."""
    found = []
    for row in rows:
        prompt, ids = row.request.prompt_ids, tuple(row.token_ids)
        with torch.no_grad():
            with policy.acting():
                here = float(alone(policy.model, prompt, ids)[0].sum())
            with LoraStack(policy.model).acting(*([Lora(rival)] if rival else [])):
                found.append(here - float(alone(policy.model, prompt, ids)[0].sum()))
    return found


def test_where_the_base_serves_both_comparisons_are_one(policy: Policy) -> None:
    found, _ = examined(policy, heldout=toy_pairs(6))
    assert found.against_champion == found.against_base
    assert found.against_base.rival == BASE
    assert found.champion is None


def test_champion_and_base_are_told_apart(policy: Policy) -> None:
    champion = champion_of(policy.base)
    found, samples = examined(policy, champion, heldout=toy_pairs(6))
    assert (found.against_champion.rival, found.against_base.rival) == ("round-000001", BASE)
    for comparison, adapter in ((found.against_champion, champion.adapter), (found.against_base, None)):
        expected = gains(policy, adapter, toy_pairs(6))
        assert comparison.heldout.accuracy == pytest.approx(statistics.fmean(gain > 0 for gain in expected))
        assert comparison.heldout.margin == pytest.approx(statistics.fmean(expected), abs=1e-4)
        assert comparison.manner == samples.manners[comparison.rival]
        ratios = one_by_one(policy, samples.rows[CHALLENGER], adapter)
        lengths = [len(row.token_ids) for row in samples.rows[CHALLENGER]]
        assert comparison.kl.mean == pytest.approx(statistics.fmean(ratios), abs=1e-4)
        assert comparison.kl.max == pytest.approx(max(ratios), abs=1e-3)
        assert comparison.kl.token_mean == pytest.approx(sum(ratios) / sum(lengths), abs=1e-4)
    assert found.manner == samples.manners[CHALLENGER]


def test_the_champion_is_measured_against_the_base_on_the_same_pairs(policy: Policy) -> None:
    champion = champion_of(policy.base)
    found, _ = examined(policy, champion, heldout=toy_pairs(6))
    assert found.champion is not None and found.champion.rival == BASE
    margins = (found.against_base.heldout.margin, found.champion.heldout.margin, found.against_champion.heldout.margin)
    assert None not in margins
    own, its, between = (float(margin or 0) for margin in margins)
    assert own - its == pytest.approx(between, abs=1e-4)  # shifts from one base add up


def test_a_policy_that_is_the_champion_differs_in_nothing(policy: Policy) -> None:
    found, _ = examined(policy, Champion("round-000001", policy.adapter()), heldout=toy_pairs(6))
    against = found.against_champion
    assert against.kl.mean == pytest.approx(0, abs=1e-3)
    assert against.heldout.margin == pytest.approx(0, abs=1e-4)
    assert against.manner == found.manner


def test_the_intervals_are_those_of_other_libraries(policy: Policy) -> None:
    pairs = toy_pairs(20)
    found, _ = examined(policy, heldout=pairs)
    against, expected = found.against_base, gains(policy, None, pairs)
    wilson = stats.binomtest(sum(gain > 0 for gain in expected), 20).proportion_ci(method="wilson")
    assert against.accuracy is not None and against.margin is not None
    assert (against.accuracy.low, against.accuracy.high) == pytest.approx(tuple(wilson))
    student = DescrStatsW(expected).tconfint_mean(0.05)
    assert (against.margin.low, against.margin.high) == pytest.approx(student, abs=1e-3)


@pytest.mark.parametrize(("pairs", "accuracy", "margin"), [(0, False, False), (1, True, False), (2, True, True)])
def test_too_few_pairs_have_no_interval(policy: Policy, pairs: int, accuracy: bool, margin: bool) -> None:
    against = examined(policy, heldout=toy_pairs(pairs))[0].against_base
    assert (against.accuracy is not None, against.margin is not None) == (accuracy, margin)


def test_probes_are_answered_by_all_side_by_side(policy: Policy) -> None:
    found, _ = examined(policy, champion_of(policy.base), probes=PROMPTS)
    assert [probe.prompt for probe in found.probes] == PROMPTS
    for probe in found.probes:
        assert list(probe.answers) == [BASE, "round-000001", CHALLENGER]
    serving = Contenders(policy.base, {"it": champion_of(policy.base).adapter})
    alone_asked = serving.draw(serving.probes("it", PROMPTS, Sampling(max_new_tokens=6), seed=0))
    expected = [policy.base.text(row.token_ids) for row in alone_asked]
    assert [probe.answers["round-000001"] for probe in found.probes] == expected


def test_a_probe_that_the_model_cannot_read_is_left_out(policy: Policy) -> None:
    found, _ = examined(policy, probes=[ask("egg " * 600), PROMPTS[0]])
    assert [probe.prompt for probe in found.probes] == [PROMPTS[0]]


def test_a_champion_that_changes_the_output_head_is_refused(policy: Policy) -> None:
    weights = LoraWeights(torch.zeros(1, 64), torch.zeros(policy.model.config.vocab_size, 1), 1.0)
    with pytest.raises(AdapterError, match="output head"):
        examined(policy, Champion("odd", Adapter({"lm_head": weights})), heldout=toy_pairs(2))


def test_probes_are_few_and_their_answers_short(policy: Policy) -> None:
    exam = Exam(None, (), [ask(f"question {i}") for i in range(40)], Sampling(), answers=2)
    assert len(exam.asked(policy.base)) == 24
    talkative = replace(policy.base, longest_answer=1024)
    assert exam.probe_sampling(talkative) == Sampling(max_new_tokens=256)
    brief = replace(exam, sampling=Sampling(max_new_tokens=6))
    assert brief.probe_sampling(talkative) == Sampling(max_new_tokens=6)


def test_no_group_is_scored_twice_under_one_name(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: Counter[tuple[str, Group]] = Counter()
    acting: list[str] = []
    plain = Scorer._acting

    def act(self: Scorer, name: str) -> AbstractContextManager[None]:
        acting.append(name)
        return plain(self, name)

    def counted(policy: Policy, _: object, groups: Sequence[Group], *__: object, **___: object) -> ReferenceLogps:
        scored.update((acting[-1], group) for group in groups)
        return group_logps(policy, Packed(), groups, BUDGET)

    monkeypatch.setattr(Scorer, "_acting", act)
    monkeypatch.setattr("trainer.evaluation.scoring.group_logps", counted)
    for champion in (None, champion_of(policy.base)):
        scored.clear()
        _, samples = examined(policy, champion, heldout=toy_pairs(6))
        assert max(scored.values()) == 1
        different = len(dict.fromkeys(samples.groups(CHALLENGER)))
        of_base = sum(name == BASE for name, _ in scored)
        assert of_base <= 6 + different * (1 if champion is None else 2)


def test_what_was_said_beforehand_comes_true(policy: Policy) -> None:
    told: list[Progress] = []
    exam = Exam(champion_of(policy.base), toy_pairs(6), PROMPTS, Sampling(max_new_tokens=6), answers=ANSWERS)
    progress = EvaluationProgress(told.append, answers=exam.drawn(policy.base), groups=exam.scored + 6)
    contenders = Contenders(policy.base, {**exam.adapters, CHALLENGER: policy.adapter()})
    samples = draw_samples(policy.base, contenders, exam, PROMPTS, seed=0, ended=progress.answered)
    assert told[-1].step == 3 * (ANSWERS + len(PROMPTS))
    scorer = Scorer(policy, Packed(), BUDGET, name=CHALLENGER, others=exam.adapters, tell=progress.scored)
    evaluate(exam, samples, scorer)
    again = len(samples.groups(CHALLENGER)) - len(dict.fromkeys(samples.groups(CHALLENGER)))
    assert told[-1].steps - 3 * (again + ANSWERS) <= told[-1].step <= told[-1].steps
    assert told[-1].seconds_left is not None


@pytest.mark.parametrize(("asked", "longest", "expected"), [(None, 128, 64), (None, 1024, 32), (5, 1024, 5)])
def test_of_a_model_with_long_answers_fewer_are_drawn_unless_the_settings_say(
    policy: Policy, asked: int | None, longest: int, expected: int
) -> None:
    config = RoundConfig(model="m", revision="0", seed=0, answers=asked, sampling=Sampling(max_new_tokens=longest))
    assert fresh_answers(config, policy.base) == expected
