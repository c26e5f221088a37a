import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from data.formats import hh_rlhf
from data.formats.row import FileRow
from data.records.judged_pair import JudgedPair

# The first rows of the dataset begin like this.
PROMPT = (
    "\n\nHuman: What kind of noises did dinosaurs make?"
    "\n\nAssistant: Humans and dinosaurs didn’t live at the same time, so it’s really hard to say. The best place to "
    "find out what noises dinosaurs made would be"
    "\n\nHuman: yes they did"
    "\n\nAssistant: to guess, and that would probably require lots of reading and a certain amount of imagination, so "
    "we’re not really prepared to do that."
    "\n\nHuman: you cant read"
    "\n\nAssistant:"
)


def read(row: FileRow) -> list[JudgedPair]:
    return [example for example in hh_rlhf.FORMAT.read(row) if isinstance(example, JudgedPair)]


def test_a_row_of_the_dataset() -> None:
    row = {"chosen": f"{PROMPT} You can read?", "rejected": f"{PROMPT} there’s a lot of stuff humans don’t know"}
    [pair] = read(row)
    assert hh_rlhf.FORMAT.matches(row)
    assert [turn["role"] for turn in pair.prompt] == ["user", "assistant", "user", "assistant", "user"]
    assert pair.prompt[0]["content"] == "What kind of noises did dinosaurs make?"
    assert pair.prompt[-1]["content"] == "you cant read"
    assert (pair.chosen, pair.rejected) == ("You can read?", "there’s a lot of stuff humans don’t know")


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("  two spaces\n\n- list\n", "no space"),
        ("Yes", "Yes, sure"),
        ("\n\nHumans: and Assistants\nAssistant: hm", "Human: hm"),
    ],
)
def test_only_the_one_space_after_a_marker_goes(chosen: str, rejected: str) -> None:
    start = "\n\nHuman:  hm \n \n\nAssistant:"
    [pair] = read({"chosen": f"{start} {chosen}", "rejected": f"{start}{rejected}"})
    assert pair.prompt == ({"role": "user", "content": " hm \n "},)
    assert (pair.chosen, pair.rejected) == (chosen, rejected)


@pytest.mark.parametrize(
    ("chosen", "rejected", "words"),
    [
        (f"{PROMPT} a", f"{PROMPT} a", "the same"),
        (f"{PROMPT} a", PROMPT, "rejected is empty"),
        ("The sky is blue.", "The sky is green.", "share no prompt"),
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: c\n\nAssistant: d", "share no prompt"),
        (
            "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
            "\n\nHuman: a\n\nAssistant: e\n\nHuman: c\n\nAssistant: d",
            "chosen has more turns after the shared prompt",
        ),
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: c\n\nHuman: d", "rejected has more turns"),
        ("\n\nHuman: a\n\nHuman: b\n\nAssistant: c", "\n\nHuman: a\n\nHuman: b\n\nAssistant: d", "alternate"),
        ("\n\nHuman: a\n\nAssistant: \n\nAssistant: b", "\n\nHuman: a\n\nAssistant: \n\nAssistant: c", "alternate"),
        ("\n\nAssistant: b", "\n\nAssistant: c", "alternate"),
        ("\n\nHuman:\n\nAssistant: b", "\n\nHuman:\n\nAssistant: c", "without text"),
        ("Human: a\n\nAssistant: b", "Human: a\n\nAssistant: c", "do not begin with"),
    ],
)
def test_a_row_that_cannot_be_split_says_why(chosen: str, rejected: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read({"chosen": chosen, "rejected": rejected})


TEXT = st.text(st.sampled_from(" \nHu:ä"), min_size=1, max_size=8).filter(str.strip)


@given(st.lists(TEXT, max_size=5).filter(lambda texts: len(texts) % 2), TEXT, TEXT)
def test_a_transcript_comes_back_as_its_turns(prompt: list[str], chosen: str, rejected: str) -> None:
    if chosen == rejected:
        return
    markers = ["\n\nHuman: ", "\n\nAssistant: "]
    transcript = "".join(markers[index % 2] + text for index, text in enumerate(prompt)) + markers[1]
    [pair] = read({"chosen": transcript + chosen, "rejected": transcript + rejected})
    assert [turn["content"] for turn in pair.prompt] == prompt
    assert (pair.chosen, pair.rejected) == (chosen, rejected)
