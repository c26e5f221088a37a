import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from app.background.webhooks import Event
from app.rounds.algorithms import Algorithm
from app.rounds.planner import Planner
from app.rounds.runner import RoundRunner
from app.rounds.trainer_process import TrainerProcess
from app.rounds.training_settings import TrainingSettings
from app.serving.adapter_store import AdapterStore
from app.serving.router import Router
from app.versions.limits import Limits
from app.versions.promotion import Promotion, PromotionPolicy
from app.versions.registry import ModelRegistry
from data.errors import ConflictError, DiskFullError, RoundError
from data.records import (
    Choice,
    FinishReason,
    NewCompletion,
    Prompt,
    Role,
    Round,
    RoundState,
    Ruling,
    Sampling,
    Split,
    Verdict,
)
from data.store import PreferenceStore
from tests.app.gate_again import heldout_again, told_of_heldout
from tests.app.serving.test_router import promote
from tests.app.told import Told
from tests.app.until import until
from trainer.interface.config import RoundConfig
from trainer.interface.round_dir import RoundDir
from trainer.model.base import load_base

Start = Callable[..., RoundRunner]
Room = Callable[[RoundDir], AbstractAsyncContextManager[None]]
TRAINING = {"learning_rate": 1e-2, "epochs": 4, "batch_size": 2, "rank": 4, "alpha": 32, "checkpoint_every": 1}
REAL = (sys.executable, "-m", "trainer")


def judge(store: PreferenceStore, count: int, *, bad: int = 0) -> None:
    """Judgments in favour of one token over another, on training prompts, by one annotator; then bad pairs."""
    store.prompts.add([[{"role": "user", "content": f"question {i}"}] for i in range(2 * (count + bad))], source="test")
    choose(store, store.prompts.sample(Split.TRAIN, count + bad, 0), count)


def choose(store: PreferenceStore, prompts: Sequence[Prompt], count: int) -> None:
    """A pair on each prompt, of which the first `count` have a winner."""
    annotator = store.people.add(f"ann-{store.judgments.last_id()}", Role.ANNOTATOR)
    for number, prompt in enumerate(prompts):
        good, bad = (
            NewCompletion("base", text, ids, (-1.0, -1.0), FinishReason.STOP, Sampling(), 1)
            for text, ids in (("good", (100, 2)), ("bad", (101, 2)))
        )
        pair = store.pairs.add(prompt.id, good, bad)
        lease = store.pairs.lease_pair(pair.id, annotator.id, duration_ms=60_000)
        verdict = Verdict(Choice.B if lease.swapped else Choice.A, 2) if number < count else Verdict(Choice.BOTH_BAD)
        store.judgments.record(annotator.id, lease.token, verdict, idempotency_key=f"key-{pair.id}")


@pytest.fixture(autouse=True)
def toys_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy of three hundred tokens hardly changes in a few steps; test_gatekeeper.py has what becomes of such."""
    monkeypatch.setattr("app.versions.promotion.not_told_by_answers", lambda _: None)
    monkeypatch.setattr("app.versions.promotion.told_by_answers_alone", lambda _: None)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def start(
    store: PreferenceStore, router: Router, adapter_store: AdapterStore, model: Path, tmp_path: Path, told: Told
) -> AsyncIterator[Start]:
    """Makes a Rounds over judged pairs, trained by a command."""
    base = load_base(str(model))
    template = RoundConfig(model=base.name, revision=base.revision, seed=0, sampling=Sampling(max_new_tokens=8))
    made: list[RoundRunner] = []

    def make(
        command: tuple[str, ...] = REAL,
        *,
        promotion: Promotion = Promotion.GATE,
        limits: Limits | None = None,
        room: Room = lambda _: nullcontext(),
        **given: object,
    ) -> RoundRunner:
        trainings = TrainingSettings({**TRAINING, **given}, base.model.num_parameters())
        planner = Planner(store.versions, adapter_store, template=template, training_settings=trainings, max_rank=8)
        adapters = ModelRegistry(store, router, moved=lambda: None, publish=told)
        rounds = RoundRunner(
            store,
            router,
            adapter_store,
            directory=tmp_path / "rounds",
            planner=planner,
            trainer=TrainerProcess(command),
            publish=told,
            promotion_policy=PromotionPolicy(adapters, router, promotion=promotion, limits=limits or Limits()),
            room=room,
        )
        made.append(rounds)
        return rounds

    judge(store, 8, bad=2)
    yield make
    for rounds in made:
        await rounds.close()


def script(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A trainer that is a few lines of Python; `directory` is the round's."""
    file = tmp_path / "trainer.py"
    file.write_text(f"import sys, json, pathlib\ndirectory = pathlib.Path(sys.argv[1])\n{body}\n")
    return (sys.executable, str(file))


async def test_a_round_trains_and_its_adapter_serves(
    start: Start, router: Router, store: PreferenceStore, told: Told
) -> None:
    rounds = start()
    created = await rounds.start(None)
    await rounds.wait()
    view = rounds.view(created.id)

    assert (view.round.state, view.round.reason) == (RoundState.PROMOTED, None)
    assert router.champion == f"round-{created.id:06d}"
    assert store.versions.by_name(router.champion).round_id == created.id
    assert view.manifest is not None
    assert view.manifest.report.train.accuracy == 1.0
    assert [line["step"] for line in view.metrics] == list(range(1, 17))
    assert told[-1] == (Event.ROUND_FINISHED, {"round": created.id, "state": "promoted", "reason": None})
    [decision] = store.decisions.of(router.champion)
    assert (decision.ruling, decision.actor_id) == (Ruling.PROMOTE, None)


@pytest.mark.parametrize(("promotion", "ruling"), [(Promotion.BY_HAND, Ruling.WAIT), (Promotion.TRIAL, Ruling.TRY)])
async def test_a_version_waits_or_is_tried_if_the_settings_say_so(
    start: Start, router: Router, store: PreferenceStore, promotion: Promotion, ruling: Ruling
) -> None:
    rounds = start(promotion=promotion)
    created = await rounds.start(None)
    await rounds.wait()

    assert rounds.view(created.id).round.state is RoundState.WAITING
    assert router.champion == "base"
    [decision] = store.decisions.all()
    assert (decision.version, decision.ruling) == (f"round-{created.id:06d}", ruling)


async def test_a_version_that_breaks_a_limit_is_refused_with_the_reason(
    start: Start, router: Router, store: PreferenceStore, told: Told
) -> None:
    rounds = start(promotion=Promotion.TRIAL, limits=Limits(kl_mean=1e-9))
    created = await rounds.start(None)
    await rounds.wait()
    entry = rounds.view(created.id).round

    assert entry.state is RoundState.REFUSED
    assert entry.reason is not None and "nats from the base (mean); at most 1e-09 are allowed" in entry.reason
    assert router.champion == "base"
    [decision] = store.decisions.all()
    assert (decision.ruling, decision.reason) == (Ruling.REFUSE, entry.reason)
    manifest = rounds.manifest(created.id)
    assert manifest is not None and manifest.evaluation is not None
    assert decision.numbers["kl_mean"] == manifest.evaluation.against_base.kl.mean
    assert [event for event, _ in told] == [Event.VERSION_REFUSED, Event.ROUND_FINISHED]


async def test_a_round_is_compared_with_the_version_that_serves_when_it_begins(start: Start, router: Router) -> None:
    rounds = start()
    first = await rounds.start(None)
    await rounds.wait()
    champion = router.champion
    second = await rounds.start(None)
    await rounds.wait()
    found = [rounds.manifest(entry.id) for entry in (first, second)]

    rivals = [manifest.evaluation.against_champion.rival for manifest in found if manifest and manifest.evaluation]
    assert rivals == ["base", champion]


async def test_what_a_round_is_judged_by_follows_from_its_own_files(
    start: Start, router: Router, store: PreferenceStore, new_version: Callable[[str, int], Path]
) -> None:
    store.prompts.add([[{"role": "user", "content": f"and {i}"}] for i in range(60)], source="test")
    heldout = store.prompts.sample(Split.HELDOUT, 60, 0)
    choose(store, heldout, len(heldout))
    new_version("v1", 1)
    await promote(router, "v1")
    rounds = start(learning_rate=1e-4)  # so little that not all pairs move
    created = await rounds.start(None)
    await rounds.wait()

    manifest = rounds.manifest(created.id)
    assert manifest is not None and manifest.evaluation is not None
    told = manifest.evaluation.model_dump()
    again = heldout_again(rounds.directory(created.id).path)
    assert len(heldout) == told["against_base"]["heldout"]["pairs"] > 5
    assert told_of_heldout(told["against_base"]) == pytest.approx(again["base"], rel=1e-3, abs=1e-4)
    assert told_of_heldout(told["against_champion"]) == pytest.approx(again["v1"], rel=1e-3, abs=1e-4)


async def test_a_version_waits_if_another_serves_than_the_one_it_was_compared_with(
    start: Start, router: Router, store: PreferenceStore, new_version: Callable[[str, int], Path]
) -> None:
    new_version("v1", 1)
    rounds = start()
    created = await rounds.start(None)
    await until(rounds.directory(created.id).checkpoint.exists)
    await promote(router, "v1")
    await rounds.wait()

    entry = rounds.view(created.id).round
    assert entry.state is RoundState.WAITING
    assert entry.reason == "round 1 passed all checks, compared with base; but v1 serves by now"
    assert router.champion == "v1"
    assert store.decisions.of("round-000001")[-1].ruling is Ruling.WAIT


async def test_a_version_that_nobody_compared_waits_for_an_admin(
    start: Start, tmp_path: Path, store: PreferenceStore
) -> None:
    forget = (
        "import subprocess\nsubprocess.run([sys.executable, '-m', 'trainer', str(directory)], check=True)\n"
        "file = directory / 'manifest.json'\nfound = json.loads(file.read_text())\ndel found['evaluation']\n"
        "file.write_text(json.dumps(found))"
    )
    rounds = start(script(tmp_path, forget))
    created = await rounds.start(None)
    await rounds.wait()

    entry = rounds.view(created.id).round
    assert (entry.state, entry.reason) == (
        RoundState.WAITING,
        "its trainer has not compared it with the version that serves",
    )
    assert store.decisions.all()[0].ruling is Ruling.WAIT


async def test_one_round_at_a_time(start: Start) -> None:
    rounds = start()
    await rounds.start(None)

    with pytest.raises(ConflictError):
        await rounds.start(None)


async def test_a_trainer_that_is_killed_resumes_and_the_pointer_moves_only_then(start: Start, router: Router) -> None:
    rounds = start()
    created = await rounds.start(None)
    directory = rounds.directory(created.id)
    await until(directory.checkpoint.exists)
    pid = rounds._trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert router.champion == "base"
    await rounds.wait()

    assert rounds.view(created.id).round.state is RoundState.PROMOTED
    assert [line["step"] for line in directory.metrics()] == list(range(1, 17))


async def test_a_trainer_that_is_killed_again_and_again_fails_the_round(
    start: Start, router: Router, tmp_path: Path
) -> None:
    rounds = start(script(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    created = await rounds.start(None)
    await rounds.wait()
    ended = rounds.view(created.id).round

    assert ended.state is RoundState.FAILED
    assert ended.reason is not None
    assert "status -9" in ended.reason
    assert router.champion == "base"


async def test_a_trainer_s_own_words_are_the_round_s_reason(start: Start, tmp_path: Path) -> None:
    failing = '(directory / "failure.json").write_text(json.dumps({"reason": "loss nan"})); sys.exit(1)'
    rounds = start(script(tmp_path, failing))
    created = await rounds.start(None)
    await rounds.wait()

    assert rounds.view(created.id).round.reason == "loss nan"


async def test_a_trainer_that_says_nothing_is_told_by_the_end_of_its_log(start: Start, tmp_path: Path) -> None:
    rounds = start(script(tmp_path, "sys.exit('no such GPU')"))
    created = await rounds.start(None)
    await rounds.wait()

    reason = str(rounds.view(created.id).round.reason)
    assert reason.startswith("the trainer ended with status 1: no such GPU; ")


@pytest.mark.parametrize(("status", "free"), [(1, 0), (74, 10**9)], ids=["full", "full until it ended"])
async def test_a_trainer_that_could_say_nothing_on_a_full_disk_is_told_as_that(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, free: int
) -> None:
    rounds = start(script(tmp_path, f"sys.exit({status})"))
    monkeypatch.setattr("data.support.disk.free_bytes", lambda _: free)
    created = await rounds.start(None)
    await rounds.wait()

    assert str(rounds.view(created.id).round.reason).startswith("The disk is full: ")


async def test_a_round_that_cannot_be_frozen_for_want_of_room_says_so_and_leaves_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trainer.interface.round_dir.write_lines", no_room)
    rounds = start()
    created = await rounds.start(None)
    await rounds.wait()

    assert str(rounds.view(created.id).round.reason).startswith("The disk is full: ")
    assert list((tmp_path / "rounds").iterdir()) == []


async def test_a_round_s_end_is_kept_as_soon_as_there_is_room_for_it(
    start: Start, tmp_path: Path, store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rounds.runner._ROOM_SECONDS", 0.01)
    set_state = store.rounds.set_state
    refused: list[RoundState] = []

    def full_at_first(number: int, state: RoundState, *, reason: str | None) -> Round:
        if state is RoundState.FAILED and len(refused) < 3:
            refused.append(state)
            raise DiskFullError(tmp_path)
        return set_state(number, state, reason=reason)

    monkeypatch.setattr(store.rounds, "set_state", full_at_first)
    rounds = start(script(tmp_path, "sys.exit('gone')"))
    created = await rounds.start(None)
    await rounds.wait()

    assert (rounds.view(created.id).round.state, len(refused)) == (RoundState.FAILED, 3)


async def test_a_good_exit_without_a_manifest_is_a_failure(start: Start, router: Router, tmp_path: Path) -> None:
    rounds = start(script(tmp_path, ""))
    created = await rounds.start(None)
    await rounds.wait()

    assert rounds.view(created.id).round.state is RoundState.FAILED
    assert router.champion == "base"


async def test_a_damaged_adapter_is_refused_and_the_champion_stays(
    start: Start, router: Router, tmp_path: Path
) -> None:
    damage = (
        "import subprocess\nsubprocess.run([sys.executable, '-m', 'trainer', str(directory)], check=True)\n"
        "file = directory / 'adapter' / 'adapter_model.safetensors'\n"
        "file.write_bytes(file.read_bytes()[:-4] + b'XXXX')"
    )
    rounds = start(script(tmp_path, damage))
    created = await rounds.start(None)
    await rounds.wait()
    ended = rounds.view(created.id).round

    assert ended.state is RoundState.FAILED
    assert "refused" in str(ended.reason)
    assert router.champion == "base"


async def test_a_manifest_of_another_snapshot_is_refused(start: Start, router: Router, tmp_path: Path) -> None:
    forge = (
        "import subprocess\nsubprocess.run([sys.executable, '-m', 'trainer', str(directory)], check=True)\n"
        "file = directory / 'manifest.json'\nmanifest = json.loads(file.read_text())\n"
        "manifest['snapshot_sha256'] = 'f' * 64\nfile.write_text(json.dumps(manifest))"
    )
    rounds = start(script(tmp_path, forge))
    created = await rounds.start(None)
    await rounds.wait()

    assert "another snapshot" in str(rounds.view(created.id).round.reason)
    assert router.champion == "base"


async def test_a_round_can_be_cancelled_and_another_started(start: Start, tmp_path: Path) -> None:
    rounds = start(script(tmp_path, "import time; time.sleep(60)"))
    created = await rounds.start(None)
    await until(lambda: rounds.view(created.id).round.state is RoundState.TRAINING)
    await rounds.cancel(created.id)
    await rounds.wait()

    assert rounds.view(created.id).round.state is RoundState.CANCELLED
    assert (await rounds.start(None)).id == created.id + 1


async def test_a_round_cancelled_while_its_trainer_is_being_started_does_not_train(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, execute = start(("sh", "-c", "exec sleep 60")), asyncio.create_subprocess_exec

    async def cancelled_meanwhile(*command: str, **given: Any) -> asyncio.subprocess.Process:
        await rounds.cancel(created.id)
        return await execute(*command, **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", cancelled_meanwhile)
    created = await rounds.start(None)
    await asyncio.wait_for(rounds.wait(), 30)

    assert rounds.view(created.id).round.state is RoundState.CANCELLED


async def test_a_cancel_that_is_taken_before_the_swap_is_kept(
    start: Start, router: Router, store: PreferenceStore
) -> None:
    @asynccontextmanager
    async def room(_: RoundDir) -> AsyncIterator[None]:
        yield
        await rounds.cancel(created.id)  # the trainer has ended well, and serving comes back

    rounds = start(room=room)
    created = await rounds.start(None)
    await rounds.wait()

    ended = rounds.view(created.id).round
    assert (ended.state, ended.reason) == (
        RoundState.CANCELLED,
        "cancelled; its checkpoint stays in the round directory",
    )
    assert router.champion == "base"
    assert [version.name for version in store.versions.all()] == ["base"]


async def test_nothing_to_cancel_is_said(start: Start) -> None:
    rounds = start(("true",))
    created = await rounds.start(None)
    await rounds.wait()

    with pytest.raises(ConflictError, match="nothing to cancel"):
        await rounds.cancel(created.id)


@pytest.mark.parametrize("left_in", [RoundState.QUEUED, RoundState.TRAINING, RoundState.SWAPPING])
async def test_the_next_server_finishes_a_round_that_was_left_behind(
    start: Start, store: PreferenceStore, router: Router, left_in: RoundState
) -> None:
    rounds = start()
    planned = rounds._planner.plan(None, champion="base").model_dump(mode="json")
    left = store.rounds.create(config=planned, started_by=None)
    store.rounds.set_state(left.id, left_in)
    await rounds.resume()
    await rounds.wait()

    assert rounds.view(left.id).round.state is RoundState.PROMOTED
    assert router.champion == f"round-{left.id:06d}"


async def test_a_round_whose_training_has_ended_is_served_without_room_for_another(
    start: Start, store: PreferenceStore, router: Router
) -> None:
    def no_room(_: RoundDir) -> AbstractAsyncContextManager[None]:
        raise RoundError("training needs about 9 GiB, and 3 are free")

    rounds = start(("false",), room=no_room)
    planned = rounds._planner.plan(None, champion="base").model_dump(mode="json")
    left = store.rounds.create(config=planned, started_by=None)
    rounds._freeze(left.id)
    await asyncio.to_thread(subprocess.run, [*REAL, str(rounds.directory(left.id).path)], check=True)
    store.rounds.set_state(left.id, RoundState.SWAPPING)
    await rounds.resume()
    await rounds.wait()

    ended = rounds.view(left.id).round
    assert (ended.state, ended.reason) == (RoundState.PROMOTED, None)
    assert router.champion == f"round-{left.id:06d}"


async def test_what_is_frozen_is_what_was_judged(start: Start, store: PreferenceStore) -> None:
    rounds = start(("true",))
    created = await rounds.start(None)
    await rounds.wait()
    lines = (rounds.directory(created.id).path / "pairs.jsonl").read_text().splitlines()

    assert [json.loads(line)["chosen"]["text"] for line in lines] == ["good"] * 8
    assert created.counts["train"] == 8


async def test_a_record_that_cannot_be_taken_up_fails_the_round_in_words(start: Start, store: PreferenceStore) -> None:
    left = store.rounds.create(config={"modle": "x"}, started_by=None)
    rounds = start(("true",))
    await rounds.resume()
    await rounds.wait()

    ended = rounds.view(left.id).round
    assert (ended.state, "start a new one" in str(ended.reason)) == (RoundState.FAILED, True)


async def test_a_round_by_another_algorithm_than_the_configured_trains_on_bad_pairs_too(
    start: Start, router: Router
) -> None:
    rounds = start()
    created = await rounds.start(None, algorithm=Algorithm.KTO)
    await rounds.wait()
    view = rounds.view(created.id)

    assert view.round.state is RoundState.PROMOTED, view.round.reason
    assert view.manifest is not None
    assert (view.manifest.report.algorithm, view.manifest.report.rated) == ("kto", 4)
    assert created.counts["both_bad"] == 2
    assert router.champion == f"round-{created.id:06d}"


@pytest.mark.parametrize("kind", ["version", "merged"])
async def test_a_round_goes_on_from_the_version_that_serves(
    start: Start, store: PreferenceStore, router: Router, kind: str
) -> None:
    first = start(reference={"kind": kind})
    for _ in range(2):
        await first.start(None)
        await first.wait()
    ended = first.latest()

    assert ended is not None
    assert ended.round.state is RoundState.PROMOTED, ended.round.reason
    assert router.champion == "round-000002"
    assert [version.parent for version in store.versions.all()] == [None, "base", "round-000001"]
    assert ended.manifest is not None
    assert "round-000001" in ended.manifest.report.reference


async def test_a_merged_round_too_many_is_refused_before_anything_is_frozen(
    start: Start, store: PreferenceStore, router: Router
) -> None:
    rounds = start(reference={"kind": "merged"}, rank=5)
    await rounds.start(None)
    await rounds.wait()

    with pytest.raises(ConflictError, match=r"rank 10 .* set max_rank = 10"):
        await rounds.start(None)
    assert len(store.rounds.all()) == 1


async def test_an_algorithm_that_needs_a_flip_rate_is_refused_before_anything_is_frozen(
    start: Start, store: PreferenceStore
) -> None:
    rounds = start()
    with pytest.raises(ConflictError, match="set label_smoothing to a number"):
        await rounds.start(None, algorithm=Algorithm.ROBUST)

    assert store.rounds.all() == []
    assert list(rounds.directory(1).path.parent.glob("*")) == []


async def test_a_report_of_an_older_prefloop_is_as_good_as_none(start: Start) -> None:
    rounds = start(("true",))
    created = await rounds.start(None)
    await rounds.wait()
    (rounds.directory(created.id).path / "manifest.json").write_text('{"format": 1, "report": {"pairs": 8}}')

    assert rounds.view(created.id).manifest is None


async def test_a_round_by_ppo_tells_what_its_reward_model_is_worth(start: Start) -> None:
    rounds = start(algorithm="ppo", epochs=2, rollouts=8, ppo_epochs=1, batch_size=4, reward={"epochs": 1, "rank": 4})
    created = await rounds.start(None)
    await rounds.wait()
    view = rounds.view(created.id)

    assert view.round.state is RoundState.PROMOTED, view.round.reason
    assert view.manifest is not None
    assert view.manifest.report.reward is not None
    assert {"score", "kl", "length"} <= view.metrics[-1].keys()
