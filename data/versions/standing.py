"""Where each version stands, from what was decided on it and when it served. Pure; knows nothing of tables.

What serves is told by the serving events alone: a decision may be older than a move of the champion.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from data.records import AdapterVersion, Decision, Ruling, ServingEvent
from data.versions.versions import BASE


class VersionStatus(StrEnum):
    """SERVES now; ON_TRIAL: annotators compare it with the one that serves; WAITS for an admin; SERVED before and may
    again; REFUSED; RETIRED: put away; UNUSED: nothing has been decided and it never served.
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
    """A time in which a version served, in ms since the Unix epoch; until is None while it does."""

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
    """The times in which versions served, oldest first; events in their order."""
    return tuple(
        Serving(event.version, event.created_at, after.created_at if after else None, event.reason)
        for event, after in zip_longest(events, events[1:])
    )


def standings(
    versions: Iterable[AdapterVersion], decisions: Iterable[Decision], events: Sequence[ServingEvent]
) -> dict[str, VersionStatus]:
    """Where each version stands, by name; decisions and events in their order.

    The base is always there to go back to: rolled back, it has served and may again.
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
    """What to go back to: of the versions that served and may again, the one that did so last; None without any.

    One that was refused, rolled back or retired since is no more fit to serve than one that never did; the base is.
    """
    return next((event.version for event in reversed(events) if stand[event.version] is VersionStatus.SERVED), None)
