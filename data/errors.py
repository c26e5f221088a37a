"""Every error prefloop raises on purpose.

    PrefloopError                 a message a person can act on
    ├── InputError                what was given is wrong: a file, a setting, a name, a choice
    │   ├── NotFoundError         the thing named does not exist
    │   └── PromptError           a prompt that this model can never answer
    ├── ConflictError             valid, but not now: already judged, already running
    │   ├── RoundRunsError        another round runs, and one runs at a time
    │   └── BusyError             too many requests, to be tried again in so many seconds
    ├── HomeError                 the home directory cannot be used: owned, unreadable, of another model
    │   └── DiskFullError         the disk is full; what was saved before is intact
    ├── ModelError                a base model cannot be loaded or is not supported
    ├── AdapterError              an adapter is rejected: damaged, of another shape, or without effect
    └── RoundError                a training round failed, with the reason in words

A message names the thing, the reason and what to do. Pages show it (translated, where its template is in
their table of texts), the API returns it as JSON, the command line prints it and exits with 2.
"""

from pathlib import Path


class PrefloopError(Exception):
    """Base of every error meant for people.

    With values, the first argument is a template with {names} for them; templates can be translated. Values that are no
    valid Unicode, such as half a surrogate pair from JSON, are escaped.
    """

    def __init__(self, template: str, **values: str | int) -> None:
        self.template = _unicode(template)
        self.values = {name: _unicode(value) if isinstance(value, str) else value for name, value in values.items()}
        super().__init__(self.template.format(**self.values) if values else self.template)


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class InputError(PrefloopError):
    """What was given is wrong: a file, a setting, a name, a choice."""


class NotFoundError(InputError):
    """The thing named does not exist."""


class PromptError(InputError):
    """A prompt that this model can never answer: too long, or rejected by its chat template.

    reason: the kind of problem in a few words, equal for all prompts with that problem, so that they can be counted.
    """

    def __init__(self, template: str, *, reason: str, **values: str | int) -> None:
        super().__init__(template, **values)
        self.reason = reason


class ConflictError(PrefloopError):
    """Valid in itself, but not now: already judged, already running, already taken."""


class RoundRunsError(ConflictError):
    """Another round runs; only one runs at a time."""


class BusyError(ConflictError):
    """Too many requests; try again in some seconds."""

    def __init__(self, template: str, *, seconds: int, **values: str | int) -> None:
        super().__init__(template, seconds=seconds, **values)
        self.seconds = seconds


class HomeError(PrefloopError):
    """The home directory cannot be used."""


class DiskFullError(HomeError):
    """The disk of a place that is being written is full; what was saved before is intact."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            "The disk is full: {place} cannot grow. Make room and try again; nothing saved is lost.", place=str(place)
        )


class ModelError(PrefloopError):
    """A base model cannot be loaded or is not supported."""


class AdapterError(PrefloopError):
    """An adapter is rejected; the current one keeps serving."""


class RoundError(PrefloopError):
    """A training round failed."""
