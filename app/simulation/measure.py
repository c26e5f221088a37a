"""Measure versions for a study: sample answers to unseen prompts over the API, and decide which of two wins.

`app/simulation/study.py` calls it before the first round and after each.
"""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from app.client.client import Client
from app.simulation.tastes import Taste
from data.errors import PrefloopError
from data.records import FinishReason, Message
from data.support.repetition import repetition

_LIMIT = "max_new_tokens"
_AT_ONCE = 12  # concurrent requests: more than the server's default max_rows, so that no row is idle
_TOLD_EVERY = 10
_REPEATS_ITSELF = 0.3
"""From this share of repeated 4-word sequences on; ordinary prose has a few percent."""


@dataclass(frozen=True, slots=True)
class MeasuredAnswer:
    """An answer of a version; cut_off: whether it reached the token limit."""

    text: str
    tokens: int
    cut_off: bool

    @property
    def failed(self) -> bool:
        """Whether nobody could prefer it: empty, cut off, or repeating itself."""
        return self.cut_off or not self.text.strip() or repetition(self.text.split()) >= _REPEATS_ITSELF


def unseen_prompts(owner: Client, count: int, *, seed: int) -> list[list[Message]]:
    """Return held-out prompts, repeated to reach `count`. Raises PrefloopError when there are none."""
    prompts = owner.get("/prompts", split="heldout", count=count, seed=seed)["prompts"]
    if not prompts:
        raise PrefloopError("there are no held-out prompts to measure on; import more prompts")
    return [prompts[i % len(prompts)] for i in range(count)]


def answers_of(
    owner: Client, version: str, prompts: Sequence[list[Message]], *, seed: int, say: Callable[[str], None]
) -> list[MeasuredAnswer]:
    """Sample one answer to each prompt from a version, at temperature 1, up to the server's token limit."""
    limit = next(one["value"] for one in owner.get("/settings") if one["key"] == f"sampling.{_LIMIT}")
    sampling = {"temperature": 1.0, "top_p": 1.0, _LIMIT: limit}
    source = random.Random(f"measure/{seed}")
    jobs = [{"messages": prompt, "seeds": [source.randrange(2**31)]} for prompt in prompts]

    def ask(job: dict[str, object]) -> MeasuredAnswer:
        drawn = owner.post_and_wait("/completions", version=version, jobs=[job], sampling=sampling)["completions"]
        [[one]] = drawn
        return _answer(one)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [pool.submit(ask, job) for job in jobs]
        try:
            _report(version, asked, say)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [one.result() for one in asked]


def _report(version: str, asked: Sequence[Future[MeasuredAnswer]], say: Callable[[str], None]) -> None:
    """Report the progress and the time left. Raises the error of a failed request."""
    began = time.monotonic()
    for number, one in enumerate(as_completed(asked), 1):
        one.result()
        if number % _TOLD_EVERY == 0 or number == len(asked):
            left = (time.monotonic() - began) / number * (len(asked) - number)
            say(f"Measuring {version}: {number} of {len(asked)} answers, about {left:.0f} s left")


def win(taste: Taste, new: MeasuredAnswer, old: MeasuredAnswer) -> float:
    """Return 1 if the new answer wins, 0 if it loses, 0.5 for a tie; a failed answer loses to one that is not."""
    if new.failed or old.failed:
        return 0.5 + (old.failed - new.failed) / 2
    return taste.better(new.text, old.text)


def _answer(drawn: dict[str, object]) -> MeasuredAnswer:
    return MeasuredAnswer(str(drawn["text"]), int(str(drawn["tokens"])), drawn["finish_reason"] == FinishReason.LENGTH)
