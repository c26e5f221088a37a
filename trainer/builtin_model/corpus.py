"""The text the built-in model learns from: everyday questions and answers, drawn without end from a seed.

The content is data/seed/topics.toml; how an answer is worded is trainer/builtin_model/answer_style.py. Knows nothing of
models or tokens.
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
    """A covered question.

    ask follows "How do I", doing follows "tips for"; words show that an answer keeps to the topic.
    """

    ask: str
    doing: str
    words: tuple[str, ...] = ()
    tips: tuple[Tip, ...] = ()

    def fill(self, pattern: str) -> str:
        """A sentence about this topic from a pattern with {ask} or {doing}."""
        return _capital(pattern.format(ask=self.ask, doing=self.doing))

    def named_in(self, text: str) -> bool:
        """Whether one of the topic's words begins a word of the text."""
        return any(re.search(rf"\b{word}", text, re.IGNORECASE) for word in self.words)


@dataclass(frozen=True, slots=True)
class Talk:
    """Prompts that no topic covers, what answers them, and tips that may follow."""

    prompts: tuple[str, ...]
    leads: tuple[str, ...]
    tips: tuple[Tip, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All content, and the drawing of conversations from it.

    unknown.prompts are what no topic covers, to train on; foreign are such prompts kept from training.
    voices speak on topics, asides elsewhere. vocabulary holds every word there is.
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
        """An endless, reproducible stream of conversations; each ends with the answer to learn."""
        rng = random.Random(seed)
        while True:
            yield self._conversation(rng)

    def prompts(self, seed: int = 0) -> tuple[str, ...]:
        """The built-in prompt set: each topic in some question forms, and the foreign ones."""
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
        """A prompt and its answer: four fifths on a topic, the rest unknown or small talk."""
        style = draw_style(rng)
        kind = rng.random()
        if kind < 0.80:
            topic = rng.choice(self.topics)
            return _casual(topic.fill(rng.choice(self.questions)), rng), self._answer(topic, style, rng)
        talk = self.unknown if kind < 0.94 else rng.choice(self.talks)
        return _casual(rng.choice(talk.prompts), rng), self._aside(talk, style, rng)

    def _answer(self, topic: Topic, style: Style, rng: random.Random) -> str:
        """On a topic; empty talk at least names it, and may do with that."""
        voice = self.voices[style.tone]
        if style.vague:
            lead = _your(topic.fill(rng.choice(self.vague.leads)))
            return compose(lead, self.vague.tips, _one_tip_less(style), voice, rng)
        lead = _your(topic.fill(rng.choice(self.leads))) if style.lead else ""
        return compose(lead, topic.tips, style, voice, rng)

    def _aside(self, talk: Talk, style: Style, rng: random.Random) -> str:
        return compose(rng.choice(talk.leads), talk.tips, _one_tip_less(style), self.asides[style.tone], rng)


def load_corpus() -> Corpus:
    """The built-in corpus, from data/seed/topics.toml."""
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
    """The words of a text in lower case, without digits and punctuation."""
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def _casual(prompt: str, rng: random.Random) -> str:
    """The prompt as some people type: in lower case, without articles, without its last mark."""
    if rng.random() < 0.15:
        prompt = prompt.lower()
    if rng.random() < 0.1:
        prompt = re.sub(r" (an?|the) ", " ", prompt)
    return prompt.rstrip("?.!") if rng.random() < 0.15 else prompt


def _one_tip_less(style: Style) -> Style:
    """Where the lead is an answer in itself."""
    return replace(style, tips=style.tips - 1)


def _to_train_on(unknown: dict[str, Any], questions: Sequence[str]) -> tuple[str, ...]:
    """Prompts that no topic covers; the ready-made ones weigh as much as all the built-up ones."""
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
    """The person's own words, turned to speak to him."""
    return text.replace(" my ", " your ")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _strings(node: object) -> Iterator[str]:
    """Every string in a tree of tables and arrays."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list | dict):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)
