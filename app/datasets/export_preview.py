"""Preview an export without a file. In a large store every judgment is counted, but not every text is read.

Whether a format can represent a pair shows only when its rows are written and read again, which takes minutes for
hundreds of thousands of pairs. So an evenly spaced sample of them is tried, and the preview says how many.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from app.datasets.export_order import PARTS, ExportOrder
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import exported_rows, json_columns
from data.formats.row import FileRow
from data.records import Split
from data.store import PreferenceStore

ALL_READ = 10_000
"""Number of judgments up to which every pair is read."""

TRIED = 1_000
"""Number of pairs that are tried if there are more."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would contain: counts as in ExportTally, its first rows, and its columns of JSON texts.

    tried: how many pairs were read, if not all. The counts of pairs the format cannot represent, of reasoning and of
    identical answers then refer to these, and the counts of rows are extrapolated.
    """

    counts: Mapping[str, int]
    rows: tuple[FileRow, ...]
    json_columns: tuple[str, ...]
    tried: int | None = None


def preview(store: PreferenceStore, order: ExportOrder, tally: ExportTally | None = None) -> Preview:
    """Preview an order without writing a file. tally: as in write. Raises InputError as ExportOrder.check does.

    Languages are detected from texts, so if the query selects some, all texts are read.
    """
    order.check()
    tally = tally or ExportTally()
    large = store.export_rows.count(order.query) > ALL_READ and not order.query.languages
    return _of_some(store, order, tally) if large else _of_all(store, order, tally)


def _of_all(store: PreferenceStore, order: ExportOrder, tally: ExportTally) -> Preview:
    rows = exported_rows(store, order, tally)
    shown = tuple(islice(rows, _SHOWN))
    for _ in rows:
        pass
    return Preview(tally.counts(), shown, json_columns(order.format, order.container))


def _of_some(store: PreferenceStore, order: ExportOrder, tally: ExportTally) -> Preview:
    outline = store.export_rows.outline(order.query)
    tally.add(outline.judgments)
    some = np.linspace(0, len(outline.taken) - 1, min(TRIED, len(outline.taken))).astype(np.int64)
    pair_ids: list[int] = outline.taken[some].tolist()
    tried = ExportTally()
    rows = exported_rows(store, order, tried, among=pair_ids)
    shown = tuple(islice(rows, _SHOWN))
    for _ in rows:
        pass
    tally.left_out.update(outline.left_out)
    tally.left_out.update({"not_different": tried.left_out["not_different"]})
    tally.unheld.update(tried.unheld)
    tally.reasoned.update(tried.reasoned)
    for split in Split:
        part = PARTS[split]
        tally.pairs[part] = outline.pairs[split]
        tally.written[part] = outline.written[split]
        tally.rows[part] = round(outline.written[split] * tried.rows.total() / max(1, tried.written.total()))
    counts = {name: count for name, count in tally.counts().items() if count}
    return Preview(counts, shown, json_columns(order.format, order.container), tried=len(pair_ids))
