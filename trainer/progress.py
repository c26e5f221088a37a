"""How far a round is: the time it has taken, and what an evaluation still takes. Knows nothing of what it measures."""

import time
from collections.abc import Callable

from trainer.interface.manifest import Progress
from trainer.interface.round_dir import RoundDir

_OF_AN_ANSWER = 0.3  # what scoring one costs beside drawing it, until it is known (SmolLM2: 3 ms a token against 9)


class RoundClock:
    """Tells a round's progress to its directory, with the seconds that it has taken: those of a killed try, too."""

    def __init__(self, directory: RoundDir) -> None:
        before = directory.progress()
        self._directory = directory
        self._before = before.seconds if before else 0.0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._began

    def tell(self, progress: Progress) -> None:
        """Write down where the round stands."""
        self._directory.set_progress(progress.model_copy(update={"seconds": self.seconds}))


class EvaluationProgress:
    """Counts answers drawn and groups scored, and tells of each. One counts as a step, whichever it is.

    Answers are slow to draw and quick to score: the time that is left is reckoned for each by itself.
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
        """An answer has ended."""
        self._add(0, 1)

    def scored(self, groups: int) -> None:
        """So many more groups are scored."""
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
        """Seconds for what is missing, by the pace of each kind; of one not yet begun, by that of the other."""
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
