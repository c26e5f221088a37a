"""What is to be exported: format, selection, and what is said besides."""

from dataclasses import asdict, dataclass, field
from typing import Any

from data.containers.registry import by_name as container_named
from data.errors import InputError
from data.exchange.export_query import ExportQuery
from data.formats.registry import by_name as format_named
from data.records import Choice, Split
from data.rounds.aggregation import Aggregation

PARTS = {Split.TRAIN: "train", Split.HELDOUT: "test"}
"""What the splits are called in a dataset, as those who read it expect."""


_BY_FORMAT = frozenset({"aggregation", "ties", "both_bad"})
"""Of a query, what usual_query has otherwise for one format than for another."""


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


def request_of(order: ExportOrder) -> dict[str, Any]:
    """An order as JSON. Of the query is left out what is as ExportQuery has it, but for what depends on the format.

    aggregation, ties and both_bad always stand there: what is usual for a format may change, what was asked for not.
    """
    usual = asdict(ExportQuery())
    asked = {key: value for key, value in asdict(order.query).items() if key in _BY_FORMAT or value != usual[key]}
    return {"query": asked, "provenance": order.provenance, "anonymous": order.anonymous}
