"""The queue against a plain list of what is there: it gives only what it may, and nothing only if nothing is left."""

import random
import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from data.annotation.pairs import Pairs
from data.annotation.queue import QueueRules
from data.records import Annotator, Choice, Lease, Pair, Purpose
from data.store import PreferenceStore
from tests.data.scene import MINUTE, HandClock, Scene, completion

PEOPLE = 3
RULES = QueueRules(gold=0.2, reask=0.3, reask_after=2, evaluation=0.2)
who = st.integers(0, PEOPLE - 1)


@dataclass
class Said:
    """What one person said, newest last, and what he has on his screen."""

    judged: dict[int, tuple[Choice, bool]] = field(default_factory=dict)
    lease: Lease | None = None


class Queue(RuleBasedStateMachine):
    """Three people; pairs of every purpose; leases that end."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        path, self.clock, self.keys = Path(self.directory.name) / "prefloop.db", HandClock(), count()
        self.store = PreferenceStore.open(path, clock=self.clock)
        self.store.versions.ensure_base("tiny", "r1")
        self.store.pairs = Pairs(self.store._database, self.clock, self.store.prompts, random.Random(0))
        self.scene = Scene(self.store, path, self.clock)
        self.pairs: dict[int, Pair] = {}
        self.copies: dict[int, int] = {}

    @initialize()
    def people_come(self) -> None:
        self.scene.add_version("v1")
        self.people: list[Annotator] = [self.scene.annotator() for _ in range(PEOPLE)]
        self.said = [Said() for _ in self.people]
        self.prompt_id = self.scene.prompt_id()

    @rule(wanted=st.integers(1, 3))
    def sample(self, wanted: int) -> None:
        pair = self.store.pairs.add(self.prompt_id, completion(), completion("no"), target_judgments=wanted)
        self.pairs[pair.id] = pair

    @rule()
    def sample_to_measure(self) -> None:
        newer = completion(version="v1")
        pair = self.store.pairs.add_evaluation(self.prompt_id, newer, completion("no"), champion="v1")
        self.pairs[pair.id] = pair

    @precondition(lambda self: self.unknown())
    @rule(data=st.data())
    def make_known(self, data: st.DataObject) -> None:
        original = data.draw(st.sampled_from(self.unknown()))
        known = self.store.gold.make(original, Choice.A, explanation="", made_by=None).pair
        self.pairs[known.id] = known
        self.copies[known.id] = original

    @rule(at=who)
    def ask(self, at: int) -> None:
        said, person = self.said[at], self.people[at]
        held = said.lease if said.lease and said.lease.expires_at > self.clock.now else None
        given = self.store.pairs.lease(person.id, duration_ms=10 * MINUTE, rules=RULES)
        if held is not None:
            assert given == held
        elif given is None:
            assert not [pair_id for pair_id in self.pairs if self.may_have(at, pair_id)]
        elif given.pair.purpose is Purpose.REASK:
            self.assert_fit_to_ask_again(said, given)
        else:
            assert self.may_have(at, given.pair.id)
        said.lease = given

    @precondition(lambda self: any(said.lease for said in self.said))
    @rule(choice=st.sampled_from([Choice.A, Choice.A, Choice.B, Choice.TIE, Choice.SKIP]), data=st.data())
    def answer(self, choice: Choice, data: st.DataObject) -> None:
        at = data.draw(st.sampled_from([at for at, said in enumerate(self.said) if said.lease]))
        said = self.said[at]
        assert said.lease is not None
        if said.lease.expires_at <= self.clock.now:
            return  # whether a late answer is taken is told in test_judgments
        self.scene.answer(said.lease, choice)
        said.judged[said.lease.pair.id] = (choice, said.lease.swapped)
        said.lease = None

    @rule(at=who)
    def give_back(self, at: int) -> None:
        said = self.said[at]
        if said.lease is not None:
            self.store.pairs.release(said.lease.token, self.people[at].id)
            said.lease = None

    @rule()
    def wait(self) -> None:
        self.clock.now += 10 * MINUTE

    @invariant()
    def no_pair_has_more_than_it_wants(self) -> None:
        assert all(self.given(pair_id) <= pair.target_judgments for pair_id, pair in self.pairs.items())

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()

    def unknown(self) -> list[int]:
        """Training pairs of which no known pair has been made."""
        made = set(self.copies.values())
        return [at for at, pair in self.pairs.items() if pair.purpose is Purpose.TRAIN and at not in made]

    def given(self, pair_id: int) -> int:
        """How many judgments a pair has, or is promised."""
        has = sum(said.judged.get(pair_id, (Choice.SKIP,))[0] is not Choice.SKIP for said in self.said)
        return has + sum(self.holds(said, pair_id) for said in self.said)

    def holds(self, said: Said, pair_id: int) -> bool:
        return said.lease is not None and said.lease.pair.id == pair_id and said.lease.expires_at > self.clock.now

    def may_have(self, at: int, pair_id: int) -> bool:
        """Whether a pair wants this person's judgment, and he has not seen its answers."""
        same = {pair_id, self.copies.get(pair_id)} | {known for known, of in self.copies.items() if of == pair_id}
        return not same & set(self.said[at].judged) and self.given(pair_id) < self.pairs[pair_id].target_judgments

    def assert_fit_to_ask_again(self, said: Said, given: Lease) -> None:
        [row] = self.store._database.rows("select repeats_id from pair where id = ?", [given.pair.id])
        original = row["repeats_id"]
        order = list(said.judged)
        fit = [pair_id for pair_id in order[: len(order) - RULES.reask_after + 1] if said.judged[pair_id][0].decisive]
        assert original in fit
        assert self.pairs[original].purpose is Purpose.TRAIN
        assert given.swapped is not said.judged[original][1]
        assert given.pair.id not in said.judged


Queue.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_the_queue_agrees_with_a_plain_list = Queue.TestCase
