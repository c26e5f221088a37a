"""Reasoning in exports: in the formats that hold it, and said where they do not."""

from pathlib import Path
from typing import Any

import pytest
import trl
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl import apply_chat_template

from app.datasets.export_order import ExportOrder
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import exported_rows
from data.exchange.export_query import ExportQuery
from data.exchange.imports import Chunk
from data.formats.registry import FORMATS
from data.records import Choice, ImportFile, ImportKind
from data.records.judged_pair import JudgedPair, Provenance, Sampled
from data.store import PreferenceStore
from tests.models import save_random_model

HOLD = {"prefloop", "trl", "trl-implicit", "trl-reward", "trl-unpaired", "openrlhf"}


@pytest.fixture
def store(tmp_path: Path) -> PreferenceStore:
    """One judged pair, whose better answer was reasoned."""
    store = PreferenceStore.open(tmp_path / "prefloop.db")
    begun = store.imports.begin(ImportFile(ImportKind.PREFERENCES, "f", "0" * 64, "jsonl", "prefloop", "f"))
    said = Provenance(b=Sampled(reasoning="Rayleigh.", reasoning_tokens=3))
    pair = JudgedPair(({"role": "user", "content": "Which colour?"},), "Green.", "Blue.", Choice.B, provenance=said)
    assert not store.imports.add_pairs(begun, [(1, pair)], Chunk(1, 1))
    return store


def exported(store: PreferenceStore, name: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    tally = ExportTally()
    rows = [dict(row) for row in exported_rows(store, ExportOrder(name, query=ExportQuery()), tally)]
    return rows, tally.counts()


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
def test_a_format_holds_the_reasoning_or_says_that_it_does_not(store: PreferenceStore, name: str) -> None:
    rows, counts = exported(store, name)
    held = "Rayleigh." in str(rows)
    assert held == (name in HOLD)
    said = {key: count for key, count in counts.items() if key.startswith("reasoning")}
    if counts.get("pairs_train", 0) + counts.get("pairs_test", 0):
        assert said == ({"reasoning_kept": 1} if held else {"reasoning_dropped": 1})


def test_an_answer_without_reasoning_is_a_turn_as_ever(store: PreferenceStore) -> None:
    [row], _ = exported(store, "trl")
    assert row["chosen"] == [{"role": "assistant", "content": "Blue.", "reasoning_content": "Rayleigh."}]
    assert row["rejected"] == [{"role": "assistant", "content": "Green."}]


def test_trl_renders_it_as_the_model_writes_it(store: PreferenceStore, tmp_path: Path) -> None:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(save_random_model(tmp_path / "model"))
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja"
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    [row], _ = exported(store, "trl")
    assert apply_chat_template(row, tokenizer)["chosen"] == "<think>\nRayleigh.\n</think>\n\nBlue.<|im_end|>\n"
