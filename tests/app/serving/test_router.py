import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from app.serving.adapter_store import AdapterStore
from app.serving.engine import SamplingJob, complete
from app.serving.inprocess import InProcessEngine
from app.serving.router import Router
from data.errors import AdapterError, NotFoundError, PrefloopError
from data.records import Message, NewCompletion, Sampling, ServingAction
from data.store import PreferenceStore
from tests.app.until import until
from tests.models import save_adapter

NewVersion = Callable[[str, int], Path]
PROMPT: tuple[Message, ...] = ({"role": "user", "content": "how do I boil an egg?"},)
SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=24)


async def promote(router: Router, name: str, action: ServingAction = ServingAction.PROMOTE) -> None:
    record = router._versions.record_serving
    await router.promote(name, lambda: record(name, action, actor_id=None, reason="a test"))


async def test_the_first_start_serves_the_base_and_says_so(router: Router, store: PreferenceStore) -> None:
    champion = store.versions.champion()

    assert router.champion == "base"
    assert champion is not None
    assert champion.name == "base"


async def test_a_promoted_version_serves_and_is_recorded_with_its_reason(
    router: Router, store: PreferenceStore, new_version: NewVersion
) -> None:
    new_version("round-1", 1)
    await promote(router, "round-1")

    async with router.lease() as version:
        assert version == "round-1"
    last = store.versions.serving_history()[-1]
    assert (last.version, last.action, last.reason) == ("round-1", ServingAction.PROMOTE, "a test")


async def test_a_lease_keeps_its_version_through_a_swap(
    router: Router, engine: InProcessEngine, new_version: NewVersion
) -> None:
    for seed in (1, 2):
        new_version(f"round-{seed}", seed)
    await promote(router, "round-1")
    async with router.lease() as version:
        await promote(router, "round-2")
        assert await complete(engine, SamplingJob(PROMPT, version, (1,), SAMPLING))

    with pytest.raises(AdapterError, match="not loaded"):  # drained, so unloaded
        await complete(engine, SamplingJob(PROMPT, "round-1", (1,), SAMPLING))


async def test_eight_swaps_under_six_clients_lose_and_mix_nothing(
    router: Router, engine: InProcessEngine, new_version: NewVersion
) -> None:
    names = [f"round-{i}" for i in range(1, 5)]
    for seed, name in enumerate(names):
        new_version(name, seed)
    answered: list[tuple[int, NewCompletion]] = []
    swapping = True

    async def client(number: int) -> None:
        seed = number * 10_000
        while swapping:
            seed += 1
            async with router.lease() as version:
                answered.extend(
                    (seed, c) for c in await complete(engine, SamplingJob(PROMPT, version, (seed,), SAMPLING))
                )

    async def swap_to(name: str) -> None:
        before = len(answered)
        await promote(router, name)
        await until(lambda: any(completion.version == name for _, completion in answered[before:]))

    clients = [asyncio.create_task(client(number)) for number in range(6)]
    for name in names * 2:
        await swap_to(name)
    swapping = False
    await asyncio.gather(*clients)

    assert {completion.version for _, completion in answered} >= set(names)
    for seed, completion in answered:
        async with router.lease(completion.version) as version:
            (alone,) = await complete(engine, SamplingJob(PROMPT, version, (seed,), SAMPLING))
        assert alone.token_ids == completion.token_ids


async def test_a_named_version_is_loaded_for_its_lease(
    router: Router, engine: InProcessEngine, new_version: NewVersion
) -> None:
    new_version("round-1", 1)

    async with router.lease("round-1") as version:
        assert (await complete(engine, SamplingJob(PROMPT, version, (1,), SAMPLING)))[0].version == "round-1"
    assert router.champion == "base"


async def test_an_unknown_version_is_refused(router: Router) -> None:
    with pytest.raises(NotFoundError, match="round-9"):
        await promote(router, "round-9")


async def test_changed_files_are_refused_and_the_champion_stays(router: Router, new_version: NewVersion) -> None:
    file = new_version("round-1", 1) / "adapter_model.safetensors"
    weights = load_file(file)
    save_file({name: value + 0.01 for name, value in weights.items()}, file)

    with pytest.raises(AdapterError, match="changed since it was trained"):
        await promote(router, "round-1")
    assert router.champion == "base"


async def test_an_adapter_that_answers_otherwise_than_it_was_trained_is_refused(
    router: Router, adapter_store: AdapterStore, new_version: NewVersion
) -> None:
    path = new_version("round-1", 1)
    card = json.loads((path / "prefloop.json").read_text())
    card["canary"]["logprobs"] = [logprob - 0.5 for logprob in card["canary"]["logprobs"]]
    (path / "prefloop.json").write_text(json.dumps(card))

    with pytest.raises(AdapterError, match="does not answer as the policy that was trained"):
        await promote(router, "round-1")
    assert router.champion == "base"


async def test_an_adapter_without_effect_is_refused(
    router: Router, store: PreferenceStore, adapter_store: AdapterStore, model: Path, tmp_path: Path
) -> None:
    manifest = save_adapter(model, tmp_path / "idle", seed=1, strength=0.0)
    store.versions.add("idle", round_id=None, parent="base", sha256=manifest.adapter_sha256)
    adapter_store.install("idle", tmp_path / "idle", manifest)

    with pytest.raises(AdapterError, match="exactly as the base"):
        await promote(router, "idle")


async def test_a_version_that_cannot_be_recorded_does_not_serve(
    router: Router, store: PreferenceStore, new_version: NewVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise PrefloopError("disk full")

    new_version("round-1", 1)
    monkeypatch.setattr(store.versions, "record_serving", disk_full)

    with pytest.raises(PrefloopError, match="disk full"):
        await promote(router, "round-1")
    assert router.champion == "base"


async def test_a_damaged_champion_stops_the_start_instead_of_serving_the_base(
    engine: InProcessEngine,
    router: Router,
    store: PreferenceStore,
    adapter_store: AdapterStore,
    new_version: NewVersion,
) -> None:
    path = new_version("round-1", 1)
    await promote(router, "round-1")
    (path / "adapter_model.safetensors").write_bytes(b"gone")

    with pytest.raises(AdapterError, match="round-1"):
        await Router(engine, adapter_store, store.versions).start()


async def test_rolling_back_is_a_promotion_of_an_older_version(router: Router, new_version: NewVersion) -> None:
    new_version("round-1", 1)
    await promote(router, "round-1")
    await promote(router, "base", ServingAction.ROLLBACK)

    async with router.lease() as version:
        assert version == "base"
