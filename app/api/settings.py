"""REST for admins: the settings in force. Knows nothing of what they do."""

from fastapi import APIRouter

from app.api.errors import refusals
from app.rounds.training_settings import TrainingSettings, training_of
from app.settings.effective import EffectiveSetting, effective
from app.settings.settings import Settings


def build_settings_api(settings: Settings, trainings: TrainingSettings) -> APIRouter:
    """The routes of those who want to know what is set; to be included for admins only."""
    routes = APIRouter(tags=["settings"], responses=refusals())

    @routes.get("/settings")
    def list_settings() -> list[EffectiveSetting]:
        """Every setting in force, and where its value came from; docs/operations.md says what each does."""
        training = trainings.of()
        usual = training_of({"algorithm": training.algorithm}, parameters=trainings.parameters)
        return effective(settings, training, usual)

    return routes
