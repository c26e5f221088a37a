"""Trace an answer back to the judgments behind it, and an annotator forward to every version trained on theirs.

Read-only. People are named by their pseudonyms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data.db.database import Database, Row
from data.errors import NotFoundError
from data.records import Choice, RoundState, Split
from data.versions.standing import Serving, servings
from data.versions.versions import BASE, Versions

MOST_FOUND = 20
_PEOPLE = """
    select a.pseudonym, count(*) as judgments, min(j.created_at) as first_at, max(j.created_at) as last_at
    from round_judgment r join judgment j on j.id = r.judgment_id join annotator a on a.id = j.annotator_id
    where r.round_id = ? group by a.id order by judgments desc, a.pseudonym
"""
_USED = """
    select j.id, j.pair_id, j.choice, j.created_at, r.role, a.pseudonym,
      p.completion_a_id as a_id, p.completion_b_id as b_id
    from round_judgment r join judgment j on j.id = r.judgment_id join annotator a on a.id = j.annotator_id
    join pair p on p.id = j.pair_id where r.round_id = :round and j.id > :after order by j.id limit :limit
"""
_TOUCHED = """
    select r.round_id, count(*) as judgments, round.state, round.created_at,
      (select count(*) from round_judgment o where o.round_id = r.round_id) as of_all, v.name as version
    from judgment j join round_judgment r on r.judgment_id = j.id join round on round.id = r.round_id
    left join adapter_version v on v.round_id = r.round_id
    where j.annotator_id = ? group by r.round_id order by r.round_id
"""
_ANSWER = """
    select c.id, c.text, c.created_at, c.edits_id, v.name as version, a.pseudonym as author, p.messages,
      i.name as file, c.model, c.reasoning, c.reasoning_tokens
    from completion c join prompt p on p.id = c.prompt_id left join import i on i.id = c.import_id
    left join adapter_version v on v.id = c.version_id left join annotator a on a.id = c.author_id
"""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One person's judgments that a round used: how many, the first and the last time (ms since the Unix epoch)."""

    pseudonym: str
    judgments: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class VersionOrigin:
    """A version and where it came from. round: the one that made it, None for the base and for imported versions.

    sha256: of that round's selection; judgments: how many it used; people: whose, most first. servings: when the
    version served.
    """

    version: str
    round: int | None
    sha256: str | None
    judgments: int
    people: tuple[Contribution, ...]
    servings: tuple[Serving, ...]


@dataclass(frozen=True, slots=True)
class TracedCompletion:
    """A completion. version: what sampled it; else author: who wrote it by editing the completion `edits`, if any.

    file: what it was imported from, if neither; `model`: what made it, as the file says. messages: the prompt, as JSON
    of its turns.
    """

    id: int
    text: str
    messages: str
    version: str | None
    author: str | None
    edits: int | None
    created_at: int
    file: str | None = None
    model: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """A judgment that a round used, and the two answers it compares, to trace further back."""

    judgment_id: int
    pair_id: int
    pseudonym: str
    choice: Choice
    split: Split
    completions: tuple[int, int]
    given_at: int


@dataclass(frozen=True, slots=True)
class Touch:
    """A round that used `judgments` of one person among `of` in all. versions: what it made, and their descendants."""

    round: int
    state: RoundState
    judgments: int
    of: int
    created_at: int
    versions: tuple[str, ...]
    servings: tuple[Serving, ...]


class Lineage:
    """The lineage of a store."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._database = database
        self._versions = versions

    def answer(self, completion_id: int) -> TracedCompletion:
        """Return a completion with what made it. Raises NotFoundError."""
        row = self._database.row(f"{_ANSWER} where c.id = ?", [completion_id])
        if row is None:
            raise NotFoundError("There is no answer {answer}.", answer=completion_id)
        return _answer(row)

    def find(self, text: str) -> list[TracedCompletion]:
        """Return the newest answers that contain a text, twenty at most."""
        rows = self._database.rows(
            f"{_ANSWER} where instr(c.text, ?) > 0 order by c.id desc limit ?", [text, MOST_FOUND]
        )
        return [_answer(row) for row in rows]

    def origins(self, version: str) -> list[VersionOrigin]:
        """Return a version, the one it was trained from, and so on back to the base. Raises NotFoundError."""
        known = {one.name: one for one in self._versions.all()}
        if version not in known:
            raise NotFoundError("There is no version {version}.", version=version)
        served = servings(self._versions.serving_history())
        found: list[VersionOrigin] = []
        name: str | None = version
        while name is not None:
            times = tuple(serving for serving in served if serving.version == name)
            found.append(self._origin(name, known[name].round_id, times))
            name = known[name].parent
        return found

    def used(self, round_id: int, *, after: int = 0, limit: int = 100) -> list[Used]:
        """Return the judgments that a round used, by id; after: only larger ids. Raises NotFoundError."""
        if self._database.row("select 1 from round where id = ?", [round_id]) is None:
            raise NotFoundError("There is no round {round}.", round=round_id)
        rows = self._database.rows(_USED, {"round": round_id, "after": after, "limit": limit})
        return [_used(row) for row in rows]

    def touched(self, pseudonym: str) -> list[Touch]:
        """Return the rounds that used a person's judgments, oldest first, and their versions. Raises NotFoundError."""
        person = self._database.row("select id from annotator where pseudonym = ?", [pseudonym])
        if person is None:
            raise NotFoundError("There is no annotator {name}.", name=pseudonym)
        served = servings(self._versions.serving_history())
        touches = []
        for row in self._database.rows(_TOUCHED, [person["id"]]):
            versions = [] if row["version"] is None else [row["version"], *self._descendants(row["version"])]
            touches.append(_touch(row, versions, [one for one in served if one.version in versions]))
        return touches

    def _origin(self, version: str, round_id: int | None, times: tuple[Serving, ...]) -> VersionOrigin:
        if round_id is None:
            return VersionOrigin(version, None, None, 0, (), times)
        people = tuple(Contribution(**row) for row in self._database.rows(_PEOPLE, [round_id]))
        digest = self._database.row("select sha256 from round where id = ?", [round_id])
        judgments = sum(person.judgments for person in people)
        return VersionOrigin(version, round_id, digest["sha256"] if digest else None, judgments, people, times)

    def _descendants(self, version: str) -> list[str]:
        """Return the versions trained from one, directly or not, oldest first."""
        found = [version]
        for one in self._versions.all():  # oldest first: a parent is older than its children
            if one.parent in found and one.name != BASE:
                found.append(one.name)
        return found[1:]


def _answer(row: Row) -> TracedCompletion:
    return TracedCompletion(
        id=row["id"],
        text=row["text"],
        messages=row["messages"],
        version=row["version"],
        author=row["author"],
        edits=row["edits_id"],
        created_at=row["created_at"],
        file=row["file"],
        model=row["model"],
        reasoning=row["reasoning"],
        reasoning_tokens=row["reasoning_tokens"],
    )


def _used(row: Row) -> Used:
    return Used(
        judgment_id=row["id"],
        pair_id=row["pair_id"],
        pseudonym=row["pseudonym"],
        choice=Choice(row["choice"]),
        split=Split(row["role"]),
        completions=(row["a_id"], row["b_id"]),
        given_at=row["created_at"],
    )


def _touch(row: Row, versions: Sequence[str], times: Sequence[Serving]) -> Touch:
    return Touch(
        round=row["round_id"],
        state=RoundState(row["state"]),
        judgments=row["judgments"],
        of=row["of_all"],
        created_at=row["created_at"],
        versions=tuple(versions),
        servings=tuple(times),
    )
