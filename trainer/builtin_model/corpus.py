"""The corpus of the built-in model: everyday questions and answers, drawn endlessly from a seed.

The content is data/seed/topics.toml; answer_style.py decides how an answer is worded.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from data.records import Message
from trainer.builtin_model.answer_style import Style, Tip, Tone, Voice, compose, draw_style

_FORMS_PER_TOPIC = 4  # question forms of each topic in the built-in prompts


@dataclass(frozen=True, slots=True)
class Topic:
    """A question that the corpus covers.

    ask follows "How do I", doing follows "tips for"; words: terms that show that an answer stays on the topic.
    """

    ask: str
    doing: str
    words: tuple[str, ...] = ()
    tips: tuple[Tip, ...] = ()

    def fill(self, pattern: str) -> str:
        """Fill a pattern with {ask} or {doing}; returns a sentence about this topic."""
        return _capital(pattern.format(ask=self.ask, doing=self.doing))

    def named_in(self, text: str) -> bool:
        """Return whether one of the topic's words begins a word of the text."""
        return any(re.search(rf"\b{word}", text, re.IGNORECASE) for word in self.words)


@dataclass(frozen=True, slots=True)
class Talk:
    """Prompts that no topic covers, answers to them, and tips that may follow."""

    prompts: tuple[str, ...]
    leads: tuple[str, ...]
    tips: tuple[Tip, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All content, from which conversations are drawn.

    unknown.prompts: prompts that no topic covers, for training; foreign: such prompts held out from training.
    voices: phrases for topics; asides: for everything else. vocabulary: every word in the corpus.
    """

    topics: tuple[Topic, ...]
    questions: tuple[str, ...]
    leads: tuple[str, ...]
    systems: tuple[str, ...]
    voices: dict[Tone, Voice]
    asides: dict[Tone, Voice]
    vague: Talk
    unknown: Talk
    talks: tuple[Talk, ...]
    foreign: tuple[str, ...]
    vocabulary: frozenset[str]

    def conversations(self, seed: int) -> Iterator[list[Message]]:
        """Yield reproducible conversations without end; each ends with the answer to learn."""
        rng = random.Random(seed)
        while True:
            yield self._conversation(rng)

    def prompts(self, seed: int = 0) -> tuple[str, ...]:
        """Return the built-in prompt set: each topic in a few question forms, and the foreign prompts."""
        rng = random.Random(seed)
        covered = [topic.fill(q) for topic in self.topics for q in rng.sample(self.questions, _FORMS_PER_TOPIC)]
        prompts = [*covered, *self.foreign]
        rng.shuffle(prompts)
        return tuple(prompts)

    def _conversation(self, rng: random.Random) -> list[Message]:
        messages: list[Message] = []
        if rng.random() < 0.08:
            messages.append({"role": "system", "content": rng.choice(self.systems)})
        for _ in range(1 + (rng.random() < 0.1)):
            prompt, answer = self._turn(rng)
            messages.append({"role": "user", "content": prompt})
            messages.append({"role": "assistant", "content": answer})
        return messages

    def _turn(self, rng: random.Random) -> tuple[str, str]:
        """Draw a prompt and its answer: four fifths on a topic, the rest unknown or small talk."""
        style = draw_style(rng)
        kind = rng.random()
        if kind < 0.80:
            topic = rng.choice(self.topics)
            return _casual(topic.fill(rng.choice(self.questions)), rng), self._answer(topic, style, rng)
        talk = self.unknown if kind < 0.94 else rng.choice(self.talks)
        return _casual(rng.choice(talk.prompts), rng), self._aside(talk, style, rng)

    def _answer(self, topic: Topic, style: Style, rng: random.Random) -> str:
        """Answer on a topic; a vague answer at least names it, and may consist of that alone."""
        voice = self.voices[style.tone]
        if style.vague:
            lead = _your(topic.fill(rng.choice(self.vague.leads)))
            return compose(lead, self.vague.tips, _one_tip_less(style), voice, rng)
        lead = _your(topic.fill(rng.choice(self.leads))) if style.lead else ""
        return compose(lead, topic.tips, style, voice, rng)

    def _aside(self, talk: Talk, style: Style, rng: random.Random) -> str:
        return compose(rng.choice(talk.leads), talk.tips, _one_tip_less(style), self.asides[style.tone], rng)


def load_corpus() -> Corpus:
    """Load the built-in corpus from data/seed/topics.toml."""
    seed = tomllib.loads((files("data") / "seed" / "topics.toml").read_text("utf-8"))
    return Corpus(
        topics=tuple(
            Topic(row["ask"], row["doing"], tuple(row["words"]), tuple(map(_tip, row["tips"]))) for row in seed["topic"]
        ),
        questions=tuple(seed["questions"]),
        leads=tuple(seed["leads"]),
        systems=tuple(seed["systems"]),
        voices=_voices(seed["voice"]),
        asides=_voices(seed["aside"]),
        vague=_talk(seed["vague"], ()),
        unknown=_talk(seed["unknown"], _to_train_on(seed["unknown"], seed["questions"])),
        talks=tuple(_talk(talk, talk["prompts"]) for talk in seed["talk"]),
        foreign=tuple(seed["unknown"]["foreign"]),
        vocabulary=frozenset(word for text in _strings(seed) for word in words_of(text)),
    )


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without digits and punctuation."""
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def _casual(prompt: str, rng: random.Random) -> str:
    """Vary the prompt as people type: in lower case, without articles, without final punctuation."""
    if rng.random() < 0.15:
        prompt = prompt.lower()
    if rng.random() < 0.1:
        prompt = re.sub(r" (an?|the) ", " ", prompt)
    return prompt.rstrip("?.!") if rng.random() < 0.15 else prompt


def _one_tip_less(style: Style) -> Style:
    """Reduce the tips by one, where the lead is an answer in itself."""
    return replace(style, tips=style.tips - 1)


def _to_train_on(unknown: dict[str, Any], questions: Sequence[str]) -> tuple[str, ...]:
    """Return prompts that no topic covers; the hand-written ones weigh as much as all the generated ones."""
    built_up = [
        Topic(f"{verb} {thing}", f"{doing} {thing}").fill(question)
        for verb, doing in zip(unknown["verbs"], unknown["doing"], strict=True)
        for thing in unknown["things"]
        for question in questions
    ]
    ready_made = unknown["prompts"] * (len(built_up) // len(unknown["prompts"]))
    return (*built_up, *ready_made)


def _voices(section: dict[str, Any]) -> dict[Tone, Voice]:
    return {
        tone: Voice(
            openings=tuple(section[tone]["openings"]),
            prefixes=tuple(section[tone]["prefixes"]),
            closings=tuple(section[tone]["closings"]),
        )
        for tone in Tone
    }


def _talk(section: dict[str, Any], prompts: Sequence[str]) -> Talk:
    return Talk(tuple(prompts), tuple(section["leads"]), tuple(map(_tip, section["tips"])))


def _tip(sentence: str) -> Tip:
    do, why = sentence.split(" because ")
    return Tip(do, why)


def _your(text: str) -> str:
    """Turn the user's own words around to address them ("my" to "your")."""
    return text.replace(" my ", " your ")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _strings(node: object) -> Iterator[str]:
    """Yield every string in a tree of tables and arrays."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list | dict):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)
