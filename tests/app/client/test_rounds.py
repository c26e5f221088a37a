"""Against a server of canned answers: what it says at each look."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.client.client import Client
from app.client.rounds import begun, ended, newest_round
from data.errors import RoundError


class Told(Client):
    """A server that answers each path from a list, the last of it again and again."""

    def __init__(self, **answers: Sequence[object]) -> None:
        super().__init__("http://loop.test")
        self._answers = {name: list(said) for name, said in answers.items()}

    def get(self, path: str, **query: str | int | list[str]) -> Any:
        said = self._answers[path.removeprefix("/").replace("/", "_")]
        return said.pop(0) if len(said) > 1 else said[0]


def entry(number: int, *, waited: bool = True) -> dict[str, object]:
    return {"id": number, "waited": waited}


def preview(*, waiting: bool, trouble: str | None = None) -> dict[str, object]:
    return {"waiting": waiting, "trouble": trouble}


def wait(server: Client) -> int:
    return begun(server, after=4, look_seconds=0.0, patience_seconds=0.0)


def test_the_newest_round_is_the_first_listed() -> None:
    assert newest_round(Told(rounds=[[entry(3), entry(2)]])) == 3
    assert newest_round(Told(rounds=[[]])) == 0


def test_a_round_is_watched_until_it_is_over() -> None:
    states = [{"state": state} for state in ("queued", "training", "swapping", "promoted", "never asked for")]
    assert ended(Told(rounds_7=states), 7, look_seconds=0.0) == {"state": "promoted"}


def test_the_round_that_waited_is_found_among_others() -> None:
    rounds = [[entry(4)], [entry(5, waited=False), entry(4)], [entry(6), entry(5, waited=False), entry(4)]]
    assert wait(Told(rounds=rounds, rounds_preview=[preview(waiting=True)], audit=[[]])) == 6


def test_while_a_round_is_prepared_nothing_waits_and_nothing_has_begun() -> None:
    rounds = [[], [], [entry(5)]]
    looks = [preview(waiting=True), preview(waiting=True), preview(waiting=False)]
    assert wait(Told(rounds=rounds, rounds_preview=looks, audit=[[]])) == 5


def test_a_round_that_somebody_withdrew_is_waited_for_no_longer() -> None:
    acts = [[{"id": 8, "action": "start_round"}], [{"id": 9, "action": "withdraw_round"}]]
    looks = [preview(waiting=True), preview(waiting=True), preview(waiting=False)]
    with pytest.raises(RoundError, match="was withdrawn; `prefloop round start` asks"):
        wait(Told(rounds=[[]], rounds_preview=looks, audit=acts))


def test_a_round_that_could_not_start_says_why() -> None:
    looks = [preview(waiting=True), preview(waiting=True), preview(waiting=False, trouble="no pairs")]
    with pytest.raises(RoundError, match="did not start: no pairs;"):
        wait(Told(rounds=[[]], rounds_preview=looks, audit=[[]]))


def test_the_same_trouble_as_before_is_believed_after_a_while() -> None:
    looks = [preview(waiting=True, trouble="no pairs"), preview(waiting=False, trouble="no pairs")]
    with pytest.raises(RoundError, match="did not start: no pairs;"):
        wait(Told(rounds=[[]], rounds_preview=looks, audit=[[]]))
