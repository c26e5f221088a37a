"""Count what an export takes and leaves out, over all judgments at once and without reading texts.

Follows the same rules as export_rows.py, which decides pair by pair; only languages, which need texts, are not counted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when they are used: most commands must not wait for them

from data.barring.barring import Barring
from data.db.columns import Column, read_columns
from data.db.database import Database
from data.exchange.export_query import ExportQuery
from data.records import Choice, Split
from data.rounds.aggregation import Aggregation
from data.rounds.selection import STRENGTH_UNSAID
from data.rounds.vote_table import starts_of
from data.support.arrays import Bools, Counts, Floats, Ints

_CHOICES = (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP, Choice.RETRACTED)
_A, _B, _TIE, _BOTH_BAD = range(4)
_CODE = {choice.value: code for code, choice in enumerate(_CHOICES)}
_JUDGED = """
    select j.pair_id, j.annotator_id, j.choice, j.strength, prompt.split, {why}
    from {table} j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id {only}
"""
_USED = """where exists (select 1 from round_judgment r
    where r.judgment_id = j.id and r.round_id in (select value from json_each(:rounds)))"""


@dataclass(frozen=True, slots=True)
class ExportOutline:
    """An export in numbers. judgments: how many were considered. left_out: judgments by reason.

    pairs, written: pairs taken and judgments written, by split. taken: the ids of the pairs taken, (pairs,), in order.
    """

    judgments: int
    left_out: Mapping[str, int]
    pairs: Mapping[Split, int]
    written: Mapping[Split, int]
    taken: Ints


@dataclass(frozen=True, slots=True)
class _CountedJudgment:
    """The judgments that a query takes, (judgments,) each, and where those of each pair begin, (pairs,)."""

    pair: Ints
    annotator: Ints
    choice: npt.NDArray[np.int8]
    strength: npt.NDArray[np.int8]
    heldout: Bools
    starts: npt.NDArray[np.intp]

    @property
    def sizes(self) -> Counts:
        """The number of judgments of each pair."""
        return np.diff(np.append(self.starts, len(self.pair)))

    def of_pairs(self, values: npt.NDArray[np.generic]) -> Counts:
        """Return the sum of a value of the judgments, by pair."""
        return np.add.reduceat(values, self.starts, dtype=np.int64) if len(self.starts) else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Together:
    """The aggregated judgments of pairs, (pairs,) each; choice: codes of _CHOICES, the rest as in AggregatedVotes."""

    choice: npt.NDArray[np.int8]
    strength: Floats
    agreement: Floats


def outline_of(
    database: Database, barring: Barring, query: ExportQuery, reliability: Mapping[int, float] | None
) -> ExportOutline:
    """Count what a query takes. reliability: as for aggregation.outcome, where the query needs it."""
    reasons: dict[str | None, int] = {None: 0}
    columns = (
        Column("i"),
        Column("i"),
        Column("b", _CODE.__getitem__),
        Column("b", lambda strength: strength or 0),
        Column("b", lambda split: split == Split.HELDOUT),
        Column("b", lambda why: reasons.setdefault(why, len(reasons))),
    )
    sql, params = _query(barring, query)
    with database.moment() as moment:
        pair, annotator, choice, strength, heldout, why = read_columns(moment.in_chunks(sql, params), columns)
    left_out = dict(zip(reasons, np.bincount(why, minlength=len(reasons)).tolist(), strict=True))
    del left_out[None]
    order = np.lexsort((pair,))
    order = order[why[order] == 0]
    pair = pair[order]
    said = _CountedJudgment(
        pair, annotator[order], choice[order], strength[order], heldout[order] == 1, starts_of(pair)
    )
    together = _together(said, reliability)
    keeps = _strong(said, together, query, left_out)
    kept = _kept(said, together, keeps, query, left_out)
    split = said.heldout[said.starts]
    by_split = {Split.TRAIN: ~split, Split.HELDOUT: split}
    return ExportOutline(
        judgments=len(why),
        left_out={str(reason): count for reason, count in left_out.items() if count},
        pairs={one: int(((kept > 0) & which).sum()) for one, which in by_split.items()},
        written={one: int(kept[which].sum()) for one, which in by_split.items()},
        taken=pair[said.starts[kept > 0]],
    )


def _query(barring: Barring, query: ExportQuery) -> tuple[str, dict[str, object]]:
    """Return SQL for the judgments considered, each with why it is left out, checked in the order of export_rows.py."""
    listed = "(select value from json_each(:{name}))".format
    in_pair = "c.id in (pair.completion_a_id, pair.completion_b_id)"
    by_version = f"select 1 from completion c join adapter_version v on v.id = c.version_id where {in_pair}"
    tags = "select value from json_each(j.reasons, '$.a') union all select value from json_each(j.reasons, '$.b')"
    who = "(select pseudonym from annotator where id = j.annotator_id)"
    version = f"{by_version} and v.name in {listed(name='versions')}"
    who_said = f"{who} not in {listed(name='annotators')}"
    tag = f"select 1 from ({tags}) where value in {listed(name='tags')}"
    doubts = (
        (query.split is not None, _when("prompt.split <> :split", "other_split")),
        # what a round used was not barred at that time
        (not query.barred and not query.rounds, barring.barred()),
        (True, _when("j.choice = 'skip'", "skip")),
        (bool(query.versions), _when(f"not exists ({version})", "other_version")),
        (query.since is not None, _when("j.created_at < :since", "other_time")),
        (query.until is not None, _when("j.created_at >= :until", "other_time")),
        (bool(query.annotators), _when(who_said, "other_annotator")),
        (bool(query.tags), _when(f"j.reasons is null or not exists ({tag})", "other_tag")),
    )
    why = f"coalesce({', '.join(doubt for asked, doubt in doubts if asked)}, null)"
    table, only = ("judgment", _USED) if query.rounds else ("current_judgment", "")
    lists = {name: json.dumps(getattr(query, name)) for name in ("rounds", "versions", "annotators", "tags")}
    params: dict[str, object] = {"split": query.split, "since": query.since, "until": query.until, **lists}
    return _JUDGED.format(why=why, table=table, only=only), params


def _when(holds: str, reason: str) -> str:
    return f"iif({holds}, '{reason}', null)"


def _together(said: _CountedJudgment, reliability: Mapping[int, float] | None) -> _Together:
    for_a, for_b, for_bad = (said.of_pairs(said.choice == code) for code in (_A, _B, _BOTH_BAD))
    decisive = for_a + for_b
    share = for_a / np.maximum(decisive, 1) if reliability is None else _weighed(said, reliability)
    share = np.where(decisive > 0, share, 0.5)
    is_bad = for_bad > decisive
    choice = np.where(is_bad, _BOTH_BAD, np.where(share == 0.5, _TIE, np.where(share > 0.5, _A, _B))).astype(np.int8)
    wins = said.choice == np.repeat(choice, said.sizes)
    strengths = said.of_pairs(np.where(wins, np.maximum(said.strength, STRENGTH_UNSAID), 0))
    return _Together(choice, strengths / np.maximum(said.of_pairs(wins), 1), np.maximum(share, 1 - share))


def _weighed(said: _CountedJudgment, reliability: Mapping[int, float]) -> Floats:
    """Return the probability that a is better, weighting votes by their annotators' reliability."""
    people, at = np.unique(said.annotator, return_inverse=True)
    weights = np.array([float(scipy.special.logit(reliability[number])) for number in people.tolist()])[at]
    signed = np.where(said.choice == _A, weights, np.where(said.choice == _B, -weights, 0.0))
    log_odds = np.add.reduceat(signed, said.starts) if len(said.starts) else np.zeros(0)
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float64)


def _strong(said: _CountedJudgment, together: _Together, query: ExportQuery, left_out: dict[str | None, int]) -> Bools:
    """Return which pairs have enough, agreeing and strong votes; count the others in left_out."""
    decisive = together.choice <= _B
    few = said.sizes < query.votes
    disputed = ~few & decisive & (together.agreement < query.agreement)
    weak = ~few & ~disputed & decisive & (together.strength < query.strength)
    for reason, which in (("few_votes", few), ("disputed", disputed), ("weak", weak)):
        left_out[reason] = int(said.sizes[which].sum())
    return np.asarray(~(few | disputed | weak))


def _kept(
    said: _CountedJudgment, together: _Together, keeps: Bools, query: ExportQuery, left_out: dict[str | None, int]
) -> Counts:
    """Return how many judgments of each pair are written; count those with an unwanted choice in left_out."""
    alone = query.aggregation is Aggregation.JUDGMENTS
    choice = said.choice if alone else np.repeat(together.choice, said.sizes)
    taken = np.repeat(keeps, said.sizes)
    for code, asked in ((_TIE, query.ties), (_BOTH_BAD, query.both_bad)):
        unwanted = taken & (choice == code) & (not asked)
        left_out[_CHOICES[code].value] = int(unwanted.sum())
        taken &= ~unwanted
    return said.of_pairs(taken)
