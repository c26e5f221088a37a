"""A whole round in this process: what it leaves behind, and what it refuses."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError, RoundError
from data.records import Message, Snapshot
from tests.models import save_random_model
from tests.trainer.scene import ask, freeze, preference, toy_pairs, toy_snapshot
from trainer.algorithms.training_run import StoppedError
from trainer.evaluation.canary import verify
from trainer.forward.encoding import Encoder, TokenPair
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.config import DPOConfig
from trainer.interface.model_settings import PromptFormat
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotPair, lines_of_store
from trainer.model.adapter import read_adapter
from trainer.model.base import Base, load_base
from trainer.round import run_round
from trainer.sampling.sampler import Sampler


def never() -> bool:
    return False


@pytest.fixture
def frozen(tmp_path: Path, base: Base) -> RoundDir:
    return freeze(tmp_path / "round", base, config=DPOConfig(epochs=1, batch_size=6, rank=2, alpha=4))


class TestAFinishedRound:
    def test_the_manifest_names_what_it_came_from_and_what_it_made(self, finished: RoundDir) -> None:
        manifest = finished.manifest()
        assert manifest is not None
        config = finished.config()
        assert manifest.snapshot_sha256 == finished.snapshot_sha256()
        assert manifest.adapter_sha256 == directory_sha256(finished.adapter)
        assert (manifest.model, manifest.revision) == (config.model, config.revision)
        assert manifest.steps == len(finished.metrics()) == 24
        assert set(manifest.software) == {"prefloop", "torch", "transformers", "peft"}

    def test_the_report_counts_the_pairs_and_says_that_it_learned(self, finished: RoundDir) -> None:
        manifest = finished.manifest()
        assert manifest is not None
        report = manifest.report
        assert (report.algorithm, report.reference, report.forward) == ("dpo", "base", "packed")
        assert (report.train.pairs, report.heldout.pairs) == (12, 4)
        assert report.train.accuracy == 1.0
        assert report.heldout.accuracy == 1.0
        assert report.heldout.margin is not None and report.heldout.margin > 0
        assert report.drift.kl_mean > 0
        assert 1 <= report.drift.mean_length <= 8

    def test_its_canary_is_proved_by_the_sampler_that_serves(self, finished: RoundDir, base: Base) -> None:
        manifest = finished.manifest()
        assert manifest is not None
        canary = manifest.canary
        sampler = Sampler(base)
        sampler.load("new", read_adapter(finished.adapter, base.model, max_rank=16))
        prompt = base.prompt_ids(canary.prompt)
        served, served_base = (sampler.score(prompt, canary.token_ids, name) for name in ("new", None))
        verify(canary, served=served, served_base=served_base)
        assert served == pytest.approx(canary.logprobs, abs=1e-4)

    def test_the_adapter_prefers_what_was_chosen_on_the_serving_path_too(self, finished: RoundDir, base: Base) -> None:
        sampler = Sampler(base)
        sampler.load("new", read_adapter(finished.adapter, base.model, max_rank=16))

        def ratio(pair: TokenPair, answer: tuple[int, ...]) -> float:
            new, old = (sum(sampler.score(pair.prompt_ids, answer, name)) for name in ("new", None))
            return new - old

        for pair in Encoder(base, max_tokens=None).pairs(finished.heldout()):
            assert ratio(pair, pair.chosen_ids) > ratio(pair, pair.rejected_ids)

    def test_the_last_word_of_its_progress_is_the_last_step(self, finished: RoundDir) -> None:
        progress = finished.progress()
        assert progress is not None
        assert progress.phase == "evaluating"
        assert 0.9 * progress.steps <= progress.step <= progress.steps  # the same answer twice is scored once


def test_without_held_out_pairs_accuracy_is_unknown_and_not_zero(tmp_path: Path, base: Base) -> None:
    directory = freeze(
        tmp_path / "round", base, snapshot=toy_snapshot(heldout=0), config=DPOConfig(epochs=1, rank=2, alpha=4)
    )
    report = run_round(directory, never).report
    assert (report.heldout.pairs, report.heldout.accuracy, report.heldout.margin) == (0, None, None)


class TestLongPrompts:
    LONG = preference(90, toy_pairs(1, seed=5)[0], text="egg " * 600)
    CONFIG = DPOConfig(epochs=1, rank=2, alpha=4)

    def test_one_is_cut_and_counted_and_the_canary_is_of_another(self, tmp_path: Path, base: Base) -> None:
        toys = toy_snapshot()
        snapshot = replace(toys, train=(self.LONG, *toys.train))
        manifest = run_round(freeze(tmp_path / "round", base, snapshot=snapshot, config=self.CONFIG), never)
        assert (manifest.report.prompts_cut, manifest.report.dropped) == (1, 0)
        assert manifest.canary.prompt in [pair.prompt.messages for pair in toys.train]

    def test_where_all_are_too_long_the_canary_asks_something_else(self, tmp_path: Path, base: Base) -> None:
        snapshot = Snapshot((self.LONG,), (), {})
        manifest = run_round(freeze(tmp_path / "round", base, snapshot=snapshot, config=self.CONFIG), never)
        base.prompt_ids(manifest.canary.prompt, room=len(manifest.canary.token_ids))  # as serving asks


def long_snapshot() -> Snapshot:
    """The toy pairs with what they say repeated, to completions of well over a hundred tokens."""

    def lengthened(ids: tuple[int, ...]) -> tuple[int, ...]:
        return (*ids[:-1] * 30, ids[-1])

    pairs = [
        replace(one, chosen_ids=lengthened(one.chosen_ids), rejected_ids=lengthened(one.rejected_ids))
        for one in toy_pairs(6)
    ]
    return Snapshot(tuple(preference(i, pair) for i, pair in enumerate(pairs)), (), {})


class TestLongCompletions:
    """Sums of many log-probabilities: the beta of short ones would ask for next to nothing of each token."""

    CONFIG = DPOConfig(epochs=1, rank=2, alpha=4)

    def test_beta_falls_and_the_round_says_so(self, tmp_path: Path, base: Base) -> None:
        directory = freeze(tmp_path / "round", base, snapshot=long_snapshot(), config=self.CONFIG)
        [note] = [note for note in run_round(directory, never).report.notes if note.startswith("beta is ")]
        assert re.fullmatch(r"beta is 0\.0\d+ in place of 0\.1: completions have \d{3} tokens on average; .*", note)

    def test_a_beta_that_was_set_stays(self, tmp_path: Path, base: Base) -> None:
        config = self.CONFIG.model_copy(update={"beta": 0.1})
        directory = freeze(tmp_path / "round", base, snapshot=long_snapshot(), config=config)
        assert not any("beta" in note for note in run_round(directory, never).report.notes)


class TestATemplateThatRefuses:
    TEMPLATE = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "<|user|>{{ messages[0].content }}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    CONFIG = DPOConfig(epochs=1, batch_size=6, rank=2, alpha=4)

    @staticmethod
    def with_system(prompt: tuple[Message, ...]) -> tuple[Message, ...]:
        return ({"role": "system", "content": "Be brief."}, *prompt)

    def refused(self, one: SnapshotPair) -> SnapshotPair:
        return replace(one, prompt=self.with_system(one.prompt))

    def test_the_round_goes_on_without_what_is_refused_and_names_it(self, tmp_path: Path, base: Base) -> None:
        base = base.under(PromptFormat(template=self.TEMPLATE))
        lines = lines_of_store(toy_snapshot())
        train = [self.refused(one) if number < 2 else one for number, one in enumerate(lines.train)]
        heldout = [self.refused(lines.heldout[0]), *lines.heldout[1:]]
        probes = (ask("how?"), self.with_system(ask("why?")))
        directory = freeze(
            tmp_path / "round",
            base,
            snapshot=replace(lines, train=train, heldout=heldout),
            config=self.CONFIG,
            probes=probes,
        )
        manifest = run_round(directory, never)
        report = manifest.report
        assert (report.train.pairs, report.heldout.pairs, report.refused, report.dropped) == (10, 3, 3, 0)
        assert [note.partition(":")[0] for note in report.notes] == [
            "pair 0 is left out",
            "pair 1 is left out",
            "pair 12 is left out",
            "probe 2 is left out",
        ]
        assert manifest.evaluation is not None
        assert [probe.prompt for probe in manifest.evaluation.probes] == [ask("how?")]

    def test_a_round_of_which_nothing_is_left_says_why(self, tmp_path: Path, base: Base) -> None:
        base = base.under(PromptFormat(template=self.TEMPLATE))
        lines = lines_of_store(toy_snapshot())
        directory = freeze(
            tmp_path / "round", base, snapshot=replace(lines, train=[self.refused(one) for one in lines.train])
        )
        with pytest.raises(RoundError, match=r"nothing to train on .*pair 0 is left out: .*no system role"):
            run_round(directory, never)


def test_a_round_that_was_frozen_before_formats_were_recorded_is_asked_as_it_was_then(
    tmp_path: Path, base: Base
) -> None:
    config = DPOConfig(epochs=1, batch_size=6, rank=2, alpha=4)
    directory = freeze(tmp_path / "round", base, config=config, prompt_format=None)
    former = replace(base, former=PromptFormat(template="Q: {{ messages[0].content }} A:"))
    canary = run_round(directory, never, base=former).canary
    assert canary.prompt_ids == former.under(former.former).encode(canary.prompt)


def test_a_stopped_round_has_a_checkpoint_and_no_manifest_and_goes_on_to_the_same_adapter(
    tmp_path: Path, base: Base, finished: RoundDir
) -> None:
    directory = freeze(tmp_path / "round", base)
    with pytest.raises(StoppedError):
        run_round(directory, lambda: len(directory.metrics()) == 7)
    assert directory.checkpoint.exists()
    assert directory.manifest() is None and not directory.adapter.exists()
    whole = finished.manifest()
    assert whole is not None
    assert run_round(directory, never).adapter_sha256 == whole.adapter_sha256


def test_a_trainer_that_died_while_measuring_is_carried_on(frozen: RoundDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr("trainer.round.drift", die)
        run_round(frozen, never)
    assert frozen.adapter.exists() and frozen.manifest() is None
    assert run_round(frozen, never).adapter_sha256 == directory_sha256(frozen.adapter)


class TestRefusals:
    @pytest.fixture(autouse=True)
    def no_manifest(self, frozen: RoundDir) -> object:
        """After any refusal there is none."""
        yield
        assert frozen.manifest() is None

    def test_changed_pairs(self, frozen: RoundDir) -> None:
        file = frozen.path / "pairs.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[:-1]))
        with pytest.raises(RoundError, match="were changed after they were frozen"):
            run_round(frozen, never)

    def test_a_base_that_is_another_than_the_round_was_frozen_for(self, tmp_path: Path, frozen: RoundDir) -> None:
        model = save_random_model(tmp_path / "model")
        directory = freeze(tmp_path / "other", load_base(str(model)))
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
        with pytest.raises(RoundError, match=r"has changed since the round was frozen .* start a new round"):
            run_round(directory, never)
        assert directory.manifest() is None

    def test_a_snapshot_without_pairs(self, tmp_path: Path, base: Base) -> None:
        directory = freeze(tmp_path / "empty", base, snapshot=Snapshot((), (), {"tie": 9}))
        with pytest.raises(RoundError, match="holds nothing to train on"):
            run_round(directory, never)

    def test_pairs_that_another_model_sampled(self, tmp_path: Path, base: Base) -> None:
        foreign = preference(5, TokenPair((), (5, 150_000, 2), (6, 2)))
        directory = freeze(tmp_path / "foreign", base, snapshot=Snapshot((foreign,), (), {}))
        with pytest.raises(InputError, match=r"pair 5: .*another model sampled it"):
            run_round(directory, never)
        assert directory.manifest() is None

    def test_training_that_runs_away(self, tmp_path: Path, base: Base) -> None:
        wild = DPOConfig(learning_rate=1e30, rank=2, alpha=4, batch_size=4)
        directory = freeze(tmp_path / "wild", base, config=wild)
        with pytest.raises(RoundError, match=r"is not finite; lower learning_rate in \[training\]"):
            run_round(directory, never)
        assert directory.manifest() is None and not directory.adapter.exists()
