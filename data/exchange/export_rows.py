"""Read the judged pairs that an export asks for, a few hundred at a time; formats and containers write them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from data.annotation.quality_votes import QualityVotes
from data.barring.barring import Barring
from data.db.database import Database, Row
from data.errors import InputError
from data.exchange.export_outline import ExportOutline, outline_of
from data.exchange.export_query import ExportQuery
from data.exchange.exported_pair import FoundPair, exported_pair
from data.exchange.languages import Languages
from data.quality.consensus import SUPPOSED_RIGHT, SUPPOSED_WRONG, consensus
from data.records import Choice
from data.records.judged_pair import JudgedPair
from data.rounds.aggregation import AggregatedVotes, Aggregation, Opinion, outcome
from data.rounds.selection import STRENGTH_UNSAID

PAIRS_AT_A_TIME = 500
_JUDGED = "select distinct pair_id as id from judgment where pair_id > ? order by pair_id limit ?"
_SAID = """
    select j.id, j.pair_id, j.annotator_id, an.pseudonym, j.choice, j.strength, j.swapped, j.elapsed_ms, j.created_at,
      j.reasons, j.comment, j.flag, j.sha256, j.idempotency_key, g.version as guideline, l.strategy, l.propensity,
      pair.purpose, prompt.split, va.name as version_a, vb.name as version_b, {barred} as barred
    from {table} j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
    left join adapter_version va on va.id = a.version_id left join adapter_version vb on vb.id = b.version_id
    join annotator an on an.id = j.annotator_id join lease l on l.id = j.lease_id
    left join guideline g on g.id = j.guideline_id
    where j.pair_id in (select value from json_each(:pairs)) {also} order by j.pair_id, j.id
"""
_USED = """and j.id in (select judgment_id from round_judgment
      where judgment_id = j.id and round_id in (select value from json_each(:rounds)))"""
_TEXTS = """
    select pair.id, prompt.messages, prompt.source, prompt.license, a.text as text_a, b.text as text_b,
      coalesce(va.name, a.model) as version_a, coalesce(vb.name, b.model) as version_b,
      a.token_ids as ids_a, b.token_ids as ids_b, a.logprobs as logprobs_a, b.logprobs as logprobs_b,
      a.finish_reason as finish_a, b.finish_reason as finish_b, a.sampling as sampling_a, b.sampling as sampling_b,
      a.seed as seed_a, b.seed as seed_b, a.reasoning as reasoning_a, b.reasoning as reasoning_b,
      a.reasoning_tokens as reasoning_tokens_a, b.reasoning_tokens as reasoning_tokens_b
    from pair join prompt on prompt.id = pair.prompt_id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
    left join adapter_version va on va.id = a.version_id left join adapter_version vb on vb.id = b.version_id
    where pair.id in (select value from json_each(?))
"""
_ROUNDS = """
    select judgment_id, round_id from round_judgment
    where judgment_id in (select value from json_each(?)) order by round_id
"""


class LeftOut(NamedTuple):
    """Judgments that are not exported: the reason and how many."""

    reason: str
    judgments: int


class ExportRows:
    """The judged pairs of a store, to be exported."""

    def __init__(self, database: Database, quality_votes: QualityVotes, barring: Barring) -> None:
        self._database = database
        self._ballots = quality_votes
        self._barring = barring
        barred = barring.barred()
        self._now = _SAID.format(table="current_judgment", also="", barred=barred)
        self._used = _SAID.format(table="judgment", also=_USED, barred=barred)

    def judged_pairs(
        self, query: ExportQuery, *, tell_language: bool = False, among: Sequence[int] | None = None
    ) -> Iterator[JudgedPair | LeftOut]:
        """Yield what a query takes, by pair id, and all judgments it leaves out; a few hundred pairs are in memory.

        tell_language: add each pair's language, also if the query has no languages. among: look only at these pairs.

        Reliabilities, where needed, come from all current judgments, which must be in memory at once for that.
        Judgments given meanwhile may or may not be included.
        """
        reliability = self._reliability() if query.aggregation is Aggregation.DAWID_SKENE else None
        languages = Languages() if query.languages or tell_language else None
        for pair_ids in self._chunks() if among is None else _some(among):
            found: list[FoundPair] = []
            for pair_id, said in groupby(self._said(pair_ids, query), key=itemgetter("pair_id")):
                for one in _of_pair(pair_id, list(said), query, reliability):
                    if isinstance(one, LeftOut):
                        yield one
                    else:
                        found.append(one)
            yield from self._written(found, query, languages)

    def outline(self, query: ExportQuery) -> ExportOutline:
        """Return in numbers what a query takes and leaves out, ignoring languages."""
        reliability = self._reliability() if query.aggregation is Aggregation.DAWID_SKENE else None
        return outline_of(self._database, self._barring, query, reliability)

    def count(self, query: ExportQuery) -> int:
        """Count the judgments that will be considered, to show progress."""
        if query.rounds:
            sql = "select count(*) from round_judgment where round_id in (select value from json_each(?))"
            return self._database.value(sql, [json.dumps(query.rounds)])
        return self._database.value("select count(*) from current_judgment")

    def _chunks(self) -> Iterator[list[int]]:
        """Yield the ids of all pairs with a judgment, in chunks."""
        last = 0
        while ids := [row["id"] for row in self._database.rows(_JUDGED, [last, PAIRS_AT_A_TIME])]:
            yield ids
            last = ids[-1]

    def _said(self, pair_ids: Sequence[int], query: ExportQuery) -> list[Row]:
        params = {"pairs": json.dumps(pair_ids), "rounds": json.dumps(query.rounds)}
        return self._database.rows(self._used if query.rounds else self._now, params)

    def _reliability(self) -> Mapping[int, float]:
        # annotators without current judgments get the prior's reliability
        supposed = SUPPOSED_RIGHT / (SUPPOSED_RIGHT + SUPPOSED_WRONG)
        return defaultdict(lambda: supposed, consensus(self._ballots.table()).reliability)

    def _written(
        self, found: Sequence[FoundPair], query: ExportQuery, languages: Languages | None
    ) -> Iterator[JudgedPair | LeftOut]:
        """Yield what was found, with its texts."""
        ids = json.dumps([one.pair_id for one in found])
        texts = {row["id"]: row for row in self._database.rows(_TEXTS, [ids])}
        rounds = self._rounds(row["id"] for one in found for row in one.said)
        for one in found:
            row = texts[one.pair_id]
            try:
                pair = exported_pair(one, row, rounds)
            except InputError:
                yield LeftOut("not_different", len(one.said))
                continue
            if languages is not None:
                language = languages.of("\n".join((pair.prompt[-1]["content"], pair.a, pair.b)))
                if query.languages and language not in query.languages:
                    yield LeftOut("other_language", len(one.said))
                    continue
                pair.provenance["language"] = language
            yield pair

    def _rounds(self, judgment_ids: Iterable[int]) -> dict[int, list[int]]:
        """Return the rounds that used each judgment, by its id."""
        rows = self._database.rows(_ROUNDS, [json.dumps(list(judgment_ids))])
        used: dict[int, list[int]] = {}
        for row in rows:
            used.setdefault(row["judgment_id"], []).append(row["round_id"])
        return used


def _some(pair_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    yield from (pair_ids[at : at + PAIRS_AT_A_TIME] for at in range(0, len(pair_ids), PAIRS_AT_A_TIME))


def _of_pair(
    pair_id: int, said: Sequence[Row], query: ExportQuery, reliability: Mapping[int, float] | None
) -> Iterator[FoundPair | LeftOut]:
    """Yield what a query makes of the judgments on one pair; each judgment is in a found pair or left out."""
    taken = []
    for row in said:
        if reason := _not_taken(row, query):
            yield LeftOut(reason, 1)
        else:
            taken.append(row)
    if not taken:
        return
    opinions = [Opinion(row["annotator_id"], Choice(row["choice"]), row["strength"]) for row in taken]
    together = outcome(opinions, reliability)
    if reason := _too_weak(together, len(opinions), query):
        yield LeftOut(reason, len(taken))
        return
    if query.aggregation is not Aggregation.JUDGMENTS:
        yield _found(pair_id, together, taken, query)
        return
    for row, opinion in zip(taken, opinions, strict=True):
        alone = AggregatedVotes(opinion.choice, opinion.strength, together.agreement)
        yield _found(pair_id, alone, [row], query)


def _found(pair_id: int, what: AggregatedVotes, said: Sequence[Row], query: ExportQuery) -> FoundPair | LeftOut:
    if what.choice is Choice.TIE and not query.ties:
        return LeftOut("tie", len(said))
    if what.choice is Choice.BOTH_BAD and not query.both_bad:
        return LeftOut("both_bad", len(said))
    return FoundPair(pair_id, what, said)


def _not_taken(row: Row, query: ExportQuery) -> str | None:
    """Return why a query leaves a judgment out; None if it takes it."""
    reasons = json.loads(row["reasons"]) if query.tags and row["reasons"] else {"a": [], "b": []}
    late = query.until is not None and row["created_at"] >= query.until
    doubts = (
        # first, so that two files of one split each leave out, together, the same as one file of both
        ("other_split", query.split not in (None, row["split"])),
        # what a round used was not barred at that time
        (row["barred"], row["barred"] and not query.barred and not query.rounds),
        ("skip", row["choice"] == Choice.SKIP),
        ("other_version", query.versions and not {row["version_a"], row["version_b"]} & set(query.versions)),
        ("other_time", row["created_at"] < (query.since or 0) or late),
        ("other_annotator", query.annotators and row["pseudonym"] not in query.annotators),
        ("other_tag", query.tags and not {*reasons["a"], *reasons["b"]} & set(query.tags)),
    )
    return next((reason for reason, holds in doubts if holds), None)


def _too_weak(together: AggregatedVotes, votes: int, query: ExportQuery) -> str | None:
    """Return why a query leaves out a pair with these aggregated votes; None if it takes it."""
    if votes < query.votes:
        return "few_votes"
    if together.choice.decisive and together.agreement < query.agreement:
        return "disputed"
    if together.choice.decisive and (together.strength or STRENGTH_UNSAID) < query.strength:
        return "weak"
    return None
