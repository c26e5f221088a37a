"""Publish an export on the Hugging Face hub, on request of an admin; private by default.

The token is the one of `hf auth login` or HF_TOKEN.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the library that it asks by

from app.datasets.export_order import ExportOrder
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import columns_of, guideline_of, new_export, parts_of
from app.datasets.hub_card import dataset_card
from app.datasets.manifest import manifest_text
from data.containers.parquet import PARQUET
from data.errors import ConflictError, PrefloopError
from data.formats.dataset_info import HUB as HUB_KEY
from data.formats.dataset_info import dataset_info
from data.records import Export
from data.store import PreferenceStore
from data.support.digests import file_sha256

HUB = "hub"
"""Container name of an export that was published there."""

_DATA = "data"
_REFUSED = (HTTPError, OSError, ValueError, RuntimeError)
"""Errors of the hub's client: no network, invalid name or card, interrupted upload."""


def publish(
    store: PreferenceStore,
    order: ExportOrder,
    repo: str,
    tally: ExportTally,
    *,
    private: bool = True,
    made_by: int | None = None,
    api: HfApi | None = None,
) -> Export:
    """Upload train and test, a card and the manifest to a dataset repository, created if it does not exist.

    data/ is replaced, other existing files stay. Raises InputError as ExportOrder.check does, or if no row is left;
    ConflictError when it should be private but the existing repository is public; PrefloopError when the hub rejects
    it.
    """
    order.check()
    with TemporaryDirectory() as folder:
        data = Path(folder) / _DATA
        for part, rows in parts_of(store, order, tally, apart=True).items():
            data.mkdir(exist_ok=True)
            PARQUET.write(data / f"{part}.parquet", columns_of(order), {part: rows})
            if not tally.pairs[part]:
                (data / f"{part}.parquet").unlink()
        made = new_export(store, order, file_sha256(data), tally)
        made = replace(made, container=HUB, request={**made.request, "repo": repo})
        guideline = guideline_of(store, made)
        title = repo.rpartition("/")[2]
        info = dataset_info(order.format, title, repo, HUB_KEY)
        model = store.versions.base_model()
        (Path(folder) / "README.md").write_text(dataset_card(title, made, tally, guideline, model), encoding="utf-8")
        (Path(folder) / "manifest.json").write_text(manifest_text(made, guideline, repo, info, model), encoding="utf-8")
        _upload(api or HfApi(), repo, Path(folder), private=private)
    return store.exports.record(made, made_by)


def _upload(api: HfApi, repo: str, folder: Path, *, private: bool) -> None:
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        if private and not api.dataset_info(repo).private:
            raise ConflictError(
                "{repo} is there already, and everybody can see it; make it private on the hub, name another, or "
                "publish it for everybody",
                repo=repo,
            )
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Export preferences with prefloop",
            delete_patterns=f"{_DATA}/*",  # of an earlier export, possibly not anonymous
        )
    except _REFUSED as error:
        raise PrefloopError(
            "{repo} was not published: {why}; sign in with `hf auth login`, or look at the name and the network",
            repo=repo,
            why=str(error) or type(error).__name__,
        ) from error
