"""The exported file as its consumers see it: datasets and TRL's own trainer take it as it is."""

from pathlib import Path

import pytest
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from data.formats import trl
from data.store import PreferenceStore
from tests.app.test_rounds import judge


@pytest.fixture
def exported(store: PreferenceStore, tmp_path: Path) -> Path:
    judge(store, 4)
    file = tmp_path / "preferences.jsonl"
    trl.write(file, store.rounds.preferences())
    return file


@pytest.mark.filterwarnings("ignore")  # what TRL and datasets warn about themselves is theirs
def test_trl_trains_a_step_on_it(exported: Path, model: Path, tmp_path: Path) -> None:
    dataset = load_dataset("json", data_files=str(exported), split="train", cache_dir=str(tmp_path / "cache"))
    arguments = DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True
    )
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=arguments,
        train_dataset=dataset,
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()

    assert set(dataset.column_names) == {"prompt", "chosen", "rejected"}
    assert trainer.state.global_step == 1
