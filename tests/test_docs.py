"""What the documents say is checked against the code and the repository."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.rounds.algorithms import Algorithm
from app.settings.settings import Settings
from data.formats import trl
from trainer.interface.config import Training, training_config
from trainer.prompting.prompt_format import PLAIN_TEMPLATE

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
SHARED_KEYS = {*Training.model_fields, "algorithm"}
SIZES = (1_600_000, 135_000_000, 8_000_000_000)
PAIRWISE = ("dpo", "cdpo", "robust", "ipo", "hinge", "simpo")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def table_rows(text: str, prefix: str = "") -> Iterator[list[str]]:
    """The cells of every table row whose first cell is code beginning with `prefix`."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith(f"| `{prefix}"):
            yield [cell.strip("`") for cell in cells]


def fenced(text: str, language: str) -> str:
    """The one block of code in a language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(block)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def settings_section() -> str:
    return OPERATIONS.partition("\n## Settings\n")[2].partition("\n## ")[0]


def test_every_setting_is_listed_with_its_default() -> None:
    expected = {"model": json.dumps(Settings().model.name)}  # the short form of model.name
    for name, default in Settings().model_dump(mode="json", exclude={"training"}).items():
        if isinstance(default, dict):
            expected |= {f"{name}.{key}": json.dumps(value) for key, value in default.items()}
        else:
            expected[name] = "none" if default is None else json.dumps(default)
    expected["trainer"] = '[PYTHON, "-m", "trainer"]'
    assert set(Settings.model_fields) - {key.partition(".")[0] for key in expected} == {"training"}
    assert Settings().trainer[1:] == ("-m", "trainer")
    listed = {row[0]: row[1] for row in table_rows(settings_section().partition("\n### Training\n")[0])}
    assert listed == expected


def defaults(algorithm: str, parameters: int) -> dict[str, str]:
    """The settings of an algorithm as a table has them; the reward model's with their prefix."""
    plain = training_config({"algorithm": algorithm}, parameters=parameters).model_dump(mode="json")
    reward = {f"reward.{key}": value for key, value in plain.pop("reward", {}).items()}
    return {key: "none" if value is None else json.dumps(value) for key, value in (plain | reward).items()}


def sized(algorithm: str) -> dict[str, tuple[str, ...]]:
    """The same for models of some sizes."""
    columns = [defaults(algorithm, size) for size in SIZES]
    return {key: tuple(column[key] for column in columns) for key in columns[0]}


def training_table(heading: str) -> dict[str, list[str]]:
    """The rows of the table that begins with this heading's cells, by key."""
    [table] = [part for part in settings_section().split("\n\n") if part.startswith(f"| key | {heading}")]
    return {row[0]: row[1:-1] for row in table_rows(table)}


def besides(algorithm: str) -> dict[str, tuple[str, ...]]:
    """What an algorithm knows besides the shared keys, or has other defaults for than DPO."""
    usual = {key: values for key, values in sized("dpo").items() if key in SHARED_KEYS}
    own = {key: values for key, values in sized(algorithm).items() if key != "algorithm"}
    return {key: values for key, values in own.items() if usual.get(key.removeprefix("reward.")) != values}


def cell(values: tuple[str, ...]) -> str:
    """All defaults in one cell, one if they are the same."""
    return " / ".join(dict.fromkeys(values))


def test_what_every_algorithm_knows_is_listed_with_its_defaults_by_size() -> None:
    shared = {f"training.{key}": list(values) for key, values in sized("dpo").items() if key in SHARED_KEYS}
    assert training_table("1.6 M") == shared


def test_what_pairwise_algorithms_know_besides_is_listed() -> None:
    columns = [besides(name) for name in PAIRWISE]
    keys = {key for column in columns for key in column}
    expected = {key: [cell(column[key]) if key in column else "–" for column in columns] for key in keys}
    assert training_table(" | ".join(f"`{name}`" for name in PAIRWISE)) == expected


def test_what_kto_knows_besides_or_has_otherwise_is_listed() -> None:
    assert training_table("`kto`") == {key: [cell(values)] for key, values in besides("kto").items()}


def test_what_ppo_knows_besides_or_has_otherwise_is_listed() -> None:
    assert training_table("`ppo`") == {key: list(values) for key, values in besides("ppo").items()}


def test_all_algorithms_are_listed() -> None:
    [row] = table_rows(settings_section(), "training.algorithm")
    assert set(re.findall(r"\w+", row[-1])) - {"or"} == set(Algorithm)
    assert {*PAIRWISE, "kto", "ppo"} == set(Algorithm)


def test_what_a_sampling_section_leaves_out_has_the_listed_default() -> None:
    assert Settings.model_validate({"sampling": {}}).sampling == Settings().sampling


def test_the_example_of_prefloop_toml_is_valid() -> None:
    settings = Settings.model_validate(tomllib.loads(fenced(OPERATIONS, "toml")))
    assert settings.training
    assert settings.sampling != Settings().sampling


def test_the_plain_chat_template_is_the_one_in_use() -> None:
    assert fenced(OPERATIONS, "jinja").removesuffix("\n") == PLAIN_TEMPLATE


def test_the_trl_example_is_a_line_of_an_export() -> None:
    line = json.loads(fenced(FORMATS, "jsonl"))
    assert list(line) == trl.FORMAT.columns.names == ["prompt", "chosen", "rejected"]
    for turn in line["prompt"] + line["chosen"] + line["rejected"]:
        assert list(turn) == ["role", "content"]
        assert isinstance(turn["content"], str)
    assert line["prompt"][-1]["role"] == "user"
    assert [turn["role"] for turn in line["chosen"] + line["rejected"]] == ["assistant", "assistant"]
    assert line["chosen"] != line["rejected"]


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.is_file() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = README.read_text(encoding="utf-8")
    assert [page.name for page in DOCS if f"(docs/{page.name})" not in readme] == ["index.md"]  # that of the site


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: page.name)
def test_modules_that_are_named_exist(page: Path) -> None:
    names = re.findall(r"`((?:app|trainer|data|tests)/[\w/.]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists()] == []
