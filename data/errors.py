"""Every error prefloop raises on purpose.

    PrefloopError                 a message a person can act on
    ├── InputError                what was given is wrong: a file, a setting, a name, a choice
    │   ├── NotFoundError         the thing named does not exist
    │   └── PromptError           a prompt that this model can never be asked
    ├── ConflictError             right in itself, but not now: already judged, already running
    │   ├── RoundRunsError        another round runs, and one runs at a time
    │   └── BusyError             too much at once, to be tried again in so many seconds
    ├── HomeError                 the home directory cannot be used: owned, unreadable, of another model
    │   └── DiskFullError         there is no room on the disk; what was saved is there
    ├── ModelError                a base model cannot be loaded or is not supported
    ├── AdapterError              an adapter is refused: damaged, of another shape, or not effective
    └── RoundError                a training round failed, with the reason in words

A message names the thing, the reason and the way out. Pages show it (translated, where its template is in
their table of texts), the API answers it as JSON, the command line prints it and exits with 2. Knows nothing
of who shows it.
"""

from pathlib import Path


class PrefloopError(Exception):
    """Base of every error meant for people.

    Given values, the first argument is a template with {names} for them: what can be translated is the template. What
    was given may be no Unicode, as half a surrogate pair in JSON; it is written so that a message always is.
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
    """A prompt that this model can never be asked: too long, or refused by its chat template.

    reason: the kind of obstacle in a few words, the same for every prompt it stops, so that they can be counted.
    """

    def __init__(self, template: str, *, reason: str, **values: str | int) -> None:
        super().__init__(template, **values)
        self.reason = reason


class ConflictError(PrefloopError):
    """Right in itself, but not now: already judged, already running, already taken."""


class RoundRunsError(ConflictError):
    """Another round runs; one runs at a time."""


class BusyError(ConflictError):
    """Too much at once; it can be tried again in some seconds."""

    def __init__(self, template: str, *, seconds: int, **values: str | int) -> None:
        super().__init__(template, seconds=seconds, **values)
        self.seconds = seconds


class HomeError(PrefloopError):
    """The home directory cannot be used."""


class DiskFullError(HomeError):
    """There is no room on the disk for what is written at a place; what was saved before is there."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            "The disk is full: {place} cannot grow. Make room and try again; nothing saved is lost.", place=str(place)
        )


class ModelError(PrefloopError):
    """A base model cannot be loaded or is not supported."""


class AdapterError(PrefloopError):
    """An adapter is refused; the one that served goes on serving."""


class RoundError(PrefloopError):
    """A training round failed."""
