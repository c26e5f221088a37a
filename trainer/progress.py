"""Report how far a round has come: seconds spent, and the time an evaluation still needs."""

import time
from collections.abc import Callable

from trainer.interface.manifest import Progress
from trainer.interface.round_dir import RoundDir

_OF_AN_ANSWER = 0.3  # assumed cost of scoring an answer relative to sampling it (SmolLM2: 3 ms against 9 ms a token)


class RoundClock:
    """Writes a round's progress to its directory, with the seconds spent so far, including those of killed attempts."""

    def __init__(self, directory: RoundDir) -> None:
        before = directory.progress()
        self._directory = directory
        self._before = before.seconds if before else 0.0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds spent so far."""
        return self._before + time.monotonic() - self._began

    def tell(self, progress: Progress) -> None:
        """Write the current progress to the directory."""
        self._directory.set_progress(progress.model_copy(update={"seconds": self.seconds}))


class EvaluationProgress:
    """Counts answers sampled and groups scored, and reports after each. Either counts as one step.

    Sampling is slow and scoring is fast, so the time left is estimated separately for each.
    """

    def __init__(
        self,
        tell: Callable[[Progress], None],
        *,
        answers: int,
        groups: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._wanted = (answers, groups)
        self._done = [0, 0]
        self._spent = [0.0, 0.0]
        self._at = clock()
        self._say()

    def answered(self) -> None:
        """Count one finished answer."""
        self._add(0, 1)

    def scored(self, groups: int) -> None:
        """Count groups that were just scored."""
        self._add(1, groups)

    def _add(self, kind: int, count: int) -> None:
        now = self._clock()
        self._spent[kind] += now - self._at
        self._done[kind] += count
        self._at = now
        self._say()

    def _say(self) -> None:
        steps = sum(self._wanted)
        self._tell(
            Progress(phase="evaluating", step=min(sum(self._done), steps), steps=steps, seconds_left=self._left())
        )

    def _left(self) -> float | None:
        """Estimate the seconds left from the pace of each kind; a kind not yet started borrows the other's pace."""
        paces = [spent / done if done else None for spent, done in zip(self._spent, self._done, strict=True)]
        answer, group = paces
        if answer is None and group is None:
            return None
        if answer is None and group is not None:
            answer = group / _OF_AN_ANSWER
        if group is None and answer is not None:
            group = answer * _OF_AN_ANSWER
        missing = [max(0, wanted - done) for wanted, done in zip(self._wanted, self._done, strict=True)]
        return missing[0] * (answer or 0.0) + missing[1] * (group or 0.0)
