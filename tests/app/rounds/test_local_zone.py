"""The machine's zone through a year, against the zone by its name."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.rounds.local_zone import LOCAL
from tests.app.berlin import BERLIN, in_berlin  # noqa: F401  # a fixture

SUMMER, WINTER = timedelta(hours=2), timedelta(hours=1)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
switches = st.builds(
    lambda day, passed: day + passed,
    st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]),
    st.timedeltas(timedelta(hours=-3), timedelta(hours=3)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=moments | switches)
def test_each_moment_reads_as_in_the_zone_by_its_name(in_berlin: None, moment: datetime) -> None:  # noqa: F811
    here, there = moment.astimezone(LOCAL), moment.astimezone(BERLIN)
    assert (here.replace(tzinfo=None), here.fold, here.tzname()) == (
        there.replace(tzinfo=None),
        there.fold,
        there.tzname(),
    )
    assert here.utcoffset() == there.utcoffset()
    assert here.astimezone(UTC) == moment


def test_a_time_has_the_offset_of_its_own_season(in_berlin: None) -> None:  # noqa: F811
    assert datetime(2026, 10, 24, 12, tzinfo=LOCAL).utcoffset() == SUMMER
    assert datetime(2026, 10, 26, 12, tzinfo=LOCAL).utcoffset() == WINTER
