"""Where the setting stands that a message asks for.

A message names a key as `max_new_tokens in [sampling]`, or `max_rank at the top of prefloop.toml`; whoever knows the
file completes it for people. Knows nothing of what a setting means.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.errors import PrefloopError

FILE = "prefloop.toml"


TOP = f"at the top of {FILE}"
_PLACE = re.compile(rf"(?<=\S )(?P<place>in \[\w+\])(?! of )|(?P<top>{re.escape(TOP)})")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The file that settings were read from. restart: whether a change counts only when the server starts again."""

    path: Path = Path(FILE)
    restart: bool = True

    def located(self, words: str) -> str:
        """A message with the file of every setting that it names, and whether a restart is needed after the last."""
        places = list(_PLACE.finditer(words))
        if not places:
            return words
        end = " and restart the server" if self.restart else ""
        written = _PLACE.sub(self._place, words[: places[-1].end()])
        return written + end + words[places[-1].end() :]

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Within, an error that asks for a setting names the file, too."""
        try:
            yield
        except PrefloopError as error:
            words = self.located(str(error))
            if words != str(error):
                error.template, error.values, error.args = words, {}, (words,)
            raise

    def _place(self, found: re.Match[str]) -> str:
        return f"at the top of {self.path}" if found["top"] else f"{found['place']} of {self.path}"


HERE = SettingsFile()
"""For those who do not know where it lies."""
