"""How far a round is: seconds over all tries, and an evaluation's time left by a clock of the test's own."""

from pathlib import Path

import pytest

from trainer.interface.manifest import Progress
from trainer.interface.round_dir import RoundDir
from trainer.progress import EvaluationProgress, RoundClock


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_a_killed_try_took_counts(tmp_path: Path) -> None:
    directory = RoundDir(tmp_path)
    directory.set_progress(Progress(phase="training", step=3, steps=9, seconds=100.0))
    clock = RoundClock(directory)
    clock.tell(Progress(phase="loading"))
    again = directory.progress()
    assert again is not None
    assert (again.phase, 100.0 <= again.seconds < 130.0) == ("loading", True)


def test_each_kind_of_work_is_reckoned_at_its_own_pace() -> None:
    told: list[Progress] = []
    clock = Clock()
    progress = EvaluationProgress(told.append, answers=4, groups=10, clock=clock)
    assert (told[-1].phase, told[-1].step, told[-1].steps, told[-1].seconds_left) == ("evaluating", 0, 14, None)
    for second in (10, 20, 30, 40):
        clock.now = second
        progress.answered()
    assert told[-1].step == 4
    assert told[-1].seconds_left == pytest.approx(10 * 0.3 * 10)  # nothing scored yet: a share of an answer's
    clock.now = 42
    progress.scored(4)
    assert told[-1].step == 8
    assert told[-1].seconds_left == pytest.approx(6 * 0.5)


def test_what_takes_fewer_groups_than_was_thought_does_not_go_beyond_the_end() -> None:
    told: list[Progress] = []
    progress = EvaluationProgress(told.append, answers=1, groups=2, clock=Clock())
    progress.answered()
    progress.scored(5)
    assert (told[-1].step, told[-1].steps, told[-1].seconds_left) == (3, 3, 0.0)
