"""REST for admins: the guidelines and their versions. Knows nothing of what they say."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.audit import act, audited
from app.api.errors import Body, refusals
from app.markdown.render import Markdown
from data.activity.audit import AuditAct
from data.annotation.guidelines import LONGEST
from data.records import Guideline
from data.store import PreferenceStore

GuidelineText = Annotated[str, Field(max_length=LONGEST)]
LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class GuidelineIn(Body):
    """A text to put in force (Markdown). translations: the same by language tag ("zh")."""

    body: GuidelineText
    translations: Annotated[dict[LanguageCode, GuidelineText], Field(default_factory=dict)]


class PreviewIn(Body):
    """A text to see as annotators would."""

    body: GuidelineText


class GuidelinePreviewOut(BaseModel):
    """The text as HTML that is safe to put into a page."""

    html: str


class GuidelineOut(BaseModel):
    """A version and how many standing judgments were given under it. created_at: ms since the Unix epoch."""

    id: int
    version: str
    body: str
    translations: dict[str, str]
    created_at: int
    judgments: int


def build_guidelines_api(store: PreferenceStore, markdown: Markdown) -> APIRouter:
    """The routes of those who write the guidelines; to be included for admins only."""
    routes = APIRouter(tags=["guidelines"], responses=refusals())
    changing = APIRouter(route_class=audited(store.audit))

    @routes.get("/guidelines")
    def guidelines() -> list[GuidelineOut]:
        """Every version, newest first; the first of them is in force."""
        uses = store.guidelines.uses()
        return [_guideline(one, uses.get(one.id, 0)) for one in store.guidelines.all()]

    @changing.post("/guidelines", status_code=201)
    @act(AuditAct.PUBLISH_GUIDELINES)
    def publish_guidelines(body: GuidelineIn) -> GuidelineOut:
        """Put a text in force; the text that is in force already is no new version."""
        published = store.guidelines.publish(body.body, body.translations)
        return _guideline(published, store.guidelines.uses().get(published.id, 0))

    @routes.post("/guidelines/preview")
    def preview(body: PreviewIn) -> GuidelinePreviewOut:
        """A text as annotators would see it."""
        return GuidelinePreviewOut(html=markdown.html(body.body))

    routes.include_router(changing)
    return routes


def _guideline(guideline: Guideline, judgments: int) -> GuidelineOut:
    return GuidelineOut(
        id=guideline.id,
        version=guideline.version,
        body=guideline.body,
        translations=guideline.translations,
        created_at=guideline.created_at,
        judgments=judgments,
    )
