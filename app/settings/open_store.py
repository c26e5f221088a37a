"""Open the store of a home with its settings."""

from app.home import Home
from app.settings.settings import Settings
from data.store import PreferenceStore


def open_store(home: Home, settings: Settings) -> PreferenceStore:
    """Open the home's store. Raises HomeError when it cannot be read."""
    return PreferenceStore.open(home.database, heldout_share=settings.heldout_share, too_fast=settings.rounds.too_fast)
