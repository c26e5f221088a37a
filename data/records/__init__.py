"""The nouns of the loop as frozen records, one module per noun; import them from here.

All times are milliseconds since the Unix epoch.
"""

from data.records.completions import Completion, FinishReason, NewCompletion, Sampling, Thought
from data.records.files import BadRow, Export, Import, ImportFile, ImportKind, ImportState, NewExport
from data.records.judgments import NO_REMARKS, Choice, Expectable, Flag, Judgment, Remarks, Verdict
from data.records.pairs import Lease, Pair, Purpose
from data.records.people import Annotator, Guideline, Quarantine, Role
from data.records.prompts import Message, Prompt, Split
from data.records.rounds import Outline, Preference, Round, RoundRequest, RoundState, Snapshot, Without
from data.records.versions import AdapterVersion, BaseModel, Decision, Ruling, ServingAction, ServingEvent

__all__ = [
    "NO_REMARKS",
    "AdapterVersion",
    "Annotator",
    "BadRow",
    "BaseModel",
    "Choice",
    "Completion",
    "Decision",
    "Expectable",
    "Export",
    "FinishReason",
    "Flag",
    "Guideline",
    "Import",
    "ImportFile",
    "ImportKind",
    "ImportState",
    "Judgment",
    "Lease",
    "Message",
    "NewCompletion",
    "NewExport",
    "Outline",
    "Pair",
    "Preference",
    "Prompt",
    "Purpose",
    "Quarantine",
    "Remarks",
    "Role",
    "Round",
    "RoundRequest",
    "RoundState",
    "Ruling",
    "Sampling",
    "ServingAction",
    "ServingEvent",
    "Snapshot",
    "Split",
    "Thought",
    "Verdict",
    "Without",
]
