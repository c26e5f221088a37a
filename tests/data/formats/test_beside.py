"""What other columns say of a pair: what the model was told before, and by how much an answer is better."""

from collections.abc import Mapping

import pytest

from data.formats.registry import by_name
from data.records.judged_pair import JudgedPair

SYSTEM = {"role": "system", "content": "Be a pirate."}
SKY = {"role": "user", "content": "Why is the sky blue?"}
YES, NO = ({"role": "assistant", "content": text} for text in ("Light scatters.", "It is not."))
TRANSCRIPT = "\n\nHuman: Why is the sky blue?\n\nAssistant:"
PAIRS: list[tuple[str, Mapping[str, object]]] = [
    ("trl", {"prompt": SKY["content"], "chosen": YES["content"], "rejected": NO["content"]}),
    ("trl", {"prompt": [SKY], "chosen": [YES], "rejected": [NO]}),
    ("trl-implicit", {"chosen": [SKY, YES], "rejected": [SKY, NO]}),
    ("hh-rlhf", {"chosen": f"{TRANSCRIPT} Light scatters.", "rejected": f"{TRANSCRIPT} It is not."}),
    ("axolotl", {"messages": [SKY], "chosen": YES, "rejected": NO}),
    ("trl-unpaired", {"prompt": SKY["content"], "completion": YES["content"], "label": True}),
    ("rated-messages", {"messages": [SKY, YES], "label": True}),
    ("alpaca-ranking", {"instruction": SKY["content"], "chosen": YES["content"], "rejected": NO["content"]}),
]


@pytest.mark.parametrize(("name", "row"), PAIRS)
@pytest.mark.parametrize("system", ["Be a pirate.", "", None])
def test_what_the_model_was_told_before_is_part_of_the_prompt(
    name: str, row: Mapping[str, object], system: str | None
) -> None:
    [found] = by_name(name).read({**row, "system": system})
    assert list(found.prompt) == ([SYSTEM] if system else []) + [SKY]


def test_turns_that_begin_with_it_are_not_told_twice() -> None:
    row = {"prompt": [SYSTEM, SKY], "chosen": [YES], "rejected": [NO], "system": "Be kind."}
    [found] = by_name("trl").read(row)
    assert list(found.prompt) == [SYSTEM, SKY]


@pytest.mark.parametrize(
    ("name", "row"), [one for one in PAIRS if "rejected" in one[1] and one[0] in ("trl", "hh-rlhf")]
)
@pytest.mark.parametrize(("margin", "strength"), [(2, 2), ("2.5", 2.5), (7.1, None), ("much", None), (None, None)])
def test_a_margin_is_the_strength_where_it_is_on_our_scale(
    name: str, row: Mapping[str, object], margin: object, strength: float | None
) -> None:
    [found] = by_name(name).read({**row, "margin": margin})
    assert isinstance(found, JudgedPair)
    assert found.strength == strength
