"""Which two versions people compare: the one on trial and the one that serves, else that one and the one before it.

Knows nothing of votes, nor of the pairs they are given on.
"""

from dataclasses import dataclass

from data.store import PreferenceStore
from data.versions.standing import before, standings


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger and a champion, whose votes count from `since` on, in ms since the Unix epoch.

    trial: whether they decide who serves. Without a trial the challenger is the version that serves, measured against
    the one before it.
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
        """The one that does not."""
        return self.challenger if self.trial else self.champion


def current_comparison(store: PreferenceStore) -> Comparison | None:
    """The two versions that people compare now; None where there are no two."""
    history = store.versions.serving_history()
    if not history:
        return None
    serving, tried = history[-1], store.decisions.tried()
    if tried is not None and tried.version != serving.version:
        return Comparison(tried.version, serving.version, trial=True, since=tried.created_at)
    other = version_before(store)
    return None if other is None else Comparison(serving.version, other, trial=False, since=serving.created_at)


def version_before(store: PreferenceStore) -> str | None:
    """What would serve after a roll-back; None where there is nothing to go back to."""
    events = store.versions.serving_history()
    return before(standings(store.versions.all(), store.decisions.all(), events), events)
