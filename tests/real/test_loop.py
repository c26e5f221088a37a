"""A real base model through the whole loop of a real server: pairs, judgments, a round, and what serves then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client.client import Client
from app.home import Home
from app.simulation.study import RoundRow, Study, server_on, simulate
from app.simulation.tastes import TasteName, ready_made
from data.records import Message

pytestmark = pytest.mark.real

CAPITAL: list[Message] = [{"role": "user", "content": "What is the capital of France?"}]
# At the default rate this taste takes the model 1.1 nats a token from the base in one round, which the gate refuses.
SETTINGS = """
[training]
learning_rate = 4e-5

[sampling]
max_new_tokens = 32

[evaluation]
answers = 4
"""
STUDY = Study(ready_made(TasteName.BRIEF), annotators=2, judgments=8, rounds=1, seed=0, unseen=[CAPITAL] * 2)


@pytest.fixture(scope="module")
def served(gemma3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, list[RoundRow]]]:
    """A server with Gemma 3 after one round of eight judgments of short answers."""
    home = Home(tmp_path_factory.mktemp("gemma") / "home")
    home.create()
    (home.path / "prefloop.toml").write_text(SETTINGS)
    with server_on(home, print, model=str(gemma3)) as owner:
        yield owner, simulate(STUDY, owner, print)


def test_a_round_of_a_base_model_ends_with_a_version_that_serves(served: tuple[Client, list[RoundRow]]) -> None:
    owner, rows = served
    assert [row.judgments for row in rows] == [0, 8]
    assert rows[1].outcome in ("promoted", "waiting")
    assert owner.get("/adapters")["champion"] == "round-000001"
    assert rows[1].kl > 0


def test_the_version_still_answers_right_and_ends_by_itself(served: tuple[Client, list[RoundRow]]) -> None:
    owner, _ = served
    job = {"messages": CAPITAL, "seeds": [0]}
    greedy = {"temperature": 0.0, "top_p": 1.0, "max_new_tokens": 32}
    drawn = owner.post_and_wait("/completions", version="round-000001", jobs=[job], sampling=greedy)
    [[answer]] = drawn["completions"]
    assert "Paris" in answer["text"]
    assert answer["finish_reason"] == "stop"
