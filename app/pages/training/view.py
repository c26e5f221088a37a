"""What the training board draws, made from the services. Knows nothing of how it is drawn.

Every call may block for a few milliseconds: call from a thread.
"""

import time
from typing import Literal, TypedDict

from app.reports.cells import Note
from app.reports.round_tables import ReportWords, report_words
from app.rounds.algorithms import Algorithm
from app.rounds.runner import RoundView
from app.rounds.schedule import Due
from app.services import Services
from data.records import AdapterVersion, Round, RoundState, ServingEvent
from trainer.interface.manifest import Manifest

_POINTS = 240
_CURVES = ("score", "kl", "length", "loss", "margin", "accuracy")
_CHARTS = 3  # the first of these that the algorithm measures
_PREVIEW_SECONDS = 4.0
_PREVIEW_SHARE = 20  # a costly preview is made rarely: it takes at most one part in twenty of the time


class AlgorithmWords(TypedDict):
    """What can be chosen; configured: what a round trains by if nobody chooses."""

    configured: str
    known: list[tuple[str, str]]


class PreviewWords(TypedDict):
    """What a round would use now. both_bad: pairs, for KTO alone; sha256: of all of it.

    waits: what the next round waits for that starts by itself; waiting: whether one waits for another to end.
    """

    train: int
    heldout: int
    both_bad: int
    flip_rate: float | None
    excluded: dict[str, int]
    sha256: str
    waits: Note
    waiting: bool
    trouble: str | None


class Curve(TypedDict):
    """Something measured at steps."""

    steps: list[float]
    values: list[float]


class RoundWords(TypedDict):
    """The newest round. curves: by name, in the order to show; outcome: how it ended, in sentences."""

    id: int
    state: str
    algorithm: str
    running: bool
    cancellable: bool
    train: int
    heldout: int
    phase: str
    step: int
    steps: int
    seconds_left: float | None
    curves: dict[str, Curve]
    outcome: list[Note]
    report: ReportWords | None


class VersionWords(TypedDict):
    """One adapter version. served: whether it ever did."""

    name: str
    round: int | None
    parent: str | None
    created: int
    served: bool
    pairs: int | None
    accuracy: float | None


class View(TypedDict, total=False):
    """Everything on the board; `answers` names the request that `note` is the answer to."""

    serving: dict[str, str | int | None]
    trouble: str | None
    algorithms: AlgorithmWords
    preview: PreviewWords
    round: RoundWords | None
    versions: list[VersionWords]
    note: Note
    tone: Literal["ok", "warn"]
    answers: str


class Overview:
    """Makes views; keeps what never changes and what is dear to make."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._manifests: dict[int, Manifest | None] = {}
        self._preview: PreviewWords | None = None
        self._preview_until = 0.0

    def view(self) -> View:
        """The state of things."""
        history = self._services.store.versions.serving_history()
        champion = self._services.router.champion
        since = next((event.created_at for event in reversed(history) if event.version == champion), None)
        latest = self._services.rounds.latest()
        return View(
            serving={"name": champion, "since": since},
            trouble=self._services.feeder.loop.last_error,
            algorithms=AlgorithmWords(
                configured=self._services.rounds.configured, known=[(found, found.label) for found in Algorithm]
            ),
            preview=self._previewed(),
            round=None if latest is None else round_words(latest, champion),
            versions=self._versions(history),
        )

    def forget_preview(self) -> None:
        """Something changed what a round would use."""
        self._preview = None

    def _previewed(self) -> PreviewWords:
        began = time.monotonic()
        if self._preview is None or began > self._preview_until:
            self._preview = _preview_words(self._services)
            took = time.monotonic() - began
            self._preview_until = began + max(_PREVIEW_SECONDS, _PREVIEW_SHARE * took)
        return self._preview

    def _versions(self, history: list[ServingEvent]) -> list[VersionWords]:
        served = {event.version for event in history}
        versions = self._services.store.versions.all()
        return [self._version(version, version.name in served) for version in reversed(versions)]

    def _version(self, version: AdapterVersion, served: bool) -> VersionWords:
        manifest = None if version.round_id is None else self._manifest(version.round_id)
        return VersionWords(
            name=version.name,
            round=version.round_id,
            parent=version.parent,
            created=version.created_at,
            served=served,
            pairs=manifest.report.train.pairs if manifest else None,
            accuracy=manifest.report.heldout.accuracy if manifest else None,
        )

    def _manifest(self, round_id: int) -> Manifest | None:
        """The manifest behind a version, which was there before the version and never changes."""
        if round_id not in self._manifests:
            self._manifests[round_id] = self._services.rounds.manifest(round_id)
        return self._manifests[round_id]


def round_words(view: RoundView, champion: str) -> RoundWords:
    """A round as the board shows it; a running one has numbers, an ended one has words."""
    progress, counts = view.progress, view.round.counts
    return RoundWords(
        id=view.round.id,
        state=view.round.state.value,
        algorithm=_algorithm(view.round),
        running=not view.round.state.ended,
        cancellable=view.round.state is RoundState.TRAINING,
        train=counts.get("train", 0),
        heldout=counts.get("heldout", 0),
        phase=progress.phase if progress else "starting",
        step=progress.step if progress else 0,
        steps=progress.steps if progress else 0,
        seconds_left=progress.seconds_left if progress else None,
        curves=_curves(view.metrics),
        outcome=_outcome(view, champion),
        report=report_words(view.manifest) if view.manifest else None,
    )


def _preview_words(services: Services) -> PreviewWords:
    outline, outlook = services.triggers.outline(), services.triggers.outlook()
    return PreviewWords(
        train=outline.train,
        heldout=outline.heldout,
        both_bad=outline.both_bad,
        flip_rate=outline.flip_rate,
        excluded=dict(outline.excluded),
        sha256=outline.sha256,
        waits=Note(words="A round is about to start.")
        if isinstance(outlook, Due)
        else Note(words=outlook.words, values=dict(outlook.values)),
        waiting=services.store.requests.waiting() is not None,
        trouble=services.triggers.loop.last_error,
    )


def _algorithm(entry: Round) -> str:
    """What a round trains by, for people; its record may be of an older prefloop."""
    training = entry.config.get("training")
    name = training.get("algorithm") if isinstance(training, dict) else None
    return Algorithm(name).label if name in list(Algorithm) else ""


def _curves(metrics: list[dict[str, float]]) -> dict[str, Curve]:
    """What to draw of the metrics, which differ by algorithm."""
    measured = {name: [row for row in metrics if name in row] for name in _CURVES}
    shown = [name for name, rows in measured.items() if rows][:_CHARTS]
    return {name: _curve(name, measured[name]) for name in shown}


def _curve(name: str, rows: list[dict[str, float]]) -> Curve:
    """One column, thinned out; the last step is always there."""
    stride = max(1, -(-len(rows) // _POINTS))
    rows = rows[::-stride][::-1]
    return Curve(steps=[row["step"] for row in rows], values=[row[name] for row in rows])


def _outcome(view: RoundView, champion: str) -> list[Note]:
    values: dict[str, str | int] = {"round": view.round.id, "reason": view.round.reason or ""}
    match view.round.state:
        case RoundState.PROMOTED:
            said = Note(words="Round {round} is done, and its version has taken over.", values=values)
        case RoundState.WAITING if view.round.reason:
            words = "Round {round} is done, and its version waits to be decided on: {reason}"
            said = Note(words=words, values=values)
        case RoundState.WAITING:
            said = Note(words="Round {round} is done, and its version waits to be decided on.", values=values)
        case RoundState.REFUSED:
            said = Note(words="Round {round} is done, and its version is refused: {reason}", values=values)
        case RoundState.CANCELLED:
            said = Note(words="Round {round} was cancelled.", values=values)
        case RoundState.FAILED if not view.round.reason:
            said = Note(words="Round {round} failed; no reason was given.", values=values)
        case RoundState.FAILED:
            said = Note(words="Round {round} failed: {reason}.", values=values)
        case _:
            return []
    trained = view.round.state in (RoundState.PROMOTED, RoundState.WAITING, RoundState.REFUSED)
    stays = Note(words="{version} goes on serving.", values={"version": champion})
    return [said, *(_verdict(view.manifest) if trained else [stays])]


def _verdict(manifest: Manifest | None) -> list[Note]:
    if manifest is None:
        return []
    heldout = manifest.report.heldout
    if heldout.accuracy is None:
        return [Note(words="No held-out pair was there to measure it.")]
    agreed: dict[str, str | int] = {"share": f"{100 * heldout.accuracy:.0f}", "pairs": heldout.pairs}
    return [
        Note(words="It prefers the answer that people preferred in {share} % of {pairs} held-out pairs.", values=agreed)
    ]
