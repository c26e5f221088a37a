"""The status of each version, from the decisions on it and the serving history. Pure functions.

Which version serves follows from the serving events alone: the latest decision may be older than the latest change of
the champion.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from data.records import AdapterVersion, Decision, Ruling, ServingEvent
from data.versions.versions import BASE


class VersionStatus(StrEnum):
    """SERVES now; ON_TRIAL: annotators compare it with the champion; WAITS for an admin; SERVED before and may again;
    REFUSED; RETIRED: archived; UNUSED: no decision on it, and it never served.
    """

    SERVES = "serves"
    ON_TRIAL = "on_trial"
    WAITS = "waits"
    SERVED = "served"
    REFUSED = "refused"
    RETIRED = "retired"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Serving:
    """A period in which a version served, in ms since the Unix epoch; until is None while it still serves."""

    version: str
    since: int
    until: int | None
    reason: str


_AFTER = {
    Ruling.WAIT: VersionStatus.WAITS,
    Ruling.TRY: VersionStatus.ON_TRIAL,
    Ruling.REFUSE: VersionStatus.REFUSED,
    Ruling.ROLL_BACK: VersionStatus.REFUSED,
    Ruling.RETIRE: VersionStatus.RETIRED,
}


def servings(events: Sequence[ServingEvent]) -> tuple[Serving, ...]:
    """Return the periods in which versions served, oldest first; events in order."""
    return tuple(
        Serving(event.version, event.created_at, after.created_at if after else None, event.reason)
        for event, after in zip_longest(events, events[1:])
    )


def standings(
    versions: Iterable[AdapterVersion], decisions: Iterable[Decision], events: Sequence[ServingEvent]
) -> dict[str, VersionStatus]:
    """Return the status of each version, by name; decisions and events in order.

    The base can always serve again: rolled back, its status is SERVED, not REFUSED.
    """
    latest = {decision.version: decision.ruling for decision in decisions}
    served = {event.version for event in events}
    serves = events[-1].version if events else None

    def standing(name: str) -> VersionStatus:
        if name == serves:
            return VersionStatus.SERVES
        if name != BASE and (ruling := latest.get(name)) in _AFTER:
            return _AFTER[ruling]
        return VersionStatus.SERVED if name in served else VersionStatus.UNUSED

    return {version.name: standing(version.name) for version in versions}


def before(stand: Mapping[str, VersionStatus], events: Sequence[ServingEvent]) -> str | None:
    """Return the version to roll back to: the one with status SERVED that served last; None without any.

    A version that was refused, rolled back or retired since must not serve again, except the base.
    """
    return next((event.version for event in reversed(events) if stand[event.version] is VersionStatus.SERVED), None)
