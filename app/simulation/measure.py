"""Measuring versions for a study: answers to unseen prompts over the API, and which of two wins.

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
_AT_ONCE = 12  # so many ask side by side: more than the rows that a server decodes by default, so that none stand empty
_TOLD_EVERY = 10
_REPEATS_ITSELF = 0.3
"""From this share of repeated runs of four words on; ordinary prose has a few hundredths."""


@dataclass(frozen=True, slots=True)
class MeasuredAnswer:
    """An answer by a version; cut_off: the token limit came before its end."""

    text: str
    tokens: int
    cut_off: bool

    @property
    def failed(self) -> bool:
        """Whether nobody could prefer it: empty, cut off, or repeating itself."""
        return self.cut_off or not self.text.strip() or repetition(self.text.split()) >= _REPEATS_ITSELF


def unseen_prompts(owner: Client, count: int, *, seed: int) -> list[list[Message]]:
    """Held-out prompts, repeated as often as `count` needs. Raises PrefloopError when there are none."""
    prompts = owner.get("/prompts", split="heldout", count=count, seed=seed)["prompts"]
    if not prompts:
        raise PrefloopError("there are no held-out prompts to measure on; import more prompts")
    return [prompts[i % len(prompts)] for i in range(count)]


def answers_of(
    owner: Client, version: str, prompts: Sequence[list[Message]], *, seed: int, say: Callable[[str], None]
) -> list[MeasuredAnswer]:
    """One answer to each prompt by a version: from its own distribution, as long as the server's settings allow."""
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
    """Say how far the answers are, and how long they will take. Raises what stopped one of them."""
    began = time.monotonic()
    for number, one in enumerate(as_completed(asked), 1):
        one.result()
        if number % _TOLD_EVERY == 0 or number == len(asked):
            left = (time.monotonic() - began) / number * (len(asked) - number)
            say(f"Measuring {version}: {number} of {len(asked)} answers, about {left:.0f} s left")


def win(taste: Taste, new: MeasuredAnswer, old: MeasuredAnswer) -> float:
    """1 where the new answer wins, 0 where it loses, 0.5 for a tie; one that failed loses to one that did not."""
    if new.failed or old.failed:
        return 0.5 + (old.failed - new.failed) / 2
    return taste.better(new.text, old.text)


def _answer(drawn: dict[str, object]) -> MeasuredAnswer:
    return MeasuredAnswer(str(drawn["text"]), int(str(drawn["tokens"])), drawn["finish_reason"] == FinishReason.LENGTH)
