"""`prefloop train`: a preference file in, an adapter out, no server."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from peft import LoraConfig, PeftModel
from rich.console import Console
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from typer.testing import CliRunner

from app.cli.main import app
from app.rounds.algorithms import Algorithm
from app.rounds.train_file import Task, read_options, read_settings, train
from data.errors import ConflictError, InputError, RoundError
from tests.models import SPECIAL, TEMPLATE, save_random_model
from tests.trainer.templates import TEMPLATES
from trainer.interface.model_settings import ModelOptions
from trainer.interface.round_dir import RoundDir

REAL = Path(__file__).parents[3].parent / "shared" / "data"
QUICK = {"rank": 4, "alpha": 8, "epochs": 2, "batch_size": 4, "learning_rate": 1e-2}


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Training takes over SIGTERM and SIGINT; give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with random weights does not end its answers by itself."""
    monkeypatch.setattr("trainer.model.base._LONGEST_ANSWER", 24)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"question {i}?", "chosen": f"yes yes {i}", "rejected": f"no {i}"} for i in range(20)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def task(pairs: Path, model: Path, out: Path, **settings: object) -> Task:
    return Task(pairs, str(model), out, QUICK | settings, seed=0, heldout_share=0.2)


def quiet() -> Console:
    return Console(record=True, width=160, file=None, quiet=False, force_terminal=False)


def test_the_adapter_is_one_that_peft_loads(pairs: Path, model: Path, tmp_path: Path) -> None:
    train(task(pairs, model, tmp_path / "out"), quiet())
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), str(tmp_path / "out" / "adapter"))
    config = loaded.peft_config["default"]
    assert isinstance(config, LoraConfig)
    assert config.r == 4


def test_held_out_prompts_do_not_train(pairs: Path, model: Path, tmp_path: Path) -> None:
    report = train(task(pairs, model, tmp_path / "out"), quiet()).report
    assert report.train.pairs + report.heldout.pairs == 20
    assert 0 < report.heldout.pairs < 10


def test_what_was_read_and_what_came_of_it_is_said(pairs: Path, model: Path, tmp_path: Path) -> None:
    with pairs.open("a") as file:
        file.write('{"prompt": "why?", "chosen": "same", "rejected": "same"}\n')
    console = quiet()
    train(task(pairs, model, tmp_path / "out"), console)
    said = console.export_text()
    assert "trl, 20 pairs, 0 ratings" in said
    assert "left out, line 21" in said
    assert "held-out pairs won" in said
    assert "prompts cut from the left" in said


@pytest.fixture(scope="module")
def strict_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with Gemma's template: no system turn, and user and assistant in turn."""
    path = save_random_model(tmp_path_factory.mktemp("strict") / "model")
    template = TEMPLATES["gemma"].read_text(encoding="utf-8")
    (path / "chat_template.jinja").write_text(template, encoding="utf-8")
    return path


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("wrong", [[SYSTEM, {"role": "user", "content": "?"}], [{"role": "user", "content": "?"}] * 2])
def test_rows_that_the_chat_template_refuses_are_left_out_named_and_counted(
    pairs: Path, strict_model: Path, tmp_path: Path, wrong: list[dict[str, str]]
) -> None:
    answers = [{"role": "assistant", "content": text} for text in ("yes", "no")]
    with pairs.open("a") as file:
        file.write(json.dumps({"prompt": wrong, "chosen": answers[:1], "rejected": answers[1:]}) + "\n")
    console = quiet()
    report = train(replace(task(pairs, strict_model, tmp_path / "out"), heldout_share=0.0), console).report
    assert (report.train.pairs, report.refused, report.dropped) == (20, 1, 0)
    said = " ".join(console.export_text().split())
    assert "examples dropped, refused by the chat template │ 1" in said
    assert "pair 21 is left out" in said


def test_a_file_of_which_the_chat_template_takes_nothing_is_said_so(strict_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    row = {"prompt": [SYSTEM, {"role": "user", "content": "?"}]} | {
        side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")
    }
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(RoundError, match=r"nothing to train on .*pair 1 is left out: .*System role not supported"):
        train(replace(task(file, strict_model, tmp_path / "out"), heldout_share=0.0), quiet())


def test_the_same_again_takes_up_what_is_there(pairs: Path, model: Path, tmp_path: Path) -> None:
    first = train(task(pairs, model, tmp_path / "out"), quiet())
    assert train(task(pairs, model, tmp_path / "out"), quiet()) == first


def test_another_round_in_the_same_directory_is_refused(pairs: Path, model: Path, tmp_path: Path) -> None:
    train(task(pairs, model, tmp_path / "out"), quiet())
    with pytest.raises(ConflictError, match="another --out"):
        train(task(pairs, model, tmp_path / "out", epochs=3), quiet())
    assert RoundDir(tmp_path / "out").manifest()


def test_several_processes_are_refused_before_the_model_is_loaded(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RoundError, match="training on several GPUs is not supported yet"):
        train(task(pairs, tmp_path / "no model", tmp_path / "out"), quiet())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"beta": -1}, "training.beta"),
        ({"lr": 1}, "unknown key training.lr"),
        ({"algorithm": "magic"}, "choose one of"),
    ],
)
def test_a_bad_setting_is_named_before_anything_is_written(
    pairs: Path, model: Path, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        train(task(pairs, model, tmp_path / "out", **settings), quiet())
    assert not (tmp_path / "out").exists()


def test_settings_come_from_toml_with_or_without_the_heading(tmp_path: Path) -> None:
    bare, headed = tmp_path / "bare.toml", tmp_path / "headed.toml"
    bare.write_text("rank = 4\n")
    headed.write_text("[training]\nrank = 4\n")
    assert read_settings(bare, None) == read_settings(headed, None) == {"rank": 4}
    assert read_settings(bare, Algorithm.IPO) == {"rank": 4, "algorithm": "ipo"}


@pytest.mark.parametrize("heading", ["", "[training]\n"])
def test_how_the_model_is_asked_comes_from_its_section_of_the_toml(tmp_path: Path, heading: str) -> None:
    file = tmp_path / "both.toml"
    file.write_text(heading + 'rank = 4\n[model]\nname = "another"\nsystem = "Be brief."\n')
    assert read_settings(file, None) == {"rank": 4}
    assert read_options(file) == ModelOptions(system="Be brief.")


def test_an_unknown_key_of_the_models_section_is_named(tmp_path: Path) -> None:
    file = tmp_path / "training.toml"
    file.write_text("[model]\nsystm = 1\n")
    with pytest.raises(InputError, match=r"training\.toml: model\.systm"):
        read_options(file)


def test_how_the_model_is_asked_is_frozen_with_the_round(pairs: Path, model: Path, tmp_path: Path) -> None:
    options = ModelOptions(stop=("END",))
    train(replace(task(pairs, model, tmp_path / "out"), options=options), quiet())
    assert RoundDir(tmp_path / "out").config().model_options == options


def test_the_command_trains_by_the_algorithm_it_is_given(pairs: Path, model: Path, tmp_path: Path) -> None:
    config = tmp_path / "training.toml"
    config.write_text("".join(f"{key} = {value}\n" for key, value in QUICK.items()))
    arguments = ["train", "--pairs", pairs, "--model", model, "--out", tmp_path / "out", "--config", config]
    result = CliRunner().invoke(app, [*map(str, arguments), "--algorithm", "simpo"], catch_exceptions=False)
    assert result.exit_code == 0
    manifest = RoundDir(tmp_path / "out").manifest()
    assert manifest is not None
    assert manifest.report.algorithm == "simpo"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model that can read long English: 1,024 tokens of a vocabulary learnt from the file."""
    file = REAL / "dpo_en_demo.json"
    if not file.exists():
        pytest.skip("../shared/data/dpo_en_demo.json is not on this machine")
    path = tmp_path_factory.mktemp("reader")
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=2000, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([file.read_text()[:500_000]], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE
    )
    fast.save_pretrained(path)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(fast),
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.mark.slow
def test_297_real_pairs_train_and_the_report_names_what_was_cut(reader: Path, tmp_path: Path) -> None:
    settings = {"epochs": 1, "batch_size": 8, "learning_rate": 3e-3, "rank": 8}
    real = Task(REAL / "dpo_en_demo.json", str(reader), tmp_path / "out", settings, seed=0, heldout_share=0.1)
    report = train(real, quiet()).report
    assert report.train.pairs + report.heldout.pairs + report.dropped == 297
    assert report.prompts_cut > 0
    steps = RoundDir(tmp_path / "out").metrics()
    early, late = steps[:8], steps[-8:]
    assert mean(late, "loss") < mean(early, "loss")
    assert mean(late, "margin") > mean(early, "margin")


@pytest.mark.slow
def test_298_real_ratings_train_by_kto(reader: Path, tmp_path: Path) -> None:
    settings = {"algorithm": "kto", "epochs": 4, "batch_size": 8, "learning_rate": 3e-3, "rank": 8}
    real = Task(REAL / "kto_en_demo.json", str(reader), tmp_path / "out", settings, seed=0, heldout_share=0.0)
    report = train(real, quiet()).report
    assert report.rated + report.dropped == 298
    steps = RoundDir(tmp_path / "out").metrics()
    epoch = len(steps) // 4
    assert epoch == -(-report.rated // 8)
    assert mean(steps[-epoch:], "loss") < mean(steps[:epoch], "loss")
    assert mean(steps[-epoch:], "margin") > mean(steps[:epoch], "margin")


def mean(steps: list[dict[str, float]], column: str) -> float:
    return sum(step[column] for step in steps) / len(steps)
