from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.owner import Owner, served


@pytest.fixture
async def owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Owner]:
    async with served(tmp_path, monkeypatch, capsys) as owner:
        owner.group = ("guidelines",)
        yield owner


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    english, chinese = tmp_path / "guidelines.md", tmp_path / "guidelines.zh.md"
    english.write_text("# Judge well")
    chinese.write_text("# 好好评判", encoding="utf-8")
    return english, chinese


async def test_the_text_in_force_is_shown(owner: Owner) -> None:
    found = await owner.read("show")
    assert await owner.did("show") == found["body"].strip()
    assert await owner.did("show", "--language", "zh") == found["translations"]["zh"].strip()
    assert await owner.read("list") == [found]


async def test_a_text_is_put_in_force_and_the_old_one_stays_known(owner: Owner, texts: tuple[Path, Path]) -> None:
    old = (await owner.read("show"))["version"]
    found = await owner.read("publish", texts[0], "--translation", f"zh={texts[1]}")
    assert (found["body"], found["translations"], found["judgments"]) == ("# Judge well", {"zh": "# 好好评判"}, 0)
    assert await owner.did("show", "--language", "zh") == "# 好好评判"
    assert (await owner.read("show", "--version", old))["version"] == old
    _, newest, oldest = (await owner.did("list")).splitlines()
    assert (newest.split()[0], newest.split()[-1], oldest.split()[0]) == (found["version"], "zh", old)


async def test_the_same_text_is_no_new_version(owner: Owner, texts: tuple[Path, Path]) -> None:
    said = await owner.did("publish", texts[0])
    assert said == f"In force: {(await owner.read('show'))['version']}."
    assert await owner.did("publish", texts[0]) == said
    assert len(await owner.read("list")) == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("show", "--version", "none-such"), "`prefloop guidelines list` names all"),
        (("show", "--language", "fr"), "no translation into fr; there are: zh"),
        (("publish", "no-such-file.md"), "no-such-file.md cannot be read"),
        (("publish", "pyproject.toml", "--translation", "zh"), "as zh=guidelines.zh.md"),
    ],
)
async def test_what_is_wrong_is_named(owner: Owner, command: tuple[str, ...], words: str) -> None:
    status, said = await owner.run(*command)
    assert (status, words in said) == (2, True)
