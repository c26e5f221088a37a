"""In which format a home asks its model: what `[model]` says, or what its versions were trained in.

A home keeps the plain template of its versions when prefloop gets a better one: a version answers well only as it was
trained. Knows nothing of templates themselves.
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
    """The base as this home asks it, recorded as in force from now on; `say` gets what people should know of it."""
    trained = _newest_format(base, store)
    if options.template is None and base.plain_template and trained and trained.template != base.format.template:
        base = base.under(_kept(trained, base.format, options))
        say(_KEPT)
    store.prompt_formats.put_in_force(base.format.model_dump(mode="json"), former=base.former.model_dump(mode="json"))
    return base


def _newest_format(base: Base, store: PreferenceStore) -> PromptFormat | None:
    """The format of the version that was trained last, None where there is none."""
    newest = next((one for one in reversed(store.versions.all()) if one.sha256 is not None), None)
    if newest is None:
        return None
    body = None if newest.prompt_format is None else store.prompt_formats.by_sha256(newest.prompt_format)
    return base.former if body is None else PromptFormat.model_validate(body)


def _kept(trained: PromptFormat, today: PromptFormat, options: ModelOptions) -> PromptFormat:
    """The template of the versions with all else as `[model]` says; no stop strings but what they were trained with."""
    of_template = (stop for stop in trained.stop if stop in PLAIN_STOPS)
    stop = tuple(dict.fromkeys((*of_template, *options.stop)))
    return today.model_copy(update={"template": trained.template, "stop": stop})
