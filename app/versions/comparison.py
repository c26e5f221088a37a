"""Which two versions annotators compare: the one in trial with the champion, else the champion with its predecessor."""

from dataclasses import dataclass

from data.store import PreferenceStore
from data.versions.standing import before, standings


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger and a champion; votes count from `since` on, in ms since the Unix epoch.

    trial: whether the votes decide who serves. Without a trial the challenger is the version that serves, measured
    against the one before it.
    """

    challenger: str
    champion: str
    trial: bool
    since: int

    @property
    def serving(self) -> str:
        """The one of the two that serves."""
        return self.champion if self.trial else self.challenger

    @property
    def other(self) -> str:
        """The one of the two that does not serve."""
        return self.challenger if self.trial else self.champion


def current_comparison(store: PreferenceStore) -> Comparison | None:
    """Return the two versions compared now; None if there are not two."""
    history = store.versions.serving_history()
    if not history:
        return None
    serving, tried = history[-1], store.decisions.tried()
    if tried is not None and tried.version != serving.version:
        return Comparison(tried.version, serving.version, trial=True, since=tried.created_at)
    other = version_before(store)
    return None if other is None else Comparison(serving.version, other, trial=False, since=serving.created_at)


def version_before(store: PreferenceStore) -> str | None:
    """Return the version that a rollback would restore; None if there is none."""
    events = store.versions.serving_history()
    return before(standings(store.versions.all(), store.decisions.all(), events), events)
