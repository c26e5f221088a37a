"""This machine's time zone with daylight saving time, unlike the fixed offset of `datetime.astimezone()`."""

from datetime import UTC, datetime, timedelta, tzinfo


class LocalZone(tzinfo):
    """The time zone from TZ or the system; each moment gets the offset in effect at that time."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return the offset of local time from UTC."""
        return None if moment is None else _fixed(moment).utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Return None: the system gives only the total offset."""
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """Return the short name, such as CET or CEST."""
        return None if moment is None else _fixed(moment).tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """Convert UTC to local time; fold marks the second of two equal local times."""
        whole = datetime.fromtimestamp(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
        return whole.replace(microsecond=moment.microsecond, tzinfo=self)


LOCAL = LocalZone()


def _fixed(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None).astimezone()
