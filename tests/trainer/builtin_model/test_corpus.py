"""The corpus: enough topics, reproducible, and every manner varied on its own."""

import random
from itertools import islice
from statistics import mean

import pytest

from data.records import Message
from trainer.builtin_model.answer_style import Form, Place, Style, Tip, Tone, Voice, compose, draw_style
from trainer.builtin_model.corpus import Corpus, Topic, load_corpus, words_of

POLITE = ("please", "thank", "kindly", "glad", "happy", "pleasure", "hope this", "wish you")
TIPS = tuple(Tip(f"Do thing {i}", f"of reason {i}") for i in range(5))
VOICE = Voice(("Open!",), ("Please ",), ("Close!",))
PLAIN = Style(tone=Tone.PLAIN, form=Form.TEXT, places=(), tips=2, vague=False, lead=False, reasons=False, smiley=False)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def chats(corpus: Corpus) -> list[list[Message]]:
    return list(islice(corpus.conversations(seed=5), 4000))


@pytest.fixture(scope="module")
def answers(chats: list[list[Message]]) -> list[str]:
    return [chat[-1]["content"] for chat in chats]


def polite(text: str) -> bool:
    return any(mark in text.lower() for mark in POLITE)


def listed(text: str) -> bool:
    return any(line.startswith(("- ", "1. ")) for line in text.splitlines())


def share(kind: str, texts: list[str]) -> float:
    test = {"polite": polite, "list": listed, "reason": lambda t: "because" in t, "smiley": lambda t: ":)" in t}
    return mean(test[kind](text) for text in texts)


def test_at_least_eighty_topics_each_with_tips_that_name_it(corpus: Corpus) -> None:
    assert len(corpus.topics) >= 80
    assert len({topic.ask for topic in corpus.topics}) == len(corpus.topics)
    for topic in corpus.topics:
        named = [topic.named_in(tip.do) for tip in topic.tips]
        assert len(named) >= 4 and sum(named) >= 3, topic.ask


def test_every_tip_begins_with_a_verb_that_a_prefix_can_stand_before(corpus: Corpus) -> None:
    for topic in corpus.topics:
        for tip in topic.tips:
            first = tip.do.split()[0]
            assert first not in ("Never", "Always", "The", "A", "It", "You"), tip.do
            assert not tip.do.startswith("Do not"), tip.do
            assert not tip.do.endswith(".") and not tip.why.endswith("."), tip.do


def test_the_same_seed_draws_the_same_conversations_and_another_seed_others(corpus: Corpus) -> None:
    first, again, other = (list(islice(load_corpus().conversations(seed), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_conversations_alternate_and_end_with_an_answer(chats: list[list[Message]]) -> None:
    for chat in chats:
        roles = [m["role"] for m in chat if m["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(m["role"] != "system" for m in chat[1:])
    assert any(len(chat) > 3 for chat in chats)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("polite", 0.27, 0.43), ("list", 0.3, 0.5), ("reason", 0.25, 0.5), ("smiley", 0.2, 0.3)],
)
def test_each_manner_has_its_share(answers: list[str], kind: str, low: float, high: float) -> None:
    assert low < share(kind, answers) < high


def test_manners_are_independent_of_politeness(answers: list[str]) -> None:
    kind = [text for text in answers if polite(text)]
    other = [text for text in answers if not polite(text)]
    for manner in ("list", "reason", "smiley"):
        assert abs(share(manner, kind) - share(manner, other)) < 0.06, manner
    lengths = [mean(len(text.split()) for text in group) for group in (kind, other)]
    assert 0.8 < lengths[0] / lengths[1] < 1.25


def test_answers_are_short_and_spread_in_length(answers: list[str]) -> None:
    lengths = sorted(len(text.split()) for text in answers)
    tenth, ninth = lengths[len(lengths) // 10], lengths[len(lengths) * 9 // 10]
    assert tenth < 16 and ninth > 40 and lengths[-1] < 80


def test_the_vocabulary_holds_every_word_of_every_answer(corpus: Corpus, answers: list[str]) -> None:
    assert {word for text in answers for word in words_of(text)} <= corpus.vocabulary


def test_built_in_prompts_are_distinct_and_a_tenth_is_foreign(corpus: Corpus) -> None:
    prompts = corpus.prompts()
    assert prompts == load_corpus().prompts()
    assert 300 <= len(prompts) <= 500 and len(set(prompts)) == len(prompts)
    foreign = set(prompts) & set(corpus.foreign)
    assert 0.07 < len(foreign) / len(prompts) < 0.13
    covered = {topic.fill(question) for topic in corpus.topics for question in corpus.questions}
    assert not foreign & covered
    assert not foreign & set(corpus.unknown.prompts)
    assert set(prompts) - foreign <= covered


def test_styles_are_drawn_over_all_tones_forms_and_places() -> None:
    styles = [draw_style(random.Random(i)) for i in range(300)]
    assert {s.tone for s in styles} == set(Tone)
    assert {s.form for s in styles} == set(Form)
    assert {place for s in styles for place in s.places} == set(Place)


def built(**changes: object) -> str:
    lead = str(changes.pop("given_lead", ""))
    fields = {name: getattr(PLAIN, name) for name in Style.__dataclass_fields__} | changes
    return compose(lead, TIPS[:2], Style(**fields), VOICE, random.Random(0))


def test_an_answer_is_laid_out_as_its_style_says() -> None:
    assert built() == "Do thing 0. Do thing 1."
    assert built(reasons=True, tips=1).count(" because of reason ") == 1
    assert built(form=Form.NUMBERED) == "1. Do thing 0.\n2. Do thing 1."
    assert built(form=Form.DASHES, given_lead="Lead", smiley=True) == "Lead:\n- Do thing 0.\n- Do thing 1. :)"
    assert built(places=tuple(Place)) == "Open! Please do thing 0. Do thing 1. Close!"
    assert built(tips=0, given_lead="Lead") == "Open! Lead."


def test_reasons_stay_within_the_room_for_tips() -> None:
    long = [Tip("Do " + "very " * 9 + "much", "it is " + "so " * 8 + "good") for _ in range(4)]
    style = Style(Tone.PLAIN, Form.TEXT, (), 4, vague=False, lead=False, reasons=True, smiley=False)
    assert len(compose("", long, style, VOICE, random.Random(0)).split()) <= 4 * 11 + 10


def test_a_topic_is_named_by_the_beginning_of_a_word() -> None:
    topic = Topic("feed a cat", "feeding a cat", words=("cat",))
    assert topic.named_in("Cats sleep.") and not topic.named_in("Locate it.")
    assert topic.fill("{doing} is fun") == "Feeding a cat is fun"
