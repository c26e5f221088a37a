"""Choose the prompt format of a home: what `[model]` says, or the format its versions were trained with.

A home keeps the plain template of its versions when prefloop gets a better one, since a version answers well only in
the format it was trained with. Called at the server's start.
"""

from collections.abc import Callable

from data.store import PreferenceStore
from trainer.interface.model_settings import ModelOptions, PromptFormat
from trainer.model.base import Base
from trainer.prompting.prompt_format import PLAIN_STOPS

_KEPT = (
    "Prompts: the versions of this home were trained with an older plain template, which stays. For the one of today "
    'set template = "plain" under [model] in prefloop.toml and start again; then train anew'
)


def settle_format(base: Base, options: ModelOptions, store: PreferenceStore, say: Callable[[str], None]) -> Base:
    """Return the base with this home's prompt format, recorded as current; `say` receives notes for people."""
    trained = _newest_format(base, store)
    if options.template is None and base.plain_template and trained and trained.template != base.format.template:
        base = base.under(_kept(trained, base.format, options))
        say(_KEPT)
    store.prompt_formats.put_in_force(base.format.model_dump(mode="json"), former=base.former.model_dump(mode="json"))
    return base


def _newest_format(base: Base, store: PreferenceStore) -> PromptFormat | None:
    """Return the format of the newest trained version; None if there is none."""
    newest = next((one for one in reversed(store.versions.all()) if one.sha256 is not None), None)
    if newest is None:
        return None
    body = None if newest.prompt_format is None else store.prompt_formats.by_sha256(newest.prompt_format)
    return base.former if body is None else PromptFormat.model_validate(body)


def _kept(trained: PromptFormat, today: PromptFormat, options: ModelOptions) -> PromptFormat:
    """Combine the versions' template with the settings; of the plain stop strings keep only those used in training."""
    of_template = (stop for stop in trained.stop if stop in PLAIN_STOPS)
    stop = tuple(dict.fromkeys((*of_template, *options.stop)))
    return today.model_copy(update={"template": trained.template, "stop": stop})
