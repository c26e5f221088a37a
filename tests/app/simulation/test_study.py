import json
import sys
from pathlib import Path

import pytest

from app.cli import main as cli
from app.client.client import Client
from app.home import Home
from app.simulation.study import server_on
from data.errors import ConflictError
from data.store import PreferenceStore

# A trainer that mistakes what people rejected for what they chose, and then trains faithfully.
SWAPPING_TRAINER = """
import json, pathlib, runpy, sys
from trainer.interface.round_dir import RoundDir
directory = RoundDir(pathlib.Path(sys.argv[1]))
if not directory.manifest():
    for name in ("pairs.jsonl", "heldout.jsonl"):
        rows = [json.loads(line) for line in (directory.path / name).read_text().splitlines()]
        for row in rows:
            row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
        (directory.path / name).write_text("".join(json.dumps(row) + "\\n" for row in rows))
    card = json.loads((directory.path / "snapshot.json").read_text())
    card["sha256"] = directory._digest()
    (directory.path / "snapshot.json").write_text(json.dumps(card))
runpy.run_module("trainer", run_name="__main__")
"""

# A fifth of the judgments only measure; what is left of half as many teaches too little to be seen against the noise.
ENOUGH = ("--judgments", "120")


def study(home: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[dict[str, float]]:
    """Rows of `prefloop simulate ARGUMENTS` on a home."""
    command = ["prefloop", "simulate", "--home", str(home), "--out", str(out), "--seed", "0", *arguments]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    result = json.loads(out.read_text())
    assert set(result) == {"taste", "seed", "rounds"}
    rounds: list[dict[str, float]] = result["rounds"]
    return rounds


@pytest.mark.slow
def test_a_small_study_goes_through_a_real_server_and_a_real_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "prefloop.toml").write_text("[training]\nrank = 4\nepochs = 1\n")
    more = ("--annotators", "2", "--algorithm", "ipo")
    rows = study(home, tmp_path / "out.json", monkeypatch, "--judgments", "8", "--rounds", "1", *more)

    assert [row["round"] for row in rows] == [0, 1]
    assert [row["judgments"] for row in rows] == [0, 8]
    assert all(row["win_low"] <= row["win_rate"] <= row["win_high"] for row in rows)
    assert rows[1]["kl"] != 0
    with PreferenceStore.open(home / "prefloop.db") as store:
        [entry] = store.rounds.all()
    training = entry.config["training"]
    assert isinstance(training, dict)
    assert (training["algorithm"], training["rank"]) == ("ipo", 4)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("taste", "low", "high"), [("polite", 0.55, 1.0), ("brief", 0.5, 1.0), ("listy", 0.5, 1.0)])
def test_the_loop_follows_a_taste(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taste: str, low: float, high: float
) -> None:
    rows = study(tmp_path / "home", tmp_path / "out.json", monkeypatch, "--taste", taste, *ENOUGH)

    assert low < rows[-1]["win_low"] < high


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_there_is_nothing_to_follow_in_random_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = study(tmp_path / "home", tmp_path / "out.json", monkeypatch, "--taste", "random")

    assert rows[-1]["win_low"] <= 0.5 <= rows[-1]["win_high"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_inverted_choices_move_the_model_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = study(tmp_path / "home", tmp_path / "out.json", monkeypatch, "--taste", "inverted", *ENOUGH)

    assert rows[-1]["win_rate"] < 0.45


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trainer_that_swaps_chosen_and_rejected_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "swap.py").write_text(SWAPPING_TRAINER)
    (home / "prefloop.toml").write_text(f'trainer = ["{sys.executable}", "{tmp_path / "swap.py"}"]\n')
    rows = study(home, tmp_path / "out.json", monkeypatch, "--taste", "polite")

    assert rows[-1]["win_low"] <= 0.55


def test_a_server_that_runs_already_is_not_given_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.simulation.study.running_server", lambda _: Client("http://127.0.0.1:9"))
    with pytest.raises(ConflictError, match="leave out --model"), server_on(Home(tmp_path), print, model="other"):
        pass
