"""The preference store: one object per kind of record, over one database file."""

from pathlib import Path

from data import integrity
from data.activity.audit import Audit
from data.activity.daily import Daily
from data.activity.own_stats import OwnStats
from data.activity.people import Activities
from data.activity.webhook_outbox import Outbox
from data.annotation.answer_lengths import AnswerLengths
from data.annotation.flags import Flags
from data.annotation.gold import Gold
from data.annotation.guidelines import Guidelines
from data.annotation.judgments import Judgments
from data.annotation.pairs import Pairs
from data.annotation.quality_votes import QualityVotes
from data.barring.barring import Barring
from data.barring.quarantines import Quarantines
from data.barring.reading_speed import SKIMMING
from data.db.database import Database
from data.exchange.export_rows import ExportRows
from data.exchange.exports import Exports
from data.exchange.imports import Imports
from data.people.devices import Devices
from data.people.invites import Invites
from data.people.people import People
from data.people.sessions import Sessions
from data.prompts.catalogue import Catalogue
from data.prompts.prompts import Prompts
from data.rounds.rounds import Rounds
from data.rounds.waiting import RoundRequests
from data.support.clock import Clock, now_ms
from data.versions.comparisons import Comparisons
from data.versions.decisions import Decisions
from data.versions.lineage import Lineage
from data.versions.prompt_formats import PromptFormats
from data.versions.versions import Versions

HELDOUT_SHARE = 0.15


class PreferenceStore:
    """All data of a home, by kind of record. Safe to use from any thread of one process.

    The process must own the home (see lock.HomeLock): a second one writing could lose commits.
    """

    def __init__(self, database: Database, clock: Clock, *, heldout_share: float, barring: Barring) -> None:
        self._database = database
        self.people = People(database, clock)
        self.sessions = Sessions(database, clock)
        self.devices = Devices(database, clock)
        self.invites = Invites(database, clock)
        self.catalogue = Catalogue(database)
        self.prompts = Prompts(database, clock, heldout_share=heldout_share)
        self.imports = Imports(database, clock, heldout_share=heldout_share)
        self.versions = Versions(database, clock)
        self.prompt_formats = PromptFormats(database, clock)
        self.decisions = Decisions(database, clock)
        self.pairs = Pairs(database, clock, self.prompts)
        self.judgments = Judgments(database, clock, self.pairs, barring)
        self.gold = Gold(database, clock, self.prompts, self.pairs)
        self.guidelines = Guidelines(database, clock)
        self.quarantines = Quarantines(database, clock)
        self.quality_votes = QualityVotes(database)
        self.exports = Exports(database, clock)
        self.export_rows = ExportRows(database, self.quality_votes, barring)
        self.comparisons = Comparisons(database, barring)
        self.flags = Flags(database)
        self.activities = Activities(database)
        self.outbox = Outbox(database, clock)
        self.audit = Audit(database, clock)
        self.daily = Daily(database, clock)
        self.stats = OwnStats(database, clock)
        self.lengths = AnswerLengths(database)
        self.lineage = Lineage(database, self.versions)
        self.rounds = Rounds(database, clock, self.pairs, barring)
        self.requests = RoundRequests(database, clock)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock = now_ms,
        heldout_share: float = HELDOUT_SHARE,
        too_fast: float = SKIMMING,
    ) -> "PreferenceStore":
        """Open the database file at `path`, or create it.

        heldout_share: the share of prompts added from now on, 0 to 1, whose judgments never train. too_fast: as in
        Barring. Raises HomeError if the file cannot be used.
        """
        return cls(Database(path), clock, heldout_share=heldout_share, barring=Barring(too_fast))

    def backup(self, path: Path) -> None:
        """Copy the database to a new file while work goes on. Raises ConflictError if it exists, HomeError."""
        self._database.backup(path)

    def check(self) -> list[str]:
        """Return the problems in the stored data, a line each; empty when all is well. Takes seconds."""
        return integrity.problems(self._database)

    def close(self) -> None:
        """Finish queued writes and close the file. Idempotent."""
        self._database.close()

    def __enter__(self) -> "PreferenceStore":
        """Use with `with`, which ends in close()."""
        return self

    def __exit__(self, *_: object) -> None:
        """Call close()."""
        self.close()
