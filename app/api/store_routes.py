"""REST for admins, as far as it needs a home's store and files, and no model: all of it works without a server too."""

from collections.abc import Callable

from fastapi import APIRouter

from app.annotation.quality_cache import QualityCache
from app.api.activity import build_activity_api
from app.api.exports import build_exports_api
from app.api.gold import build_gold_api
from app.api.guidelines import build_guidelines_api
from app.api.imports import build_imports_api
from app.api.jobs import build_jobs_api
from app.api.lineage import build_lineage_api
from app.api.people import build_people_api
from app.api.prompts import build_prompts_api
from app.api.quality import build_quality_api
from app.api.versions import build_adapters_api
from app.background.jobs import Jobs
from app.datasets.export_files import ExportFiles
from app.datasets.uploads import Uploads
from app.markdown.render import Markdown
from app.people.accounts import Accounts
from app.serving.adapter_store import AdapterStore
from data.store import PreferenceStore


def store_routes(
    store: PreferenceStore,
    *,
    accounts: Accounts,
    quality_cache: QualityCache,
    adapter_store: AdapterStore,
    jobs: Jobs,
    uploads: Uploads,
    export_files: ExportFiles,
    moved: Callable[[], None],
) -> list[APIRouter]:
    """The routes; to be included for admins only. moved: called when other prompts are to be answered."""
    return [
        build_people_api(accounts, store.audit),
        build_activity_api(store),
        build_quality_api(store, quality_cache),
        build_guidelines_api(store, Markdown()),
        build_gold_api(store),
        build_prompts_api(store, moved=moved),
        build_lineage_api(store),
        build_adapters_api(store, adapter_store),
        build_imports_api(store, uploads),
        build_exports_api(store, export_files),
        build_jobs_api(jobs),
    ]
