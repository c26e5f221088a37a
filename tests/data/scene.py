"""A store whose clock only the test moves, and short ways to fill it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from data.records import (
    Annotator,
    Choice,
    FinishReason,
    Judgment,
    Lease,
    NewCompletion,
    Pair,
    Role,
    Sampling,
    Split,
    Verdict,
)
from data.store import PreferenceStore

MINUTE = 60_000


@dataclass
class HandClock:
    """Milliseconds that pass only when told to."""

    now: int = 1_000_000

    def __call__(self) -> int:
        return self.now


def completion(text: str = "yes", version: str = "base", seed: int = 1) -> NewCompletion:
    return NewCompletion(
        version=version,
        text=text,
        token_ids=(5, 6, 2),
        logprobs=(-0.25, -1.5, -0.001),
        finish_reason=FinishReason.STOP,
        sampling=Sampling(),
        seed=seed,
    )


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection with none of the store's pragmas, as somebody else's tool would open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@dataclass
class Scene:
    store: PreferenceStore
    path: Path
    clock: HandClock
    numbers: Iterator[int] = field(default_factory=count)

    def annotator(self) -> Annotator:
        return self.store.people.add(f"ann{next(self.numbers)}", Role.ANNOTATOR)

    def add_version(self, name: str) -> None:
        self.store.versions.add(name, round_id=None, parent="base", sha256="0" * 64)

    def prompt_id(self, split: Split = Split.TRAIN) -> int:
        """A new prompt of one split, found by trying texts."""
        while True:
            text = f"question {next(self.numbers)}"
            self.store.prompts.add([[{"role": "user", "content": text}]], source="test")
            for prompt in self.store.prompts.sample(split, self.store.prompts.count(), 0):
                if prompt.messages[0]["content"] == text:
                    return prompt.id

    def pair(self, *, split: Split = Split.TRAIN, version: str = "base", target: int = 1) -> Pair:
        number = next(self.numbers)
        a, b = (completion(f"{side} {number}", version) for side in ("left", "right"))
        return self.store.pairs.add(self.prompt_id(split), a, b, target_judgments=target)

    def lease(self, annotator: Annotator, pair: Pair | None = None) -> Lease:
        """The next pair, or this one, for ten minutes."""
        if pair is not None:
            return self.store.pairs.lease_pair(pair.id, annotator.id, duration_ms=10 * MINUTE)
        lease = self.store.pairs.lease(annotator.id, duration_ms=10 * MINUTE)
        assert lease is not None
        return lease

    def answer(self, lease: Lease, choice: Choice, strength: int | None = None) -> Judgment:
        """Judge what is leased; choice is in the pair's own a and b."""
        shown = choice.mirrored if lease.swapped else choice
        return self.store.judgments.record(
            lease.annotator_id,
            lease.token,
            Verdict(shown, strength),
            idempotency_key=f"key {next(self.numbers)}",
        )

    def judge(
        self, annotator: Annotator, choice: Choice, pair: Pair | None = None, strength: int | None = None
    ) -> Judgment:
        return self.answer(self.lease(annotator, pair), choice, strength)

    def undo(self, annotator: Annotator) -> tuple[Lease, Judgment]:
        undone = self.store.judgments.undo(annotator.id, duration_ms=10 * MINUTE)
        assert undone is not None
        return undone
