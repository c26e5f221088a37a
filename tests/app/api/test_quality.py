from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.annotation.quality_cache import QualityCache
from data.quality.report import quality_report
from data.records import Choice, Flag, Remarks, Role, Verdict
from tests.app.admin_api import AdminApi, admin_api
from tests.app.planted import GOLD, HABITS, PAIRS, plant


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


async def test_a_store_without_judgments_has_an_empty_report(api: AdminApi) -> None:
    report = await api.get("/quality")
    assert (report["judgments"], report["shared"], report["annotators"], report["course"]) == (0, 0, [], [])
    assert report["agreement"] is report["alpha"] is report["left"] is None


async def test_planted_annotators_are_told_apart(api: AdminApi) -> None:
    plant(api.store)
    report = await api.get("/quality")
    found = {one["login"]: {finding["kind"] for finding in one["findings"]} for one in report["annotators"]}
    assert found.keys() == HABITS.keys()
    assert found["careful-ann"] == found["careful-ben"] == set()
    assert "one_side" in found["left-leo"]
    assert {"against_others", "misses_gold"} <= found["mirror-mia"]
    assert found["coin-cora"] & {"chance", "misses_gold"}


async def test_the_numbers_are_those_of_the_measures(api: AdminApi) -> None:
    plant(api.store)
    sent, known = await api.get("/quality"), quality_report(api.store.quality_votes.all())
    assert (sent["judgments"], sent["items"], sent["shared"]) == (len(HABITS) * PAIRS, PAIRS, PAIRS)
    assert (sent["agreement"], sent["fleiss"], sent["alpha"]) == pytest.approx(
        (known.agreement, known.fleiss, known.alpha)
    )
    for one, own in zip(sent["annotators"], known.annotators, strict=True):
        assert own.gold is not None and own.length is not None
        assert one["gold"] == pytest.approx(
            {"value": own.gold.value, "low": own.gold.low, "high": own.gold.high, "of": GOLD}
        )
        assert one["length"]["odds"] == pytest.approx(own.length.odds)
        assert sum(one["choices"].values()) == one["judgments"] == PAIRS
        assert sum(stretch["judgments"] for stretch in one["course"]) == PAIRS


async def test_pairs_that_wait_for_a_second_person_are_counted(api: AdminApi) -> None:
    plant(api.store, pairs=2, gold=0)
    before = (await api.get("/quality"))["waiting"]
    api.store.judgments.undo(api.store.people.by_login("careful-ann").id, duration_ms=1)
    assert (before, (await api.get("/quality"))["waiting"]) == (0, 1)


async def test_a_report_serves_until_somebody_judges(api: AdminApi) -> None:
    plant(api.store, pairs=4, gold=0)
    first = await api.services.quality_cache.quality(None)
    assert await api.services.quality_cache.quality(None) is first
    person = api.store.people.by_login("careful-ann")
    api.store.judgments.undo(person.id, duration_ms=1000)
    assert await api.services.quality_cache.quality(None) is not first


async def test_judgments_before_the_days_asked_for_are_left_out(api: AdminApi) -> None:
    plant(api.store, pairs=4, gold=0)
    day = 24 * 60 * 60 * 1000
    newest = max(ballot.created_at for ballot in api.store.quality_votes.all())
    later = QualityCache(api.store, lambda: newest + 3 * day)
    assert (await later.quality(7)).report.judgments == 4 * len(HABITS)
    assert (await later.quality(2)).report.judgments == 0


async def test_quarantine_leaves_judgments_out_and_lifting_lets_them_in(api: AdminApi) -> None:
    leo = plant(api.store, pairs=6, gold=0)["left-leo"]
    assert "quarantined" not in api.store.rounds.preview().excluded
    said = await api.post(f"/people/{leo.id}/quarantine", {"reason": "picks the left side"})
    assert (said["quarantine"]["reason"], said["rounds"]) == ("picks the left side", [])
    assert api.store.rounds.preview().excluded["quarantined"] == 6
    [shown] = [one for one in (await api.get("/quality"))["annotators"] if one["id"] == leo.id]
    assert shown["quarantine"] == said["quarantine"]
    await api.post(f"/people/{leo.id}/quarantine", {"reason": "again"}, status=409)
    await api.post(f"/people/{leo.id}/quarantine/lift", status=204)
    assert "quarantined" not in api.store.rounds.preview().excluded
    await api.post(f"/people/{leo.id}/quarantine/lift", status=409)


async def test_rounds_that_used_the_judgments_are_named(api: AdminApi) -> None:
    people = plant(api.store, pairs=40, gold=0)
    begun = api.store.rounds.create(config={}, started_by=None)
    snapshot = api.store.rounds.snapshot(begun.id)
    said = await api.post(f"/people/{people['coin-cora'].id}/quarantine", {"reason": "no better than a coin"})
    used = [number for preference in snapshot.train + snapshot.heldout for number in preference.judgment_ids]
    own = [one for one in api.store.quality_votes.all() if one.annotator_id == people["coin-cora"].id]
    assert said["rounds"] == [{"round": begun.id, "judgments": sum(one.judgment_id in used for one in own)}]


@pytest.mark.parametrize("act", ["quarantine", "quarantine/lift"])
async def test_nobody_unknown_is_quarantined(api: AdminApi, act: str) -> None:
    for person_id in (99, 2**63 - 1):
        await api.post(f"/people/{person_id}/{act}", {"reason": "x"}, status=404)
    await api.post(f"/people/{2**63}/{act}", {"reason": "x"}, status=422)


async def test_a_quarantine_needs_a_reason(api: AdminApi) -> None:
    person = api.store.people.add("ann", Role.ANNOTATOR)
    for reason in ("", "  "):
        await api.post(f"/people/{person.id}/quarantine", {"reason": reason}, status=422)


async def test_a_flagged_prompt_is_listed_and_retired(api: AdminApi) -> None:
    person = api.store.people.add("ann", Role.ANNOTATOR)
    plant(api.store, pairs=1, gold=0)
    [ballot, *_] = api.store.quality_votes.all()
    pair = api.store.pairs.by_id(ballot.item_id)
    api.store._database.write(lambda db: db.execute("update pair set target_judgments = 9"))
    lease = api.store.pairs.lease_pair(pair.id, person.id, duration_ms=1000)
    remarks = Remarks(flag=Flag.PERSONAL_DATA, comment="a name")
    api.store.judgments.record(person.id, lease.token, Verdict(Choice.SKIP, remarks=remarks), idempotency_key="k")
    [flag] = await api.get("/flags")
    assert (flag["flag"], flag["comment"], flag["pseudonym"]) == ("personal_data", "a name", person.pseudonym)
    assert (flag["prompt_id"], flag["retired"]) == (pair.prompt.id, False)
    await api.post(f"/prompts/{pair.prompt.id}/retire", status=204)
    assert [one["retired"] for one in await api.get("/flags")] == [True]
    await api.post("/prompts/9999/retire", status=404)


async def test_acts_are_kept_with_who_did_them_and_without_passwords(api: AdminApi) -> None:
    person = api.store.people.add("ann", Role.ANNOTATOR)
    await api.post(f"/people/{person.id}/quarantine", {"reason": "r" * 500})
    await api.post(f"/people/{person.id}/password", {"password": "correct horse"}, status=204)
    await api.post(f"/people/{person.id}/quarantine", {"reason": "again"}, status=409)
    assert await api.acts() == [
        ("password", {"person_id": str(person.id)}),
        ("quarantine", {"person_id": str(person.id), "reason": "r" * 200}),
    ]
    admins = [one.pseudonym for one in api.store.people.all() if one.role is Role.ADMIN]
    assert [act["by"] for act in await api.get("/audit")] == admins * 2
    assert "correct horse" not in str(await api.get("/audit"))


async def test_activity_counts_what_everybody_judged(api: AdminApi) -> None:
    people = plant(api.store, pairs=3, gold=0)
    activity = {one["annotator_id"]: one for one in await api.get("/people/activity")}
    assert all(activity[person.id]["judgments"] == 3 for person in people.values())


@pytest.mark.parametrize(
    "path", ["/quality", "/flags", "/gold", "/gold/candidates", "/guidelines", "/audit", "/people/activity"]
)
async def test_annotators_see_none_of_it(tmp_path: Path, path: str) -> None:
    async with admin_api(tmp_path, Role.ANNOTATOR) as api:
        assert (await api.browser.get(f"/api/v1{path}")).status_code == 403
