import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.formats.trl_implicit_text import FORMAT
from data.records.judged_pair import JudgedPair

TEXT = st.text(st.sampled_from("ab \n"), min_size=1, max_size=8)


def split(chosen: str, rejected: str) -> tuple[str, str, str]:
    [pair] = FORMAT.read({"chosen": chosen, "rejected": rejected})
    assert isinstance(pair, JudgedPair)
    return pair.prompt[0]["content"], pair.chosen, pair.rejected


@settings(deadline=None)  # the first example waits until trl is imported
@given(TEXT, TEXT, TEXT)
def test_the_prompt_is_what_trl_finds(begin: str, one: str, other: str) -> None:
    data_utils = pytest.importorskip("trl.data_utils", reason="trl is not installed")
    row = {"chosen": begin + one, "rejected": begin + other}
    try:
        found = split(**row)
    except InputError:
        return
    assert found == tuple(data_utils.extract_prompt(row).values())


@pytest.mark.parametrize(
    ("chosen", "rejected", "found"),
    [
        ("The sky is blue.", "The sky is green.", ("The sky is", " blue.", " green.")),
        ("What?\nBlue.", "What?\nGreen.", ("What?\n", "Blue.", "Green.")),
        ("What? It is.", "What? It was.", ("What? It", " is.", " was.")),
        # the shorter text keeps its last letter
        ("The sky", "The sky is", ("The sk", "y", "y is")),
    ],
)
def test_the_prompt_is_what_both_begin_with(chosen: str, rejected: str, found: tuple[str, str, str]) -> None:
    assert split(chosen, rejected) == found


@pytest.mark.parametrize(
    ("chosen", "rejected", "words"),
    [
        ("a", "a", "the same"),
        ("It is blue.", "Green.", "share no prompt"),
        (" It", " Green", "share no prompt"),
        ("a\n", "a\n\n", "chosen is empty"),
    ],
)
def test_a_row_that_cannot_be_split_says_why(chosen: str, rejected: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        split(chosen, rejected)
