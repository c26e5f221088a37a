"""A round's report in words."""

from app.reports.cells import Note
from app.reports.round_tables import report_words
from tests.models import REPORT
from trainer.interface.manifest import Agreement, Canary, Manifest, RewardReport


def said(cell: Note | str) -> str:
    """What an English reader sees."""
    return cell if isinstance(cell, str) else cell["words"].format(**cell.get("values", {}))


def manifest(accuracy: float | None) -> Manifest:
    report = REPORT.model_copy(update={"heldout": Agreement(pairs=4, accuracy=accuracy)})
    canary = Canary(prompt=(), token_ids=(), logprobs=(), base_logprobs=())
    return Manifest(
        snapshot_sha256="", adapter_sha256="", model="", revision="", steps=1, report=report, canary=canary, software={}
    )


def test_a_report_has_all_numbers_in_words():
    shown = report_words(manifest(0.75))
    tables = {
        table["title"]: {row[0]: [said(cell) for cell in row[1:]] for row in table["rows"]} for table in shown["tables"]
    }
    assert said(dict(shown["tiles"])["Held-out accuracy"]) == "75 %"
    assert set(tables) == {"Agreement with people", "Fresh answers at temperature 1", "How it was trained"}
    agreement = tables["Agreement with people"]
    assert agreement["Pairs"] == ["1", "4"]
    assert agreement["Accuracy: the chosen answer gained more"] == ["100 %", "75 %"]
    assert agreement["Change of the rejected answer's log-probability"] == ["-0.50 nats", "–"]
    assert tables["Fresh answers at temperature 1"]["KL to the reference, largest"] == ["0.90 nats an answer"]
    assert tables["How it was trained"]["Algorithm"] == ["DPO"]
    for table in shown["tables"]:
        assert {len(row) for row in table["rows"]} == {len(table["head"])}


def test_a_report_of_ppo_tells_what_its_reward_model_is_worth():
    reward = RewardReport(train_accuracy=0.9, heldout_accuracy=0.7, calibration_error=None)
    report = REPORT.model_copy(update={"algorithm": "ppo", "reward": reward, "notes": ("memory ran out once",)})
    shown = report_words(manifest(None).model_copy(update={"report": report}))
    assert said(dict(shown["tiles"])["Reward model, held out"]) == "70 %"
    assert [table["title"] for table in shown["tables"]].index("Reward model") == 2
    assert shown["notes"] == ("memory ran out once",)
