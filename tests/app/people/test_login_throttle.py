"""How long a caller must wait, in a table of its own and over all buckets."""

import threading

import pytest

from app.people.login_throttle import Bucket, Throttle
from tests.data.scene import HandClock

HOUR = 3_600_000
ONE = Bucket("one", 2)
LARGE = Bucket("large", 4)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def throttle(clock: HandClock) -> Throttle:
    return Throttle(clock)


def test_waits_double_up_to_five_minutes(throttle: Throttle, clock: HandClock) -> None:
    assert [throttle.claim(ONE) for _ in range(2)] == [0, 0]
    waits = []
    for _ in range(11):
        waits.append(throttle.claim(ONE) // 1000)
        clock.now += waits[-1] * 1000
        assert throttle.claim(ONE) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_refused_try_counts_nowhere(throttle: Throttle, clock: HandClock) -> None:
    for _ in range(2):
        throttle.claim(ONE)
    assert [throttle.claim(ONE, LARGE) for _ in range(9)] == [1000] * 9
    assert [throttle.claim(LARGE) for _ in range(5)] == [0, 0, 0, 0, 1000]
    clock.now += 1000
    assert throttle.claim(ONE, LARGE) == 0


def test_the_fullest_bucket_decides(throttle: Throttle) -> None:
    for number in range(4):
        assert throttle.claim(Bucket(f"address {number}", 2), LARGE) == 0
    assert throttle.claim(Bucket("address 9", 2), LARGE) == 1000
    assert throttle.claim(Bucket("address 9", 2)) == 0


def test_success_and_an_hour_both_make_it_forget(throttle: Throttle, clock: HandClock) -> None:
    for _ in range(2):
        throttle.claim(ONE, LARGE)
    throttle.clear(ONE, LARGE)
    assert [throttle.claim(ONE) for _ in range(3)] == [0, 0, 1000]
    clock.now += HOUR + 1
    assert [throttle.claim(ONE) for _ in range(3)] == [0, 0, 1000]


def test_a_flood_of_buckets_washes_nothing_out(throttle: Throttle) -> None:
    for _ in range(2):
        throttle.claim(ONE)
    for number in range(30_000):
        throttle.claim(Bucket(str(number), 2))
    assert throttle.claim(ONE) == 1000


def test_names_that_share_a_place_share_a_count(clock: HandClock) -> None:
    throttle = Throttle(clock, places=1)
    assert [throttle.claim(Bucket(str(number), 2)) for number in range(3)] == [0, 0, 1000]
    assert throttle.claim(ONE, LARGE) == 1000


def test_a_try_that_is_taken_back_counts_no_more_and_no_other_goes_with_it(throttle: Throttle) -> None:
    for _ in range(2):
        throttle.claim(ONE)
    throttle.take_back(ONE)
    assert [throttle.claim(ONE) for _ in range(2)] == [0, 1000]


def test_what_many_share_fades_all_the_while(throttle: Throttle, clock: HandClock) -> None:
    shared = Bucket("shared", 4, fades=True)
    for _ in range(4):
        throttle.claim(shared)
    assert throttle.claim(shared) == 1000
    for _ in range(9):  # one more each quarter of an hour goes on for ever
        clock.now += HOUR // 4
        assert [throttle.claim(shared) for _ in range(2)] == [0, 1000]


def test_fading_makes_no_wait_longer_than_was_said(throttle: Throttle, clock: HandClock) -> None:
    shared = Bucket("shared", 60, fades=True)
    for _ in range(60):
        throttle.claim(shared)
    while (wait := throttle.claim(shared)) < 60_000:
        clock.now += wait
    clock.now += wait
    assert throttle.claim(shared) == 0


def test_tries_at_the_same_moment_cannot_all_slip_through(throttle: Throttle) -> None:
    granted: list[int] = []
    barrier = threading.Barrier(16)

    def guess() -> None:
        barrier.wait()
        granted.append(throttle.claim(ONE))

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.count(0) == 2
