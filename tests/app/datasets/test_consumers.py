"""Exported files as their consumers see them: datasets loads them, TRL's own trainers take a step on them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Dataset, load_dataset, load_from_disk
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer
from trl.experimental.kto import KTOConfig, KTOTrainer

from app.datasets.export_order import ExportOrder
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import write
from data.containers.csv_cells import cell
from data.formats.registry import FORMATS
from data.store import PreferenceStore
from tests.app.rounds.test_runner import judge

pytestmark = pytest.mark.filterwarnings("ignore")  # what TRL and datasets warn about themselves is theirs

Exporter = Callable[..., Path]


@pytest.fixture
def exported(store: PreferenceStore, tmp_path: Path) -> Iterator[Exporter]:
    """Writes four judged pairs in a format."""
    judge(store, 4)

    def make(format_: str, name: str = "preferences.jsonl", container: str = "jsonl") -> Path:
        write(store, ExportOrder(format_, container), tmp_path / name, ExportTally())
        return tmp_path / name

    yield make


def loaded(kind: str, file: Path) -> Dataset:
    return load_dataset(kind, data_files=str(file), split="train", cache_dir=str(file.parent / "cache"))


def options(tmp_path: Path) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path / "out"),
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "report_to": [],
        "use_cpu": True,
    }


@pytest.mark.parametrize("format_", ["trl", "trl-text", "trl-implicit"])
def test_trl_s_dpo_trains_a_step(exported: Exporter, model: Path, tmp_path: Path, format_: str) -> None:
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=DPOConfig(**options(tmp_path)),
        train_dataset=loaded("json", exported(format_)),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()
    assert trainer.state.global_step == 1


@pytest.mark.parametrize("format_", ["trl-reward", "trl-implicit"])
def test_trl_s_reward_trainer_trains_a_step(exported: Exporter, model: Path, tmp_path: Path, format_: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    classifier = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
    classifier.config.pad_token_id = tokenizer.pad_token_id
    trainer = RewardTrainer(
        model=classifier,
        args=RewardConfig(**options(tmp_path)),
        train_dataset=loaded("json", exported(format_)),
        processing_class=tokenizer,
    )
    trainer.train()
    assert trainer.state.global_step == 1


@pytest.mark.parametrize("format_", ["trl-unpaired"])
def test_trl_s_kto_trains_a_step(exported: Exporter, model: Path, tmp_path: Path, format_: str) -> None:
    trainer = KTOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=KTOConfig(**options(tmp_path)),
        train_dataset=loaded("json", exported(format_)),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()
    assert trainer.state.global_step == 1


def without_gaps(value: object) -> object:
    """A value without what is null in it, which tables fill in."""
    if isinstance(value, dict):
        return {key: without_gaps(part) for key, part in value.items() if part is not None}
    return [without_gaps(part) for part in value] if isinstance(value, list) else value


def as_cells(row: dict[str, object], schema: pa.Schema) -> dict[str, object]:
    """A row as who knows nothing of our cells reads it from CSV: numbers, truth and text."""
    return {
        key: value if isinstance(value, bool | int | float) else cell(value)
        for key, value in row.items()
        if value is not None and (value != "" or schema.field(key).nullable)
    }


@pytest.mark.parametrize("format_", ["alpaca-ranking", "alpaca-kto"])
def test_who_reads_csv_finds_no_input_where_there_is_none(exported: Exporter, format_: str) -> None:
    for row in loaded("csv", exported(format_, "p.csv", "csv")):
        assert (row["input"], row["system"]) == (None, None)


@pytest.mark.parametrize("format_", [one.name for one in FORMATS])
@pytest.mark.parametrize(
    ("kind", "name", "container"),
    [
        ("json", "p.jsonl", "jsonl"),
        ("json", "p.jsonl.gz", "jsonl"),
        ("json", "p.json", "jsonl"),
        ("json", "p.json.gz", "jsonl"),
        ("csv", "p.csv", "csv"),
        ("csv", "p.csv.gz", "csv"),
        ("parquet", "p.parquet", "parquet"),
    ],
)
def test_datasets_loads_it(exported: Exporter, format_: str, kind: str, name: str, container: str) -> None:
    schema = next(one.columns for one in FORMATS if one.name == format_)
    dataset = loaded(kind, exported(format_, name, container))
    rows = [json.loads(line) for line in exported(format_, "written.jsonl").read_text().splitlines()]
    assert len(rows) in (4, 8)
    # JSON has the keys that some row has, a table all columns
    assert dataset.column_names == [key for key in schema.names if kind != "json" or any(key in row for row in rows)]
    expected = [as_cells(row, schema) if kind == "csv" else row for row in rows]
    assert without_gaps(list(dataset)) == without_gaps(expected)


def test_datasets_loads_a_directory(exported: Exporter) -> None:
    found = load_from_disk(str(exported("trl", "directory", "datasets")))
    assert found["train"].column_names == ["prompt", "chosen", "rejected"]
