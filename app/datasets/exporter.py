"""What an admin orders of the store becomes a file, with a manifest that says what it is.

Knows nothing of tables, nor of who ordered it; of formats and containers only the names.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets.anonymize import Numbering, anonymised
from app.datasets.manifest import manifest_path, manifest_text
from data.containers.container import Parts
from data.containers.csv_rows import CSV
from data.containers.registry import by_name as container_named
from data.errors import InputError
from data.exchange.export_query import ExportQuery
from data.exchange.export_rows import LeftOut
from data.formats.dataset_info import LOADED, dataset_info
from data.formats.provenance import PROVENANCE, provenance_cells
from data.formats.registry import by_name as format_named
from data.formats.row import FileRow
from data.records import Choice, Export, Guideline, NewExport, Split
from data.records.judged_pair import JudgedPair
from data.rounds.aggregation import Aggregation
from data.store import PreferenceStore
from data.support.atomic_files import replacing
from data.support.file_digest import file_sha256

PARTS = {Split.TRAIN: "train", Split.HELDOUT: "test"}
"""What the splits are called in a dataset, as those who read it expect."""

_OTHER_SPLIT = frozenset({"other_split"})
_BY_FORMAT = frozenset({"aggregation", "ties", "both_bad"})
"""Of a query, what usual_query has otherwise for one format than for another."""

_TOLD_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What shall become a file. provenance: columns beside the format's own that say where each row comes from.

    anonymous: nothing that says who judged, nor what he wrote; at most a number that holds for this file.
    """

    format: str = "trl"
    container: str = "jsonl"
    query: ExportQuery = field(default_factory=ExportQuery)
    provenance: bool = False
    anonymous: bool = False

    def check(self) -> None:
        """Raise InputError for a name that is not known, or a format that cannot hold what is asked for."""
        format_ = format_named(self.format)
        container_named(self.container)
        if self.provenance and not format_.open:
            raise InputError(f"{self.format} has no room for other columns; leave the provenance out")
        for choice, asked in ((Choice.TIE, self.query.ties), (Choice.BOTH_BAD, self.query.both_bad)):
            if asked and choice not in format_.choices:
                raise InputError(f"{self.format} cannot say {choice}; leave such pairs out, or choose another format")

    def check_name(self, name: str) -> None:
        """Raise InputError for a file's name that does not end as those of the container do."""
        suffixes = container_named(self.container).suffixes
        if suffixes and not name.lower().endswith(suffixes):
            known = " or ".join(suffixes)
            raise InputError(f"{name}: a {self.container} file's name ends in {known}; name it so, or say which it is")


def usual_query(format_name: str) -> ExportQuery:
    """What is taken if nothing else is said: of each pair what the majority says, in a format that trains.

    In one that holds all of a judgment, every judgment that says something. Raises InputError for an unknown name.
    """
    if format_named(format_name).complete:
        return ExportQuery(aggregation=Aggregation.JUDGMENTS, ties=True, both_bad=True)
    return ExportQuery()


@dataclass(slots=True)
class _Pair:
    """The pair that is being counted: by whom, in how many judgments, whether it was not held."""

    number: int | None = None
    annotators: set[str] = field(default_factory=set)
    votes: int = 0
    unheld: bool = False


@dataclass(slots=True)
class ExportTally:
    """What became of the judgments and pairs so far. left_out: judgments by reason; unheld: pairs by reason.

    pairs, written, rows: by part, how many pairs, judgments of them, and rows; a pair whose judgments follow one by one
    is one pair. annotators, sources, licenses: of the pairs, how many each; compared: pairs with several judgments;
    agreement: the sum over these. reasoned: answers that came with reasoning, by whether the format holds that ("kept",
    "dropped"). numbering: of people in a file that does not name them. told: hears, from time to time, how many
    judgments have been dealt with.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unheld: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    reasoned: Counter[str] = field(default_factory=Counter)
    numbering: Numbering = field(default_factory=Numbering)
    agreement: float = 0.0
    compared: int = 0
    judgments: int = 0
    told: Callable[[int], None] = lambda _: None
    _pair: _Pair = field(default_factory=_Pair, init=False, repr=False)

    def add(self, judgments: int) -> None:
        """Count judgments that have been dealt with."""
        before, self.judgments = self.judgments, self.judgments + judgments
        if before // _TOLD_EVERY < self.judgments // _TOLD_EVERY:
            self.told(self.judgments)

    def describe(self, pair: JudgedPair, rows: int, *, keeps_reasoning: bool) -> None:
        """Count a judged pair that is written in so many rows, with reasoning or without, and where it comes from."""
        said, this = pair.provenance, self._this(pair)
        part, votes, people = PARTS[Split(said["split"])], said.get("votes", 1), set(said.get("annotators", ()))
        if not this.votes:
            self.pairs[part] += 1
            self.sources[said.get("source", "unknown")] += 1
            self.licenses[said.get("license", "unknown")] += 1
            reasoned = sum(reasoning is not None for reasoning in pair.reasoning)
            self.reasoned["kept" if keeps_reasoning else "dropped"] += reasoned
        if this.votes <= 1 < this.votes + votes:
            self.compared += 1
            self.agreement += said.get("agreement", 0.0)
        self.annotators.update(people - this.annotators)
        self.written[part] += votes
        self.rows[part] += rows
        this.votes += votes
        this.annotators |= people

    def refuse(self, pair: JudgedPair, reason: str) -> None:
        """Count a judged pair that the format cannot hold."""
        this = self._this(pair)
        if not this.unheld:
            self.unheld[reason] += 1
        this.unheld = True

    def _this(self, pair: JudgedPair) -> _Pair:
        """What is known so far of a pair; its judgments follow each other."""
        number = pair.provenance["pair"]
        if number != self._pair.number:
            self._pair = _Pair(number)
        return self._pair

    def counts(self) -> dict[str, int]:
        """All of them, flat, as the manifest and the store have them."""
        return {
            "judgments": self.judgments,
            **{f"pairs_{part}": count for part, count in sorted(self.pairs.items())},
            **{f"judgments_{part}": count for part, count in sorted(self.written.items())},
            **{f"rows_{part}": count for part, count in sorted(self.rows.items())},
            **{f"excluded_{reason}": count for reason, count in sorted(self.left_out.items())},
            **{f"unheld_{reason}": count for reason, count in sorted(self.unheld.items())},
            **{f"reasoning_{what}": count for what, count in sorted(self.reasoned.items()) if count},
        }


def write(
    store: PreferenceStore, order: ExportOrder, out: Path, tally: ExportTally, *, made_by: int | None = None
) -> Export:
    """Make the file, beside it the manifest, and remember both. tally: filled on the way, to be looked at meanwhile.

    Raises InputError as ExportOrder.check does, or if nothing is left to write; OSError when it cannot be written.
    """
    order.check()
    order.check_name(out.name)
    container = container_named(order.container)
    container.write(out, columns_of(order), parts_of(store, order, tally, apart=not container.suffixes))
    made = new_export(store, order, file_sha256(out), tally)
    with replacing(manifest_path(out)) as fresh:
        info = file_info(order, out.name)
        text = manifest_text(made, guideline_of(store, made), out.name, info, store.versions.base_model())
        fresh.write_text(text, encoding="utf-8")
    return store.exports.record(made, made_by)


def file_info(order: ExportOrder, name: str) -> dict[str, object] | None:
    """The content of a dataset_info.json for a file of that name; None where LLaMA-Factory cannot load it."""
    directory = not container_named(order.container).suffixes
    if directory or not name.endswith(LOADED) or json_columns(order.format, order.container):
        return None
    return dataset_info(order.format, name.partition(".")[0], name)


def json_columns(format_name: str, container_name: str) -> tuple[str, ...]:
    """The format's columns of lists or objects, in a container that can only say them as JSON texts.

    Who reads such a file with anything but prefloop takes them for plain text, and would train on it.
    """
    if container_name != CSV.name:
        return ()
    return tuple(column.name for column in format_named(format_name).columns if pa.types.is_nested(column.type))


def columns_of(order: ExportOrder) -> pa.Schema:
    """The columns of the rows that an order gives."""
    columns = format_named(order.format).columns
    return pa.unify_schemas([columns, PROVENANCE]) if order.provenance else columns


def parts_of(store: PreferenceStore, order: ExportOrder, tally: ExportTally, *, apart: bool) -> Parts:
    """The rows of an order; apart: train and test each for itself, else all in the order of the pairs.

    The last part raises InputError at its end when there was no row at all, so that no file is made.
    """
    if not apart:
        return {PARTS[Split.TRAIN]: _or_nothing(exported_rows(store, order, tally), tally)}
    splits = [order.query.split] if order.query.split else list(Split)
    # what is of one split is left out of the other part only
    unsaid = _OTHER_SPLIT if order.query.split is None else frozenset()
    parts = {}
    for split in splits:
        one = replace(order, query=replace(order.query, split=split))
        parts[PARTS[split]] = exported_rows(store, one, tally, unsaid)
    last = PARTS[splits[-1]]
    return parts | {last: _or_nothing(parts[last], tally)}


def _or_nothing(rows: Iterator[FileRow], tally: ExportTally) -> Iterator[FileRow]:
    yield from rows
    if not tally.pairs:
        reasons = (tally.left_out + tally.unheld).most_common()
        why = "; ".join(f"{reason} ({count})" for reason, count in reasons) or "nobody has judged a pair"
        raise InputError(f"nothing is left to write: {why}")


def new_export(store: PreferenceStore, order: ExportOrder, digest: str, tally: ExportTally) -> NewExport:
    """What is remembered of a file with this digest."""
    guideline = store.guidelines.newest()
    return NewExport(
        request=request_of(order),
        format=order.format,
        container=order.container,
        sha256=digest,
        counts=tally.counts(),
        guideline_id=None if guideline is None else guideline.id,
        software=f"prefloop {version('prefloop')}",
    )


def guideline_of(store: PreferenceStore, made: NewExport) -> Guideline | None:
    """The guideline that people judged by."""
    return None if made.guideline_id is None else store.guidelines.by_id(made.guideline_id)


def request_of(order: ExportOrder) -> dict[str, Any]:
    """An order as JSON. Of the query is left out what is as ExportQuery has it, but for what depends on the format.

    aggregation, ties and both_bad always stand there: what is usual for a format may change, what was asked for not.
    """
    usual = asdict(ExportQuery())
    asked = {key: value for key, value in asdict(order.query).items() if key in _BY_FORMAT or value != usual[key]}
    return {"query": asked, "provenance": order.provenance, "anonymous": order.anonymous}


def exported_rows(
    store: PreferenceStore,
    order: ExportOrder,
    tally: ExportTally,
    unsaid: Set[str] = frozenset(),
    *,
    among: Sequence[int] | None = None,
) -> Iterator[FileRow]:
    """The rows of a file; counted on the way, with what is left out of it, but for the reasons in `unsaid`.

    among: of these pairs alone. The order has been checked.
    """
    format_ = format_named(order.format)
    for found in store.outgoing.judged_pairs(order.query, tell_language=format_.tells_language, among=among):
        if isinstance(found, LeftOut):
            if found.reason in unsaid:
                continue
            tally.add(found.judgments)
            tally.left_out[found.reason] += found.judgments
            continue
        tally.add(found.provenance.get("votes", 1))
        pair = anonymised(found, tally.numbering) if order.anonymous else found
        try:
            rows = format_.rows(pair)
        except InputError as error:
            tally.refuse(pair, str(error).removeprefix(f"{format_.name} cannot hold this pair: "))
            continue
        tally.describe(pair, len(rows), keeps_reasoning=format_.reasoning)
        beside = provenance_cells(pair) if order.provenance else {}
        yield from ({**row, **beside} for row in rows) if beside else rows
