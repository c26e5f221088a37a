"""This machine's time zone, with its summer time: what `datetime.astimezone()` does not know beyond one moment.

Knows nothing of what is timed.
"""

from datetime import UTC, datetime, timedelta, tzinfo


class LocalZone(tzinfo):
    """The zone that TZ or the system names; each moment has the offset that holds then."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """How far the clock on the wall is ahead of UTC."""
        return None if moment is None else _fixed(moment).utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Not known: the system tells an offset only as a whole."""
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """The short name, CET or CEST."""
        return None if moment is None else _fixed(moment).tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """The time on the wall; of two that read the same, fold tells the second."""
        whole = datetime.fromtimestamp(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
        return whole.replace(microsecond=moment.microsecond, tzinfo=self)


LOCAL = LocalZone()


def _fixed(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None).astimezone()
