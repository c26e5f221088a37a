"""A home keeps the way its versions were asked in, and says so, until an admin changes it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.home import Home
from app.services import Services
from app.serving.engine import SamplingJob, complete
from app.settings.open_store import open_store
from app.settings.settings import load_settings
from app.startup import open_services
from app.versions.prompt_formats import settle_format
from app.versions.registry import adapter_views
from data.errors import AdapterError
from data.records import Message, Sampling, ServingAction
from data.store import PreferenceStore
from tests.models import save_adapter, save_random_model
from tests.trainer.plainly import alone
from trainer.evaluation.canary import verify
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.manifest import Canary
from trainer.interface.model_settings import AS_IT_COMES, ModelOptions
from trainer.model.base import Base, load_base
from trainer.prompting.prompt_format import PLAIN_STOPS

OLD_TEXT = "User: how do I boil an egg?\n\nAssistant:"  # what commit 2d8909d fed a base model, without <s>
ASKED: tuple[Message, ...] = ({"role": "user", "content": "how do I boil an egg?"},)


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a chat template, whose tokenizer puts <s> before a text."""
    path = save_random_model(tmp_path_factory.mktemp("base") / "model")
    (path / "chat_template.jinja").unlink()
    tokenizer = AutoTokenizer.from_pretrained(path)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $0", special_tokens=[("<s>", 1)])
    tokenizer.save_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path)
    with torch.no_grad():  # random weights hardly mind a token more or less; these do
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.dim() > 1 else 1)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def base(base_model: Path) -> Base:
    return load_base(str(base_model))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PreferenceStore]:
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        store.versions.ensure_base("m", "0")
        yield store


@torch.no_grad()
def old_canary(model: Path, adapter: Path) -> dict[str, object]:
    """A canary as commit 2d8909d wrote it, computed by transformers and PEFT alone."""
    ids = (70, 71, 80, 90, 75, 100, 2)
    tokenizer = AutoTokenizer.from_pretrained(model)
    prompt = tuple(tokenizer(OLD_TEXT, add_special_tokens=False)["input_ids"])
    plain = AutoModelForCausalLM.from_pretrained(model).eval()
    bare = alone(plain, prompt, ids)[0].tolist()
    moved = alone(PeftModel.from_pretrained(plain, str(adapter)).eval(), prompt, ids)[0].tolist()
    return {"prompt": list(ASKED), "token_ids": ids, "logprobs": moved, "base_logprobs": bare}


@pytest.fixture
def home_of_before(tmp_path: Path, base_model: Path, base: Base) -> Home:
    """A home that commit 2d8909d left: a base model and a champion, nothing recorded of how it was asked."""
    home = Home(tmp_path / "home")
    home.create()
    adapter = home.adapters / "round-000001"
    save_adapter(base_model, adapter, seed=1, strength=0.2)
    (adapter / "prefloop.json").write_text(json.dumps({"canary": old_canary(base_model, adapter)}))
    home.path.joinpath("prefloop.toml").write_text(f'model = "{base_model}"\n')
    with open_store(home, load_settings(home.path)) as store:
        store.versions.ensure_base(base.name, base.revision)
        store.versions.record_serving("base", ServingAction.INSTALL, actor_id=None, reason="first start")
        store.versions.add("round-000001", round_id=None, parent="base", sha256=directory_sha256(adapter))
        store.versions.record_serving("round-000001", ServingAction.PROMOTE, actor_id=None, reason="better")
    return home


async def asked(services: Services) -> str:
    """What the served model reads, as text."""
    return str(services.base.tokenizer.decode(list(services.base.encode(ASKED))))


async def test_a_home_of_before_starts_with_its_champion_and_goes_on_asking_as_it_did(home_of_before: Home) -> None:
    settings, said = load_settings(home_of_before.path), list[str]()
    with open_store(home_of_before, settings) as store:
        async with open_services(home_of_before, settings, store, say=said.append) as services:
            assert services.router.champion == "round-000001"
            assert await asked(services) == OLD_TEXT
            assert services.base.format.stop == ()
            assert [view.old_format for view in adapter_views(store)] == [False, False]
            sampling = Sampling(max_new_tokens=4)
            assert await complete(services.engine, SamplingJob(ASKED, "round-000001", (1,), sampling))
    [line] = said
    assert 'set template = "plain" under [model]' in line


async def test_a_home_of_before_is_asked_as_today_when_an_admin_says_so_and_its_version_is_marked(
    home_of_before: Home,
) -> None:
    file = home_of_before.path / "prefloop.toml"
    file.write_text(file.read_text().replace("model =", "[model]\ntemplate = 'plain'\nname ="))
    settings, said = load_settings(home_of_before.path), list[str]()
    with open_store(home_of_before, settings) as store:
        async with open_services(home_of_before, settings, store, say=said.append) as services:
            assert services.router.champion == "round-000001"  # proved as it was trained
            assert await asked(services) == f"<s>{OLD_TEXT}"
            assert [view.old_format for view in adapter_views(store)] == [False, True]
            assert services.rounds._planner.plan(None, champion="base").prompt_format == services.base.format
    assert said == []


async def test_the_canary_of_before_would_fail_as_the_model_is_asked_today(home_of_before: Home, base: Base) -> None:
    """So the start of that home proves something."""
    canary = json.loads((home_of_before.adapters / "round-000001" / "prefloop.json").read_text())["canary"]
    today = alone(base.model, base.encode(ASKED), tuple(canary["token_ids"]))[0].tolist()
    assert base.tokenizer.decode(list(base.encode(ASKED))) == f"<s>{OLD_TEXT}"
    with pytest.raises(AdapterError):
        verify(Canary.model_validate(canary), served=canary["logprobs"], served_base=today)


def settled(base: Base, store: PreferenceStore, options: ModelOptions = AS_IT_COMES) -> Base:
    return settle_format(base, options, store, lambda _: None)


def test_a_new_home_asks_as_today(base: Base, store: PreferenceStore) -> None:
    assert settled(base, store).format == base.format
    assert base.format.stop == PLAIN_STOPS
    assert store.prompt_formats.in_force() == base.format.sha256


def test_stop_strings_may_be_given_without_changing_the_template_of_before(
    base_model: Path, store: PreferenceStore
) -> None:
    store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
    options = ModelOptions(stop=("END",))
    format = settled(load_base(str(base_model), options=options), store, options).format
    assert format.stop == ("END",)
    assert format.template == load_base(str(base_model)).former.template


def test_what_an_admin_chose_stays_when_the_choice_is_no_longer_written_down(
    base: Base, store: PreferenceStore
) -> None:
    store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
    store.versions.add(
        "v2", round_id=None, parent="base", sha256="0" * 64, prompt_format=base.format.model_dump(mode="json")
    )
    assert settled(base, store).format == base.format
