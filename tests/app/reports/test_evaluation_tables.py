"""An evaluation in words, as an English reader sees it."""

from app.reports.cells import Cell, TableWords
from app.reports.evaluation_tables import evaluation_tables, probe_words
from tests.models import EVALUATION
from trainer.interface.manifest import Agreement, Evaluation


def read(table: TableWords) -> dict[str, list[str]]:
    return {name: [said(cell) for cell in cells] for name, *cells in table["rows"]}


def said(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell["words"].format(**cell.get("values", {}))


def against_base_alone() -> Evaluation:
    return EVALUATION.model_copy(update={"champion": None, "against_champion": EVALUATION.against_base})


def test_champion_and_base_stand_side_by_side():
    changes, manners = evaluation_tables(EVALUATION)
    assert changes["head"] == ("", "round-000001", "base")
    assert manners["head"] == ("", "The new version", "round-000001", "base")
    assert read(changes)["Accuracy: the chosen answer gained more"] == ["75 % (53 to 89)"] * 2
    assert read(changes)["Margin: by how much more"] == ["+3.00 nats (+1.0 to +5.0)"] * 2
    assert read(changes)["KL, largest"] == ["31.00 nats an answer"] * 2
    assert read(manners)["Mean length"] == ["44.0 tokens", "40.0 tokens", "40.0 tokens"]


def test_where_the_base_serves_it_is_the_only_rival():
    changes, manners = evaluation_tables(against_base_alone())
    assert changes["head"] == ("", "base")
    assert manners["head"] == ("", "The new version", "base")


def test_without_held_out_pairs_a_dash_says_so():
    blind = EVALUATION.against_base.model_copy(update={"heldout": Agreement(pairs=0), "accuracy": None, "margin": None})
    found = EVALUATION.model_copy(update={"champion": None, "against_champion": blind, "against_base": blind})
    changes = read(evaluation_tables(found)[0])
    assert changes["Held-out pairs"] == ["0"]
    assert changes["Accuracy: the chosen answer gained more"] == changes["Margin: by how much more"] == ["–"]


def test_probes_are_shown_with_the_new_version_first():
    (probe,) = probe_words(EVALUATION)
    assert probe["prompt"] == ["how do I boil an egg?"]
    assert probe["answers"] == [
        ("The new version", "For 7 minutes."),
        ("round-000001", "Gently."),
        ("base", "Boil it."),
    ]
