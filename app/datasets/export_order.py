"""What to export: format, container, selection and options."""

from dataclasses import asdict, dataclass, field
from typing import Any

from data.containers.registry import by_name as container_named
from data.errors import InputError
from data.exchange.export_query import ExportQuery
from data.formats.registry import by_name as format_named
from data.records import Choice, Split
from data.rounds.aggregation import Aggregation

PARTS = {Split.TRAIN: "train", Split.HELDOUT: "test"}
"""Names of the splits in a dataset, as its readers expect."""


_BY_FORMAT = frozenset({"aggregation", "ties", "both_bad"})
"""Fields of a query whose defaults depend on the format (see usual_query)."""


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """An export order. provenance: add columns, beside the format's own, that say where each row comes from.

    anonymous: leave out annotators and comments; at most a number that is valid within this file.
    """

    format: str = "trl"
    container: str = "jsonl"
    query: ExportQuery = field(default_factory=ExportQuery)
    provenance: bool = False
    anonymous: bool = False

    def check(self) -> None:
        """Raise InputError for an unknown name, or for a format that cannot represent what is requested."""
        format_ = format_named(self.format)
        container_named(self.container)
        if self.provenance and not format_.open:
            raise InputError(f"{self.format} has no room for other columns; leave the provenance out")
        for choice, asked in ((Choice.TIE, self.query.ties), (Choice.BOTH_BAD, self.query.both_bad)):
            if asked and choice not in format_.choices:
                raise InputError(f"{self.format} cannot say {choice}; leave such pairs out, or choose another format")

    def check_name(self, name: str) -> None:
        """Raise InputError for a file name without a suffix of the container."""
        suffixes = container_named(self.container).suffixes
        if suffixes and not name.lower().endswith(suffixes):
            known = " or ".join(suffixes)
            raise InputError(f"{name}: a {self.container} file's name ends in {known}; name it so, or say which it is")


def usual_query(format_name: str) -> ExportQuery:
    """Return the default query of a format: for training formats, the majority's choice for each pair.

    For formats that represent complete judgments, every judgment. Raises InputError for an unknown name.
    """
    if format_named(format_name).complete:
        return ExportQuery(aggregation=Aggregation.JUDGMENTS, ties=True, both_bad=True)
    return ExportQuery()


def request_of(order: ExportOrder) -> dict[str, Any]:
    """Return an order as JSON, without query fields that have ExportQuery's default.

    aggregation, ties and both_bad are always included: a format's defaults may change, but not what was requested.
    """
    usual = asdict(ExportQuery())
    asked = {key: value for key, value in asdict(order.query).items() if key in _BY_FORMAT or value != usual[key]}
    return {"query": asked, "provenance": order.provenance, "anonymous": order.anonymous}
