from collections.abc import Iterator
from pathlib import Path

import pytest

from app.datasets.export_order import ExportOrder
from app.datasets.export_preview import preview
from data.exchange.export_query import ExportQuery
from data.store import PreferenceStore
from tests.app.planted import plant


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[PreferenceStore]:
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        store.versions.ensure_base("canned", "0")
        store.prompts.add([[{"role": "user", "content": f"question {n}"}] for n in range(30)], source="test")
        plant(store, pairs=12, gold=3)
        yield store


@pytest.mark.parametrize("format_", ["trl", "trl-unpaired", "prefloop"])
def test_a_large_store_has_the_counts_that_reading_all_of_it_gives(
    planted: PreferenceStore, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    order = ExportOrder(format_)
    whole = preview(planted, order)
    monkeypatch.setattr("app.datasets.export_preview.ALL_READ", 0)
    some = preview(planted, order)
    assert {name: count for name, count in whole.counts.items() if count} == some.counts
    assert some.rows == whole.rows
    assert (whole.tried, some.tried) == (None, whole.counts["pairs_train"] + whole.counts.get("pairs_test", 0))


def test_of_a_large_store_only_so_many_pairs_are_read(
    planted: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = preview(planted, ExportOrder())
    monkeypatch.setattr("app.datasets.export_preview.ALL_READ", 0)
    monkeypatch.setattr("app.datasets.export_preview.TRIED", 4)
    some = preview(planted, ExportOrder())
    assert some.tried == 4
    assert some.counts == {name: count for name, count in whole.counts.items() if count}


def test_where_languages_are_asked_for_all_is_read(planted: PreferenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    order = ExportOrder(query=ExportQuery(languages=("en",)))
    monkeypatch.setattr("app.datasets.export_preview.ALL_READ", 0)
    assert preview(planted, order).tried is None
