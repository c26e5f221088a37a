"""Export: write the selected pairs of the store to a file, with a manifest that describes it."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from app.datasets.anonymize import anonymised
from app.datasets.export_order import PARTS, ExportOrder, request_of
from app.datasets.export_tally import ExportTally
from app.datasets.manifest import manifest_path, manifest_text
from data.containers.container import Parts
from data.containers.csv_rows import CSV
from data.containers.registry import by_name as container_named
from data.errors import InputError
from data.exchange.export_rows import LeftOut
from data.formats.dataset_info import LOADED, dataset_info
from data.formats.provenance import PROVENANCE, provenance_cells
from data.formats.registry import by_name as format_named
from data.formats.row import FileRow
from data.records import Export, Guideline, NewExport, Split
from data.store import PreferenceStore
from data.support.atomic_files import replacing
from data.support.digests import file_sha256

_OTHER_SPLIT = frozenset({"other_split"})


def write(
    store: PreferenceStore, order: ExportOrder, out: Path, tally: ExportTally, *, made_by: int | None = None
) -> Export:
    """Write the file and its manifest, and record the export. tally: filled on the way; may be read meanwhile.

    Raises InputError as ExportOrder.check does, or if no row is left; OSError when it cannot be written.
    """
    order.check()
    order.check_name(out.name)
    container = container_named(order.container)
    container.write(out, columns_of(order), parts_of(store, order, tally, apart=not container.suffixes))
    made = new_export(store, order, file_sha256(out), tally)
    with replacing(manifest_path(out)) as fresh:
        info = file_info(order, out.name)
        text = manifest_text(made, guideline_of(store, made), out.name, info, store.versions.base_model())
        fresh.write_text(text, encoding="utf-8")
    return store.exports.record(made, made_by)


def file_info(order: ExportOrder, name: str) -> dict[str, object] | None:
    """Return the content of dataset_info.json for such a file; None where LLaMA-Factory cannot load it."""
    directory = not container_named(order.container).suffixes
    if directory or not name.endswith(LOADED) or json_columns(order.format, order.container):
        return None
    return dataset_info(order.format, name.partition(".")[0], name)


def json_columns(format_name: str, container_name: str) -> tuple[str, ...]:
    """Return the format's columns of lists or objects, if the container can only represent them as JSON texts.

    Readers other than prefloop would take them for plain text and train on it.
    """
    if container_name != CSV.name:
        return ()
    return tuple(column.name for column in format_named(format_name).columns if pa.types.is_nested(column.type))


def columns_of(order: ExportOrder) -> pa.Schema:
    """Return the columns of an order's rows."""
    columns = format_named(order.format).columns
    return pa.unify_schemas([columns, PROVENANCE]) if order.provenance else columns


def parts_of(store: PreferenceStore, order: ExportOrder, tally: ExportTally, *, apart: bool) -> Parts:
    """Return the rows of an order; apart: as separate parts train and test, else all in the order of the pairs.

    The last part raises InputError at its end if there was no row at all, so that no file is made.
    """
    if not apart:
        return {PARTS[Split.TRAIN]: _or_nothing(exported_rows(store, order, tally), tally)}
    splits = [order.query.split] if order.query.split else list(Split)
    # pairs of the other split are in the other part, so they do not count as left out
    unsaid = _OTHER_SPLIT if order.query.split is None else frozenset()
    parts = {}
    for split in splits:
        one = replace(order, query=replace(order.query, split=split))
        parts[PARTS[split]] = exported_rows(store, one, tally, unsaid)
    last = PARTS[splits[-1]]
    return parts | {last: _or_nothing(parts[last], tally)}


def _or_nothing(rows: Iterator[FileRow], tally: ExportTally) -> Iterator[FileRow]:
    yield from rows
    if not tally.pairs:
        reasons = (tally.left_out + tally.unheld).most_common()
        why = "; ".join(f"{reason} ({count})" for reason, count in reasons) or "nobody has judged a pair"
        raise InputError(f"nothing is left to write: {why}")


def new_export(store: PreferenceStore, order: ExportOrder, digest: str, tally: ExportTally) -> NewExport:
    """Return the record of an export whose file has this digest."""
    guideline = store.guidelines.newest()
    return NewExport(
        request=request_of(order),
        format=order.format,
        container=order.container,
        sha256=digest,
        counts=tally.counts(),
        guideline_id=None if guideline is None else guideline.id,
        software=f"prefloop {version('prefloop')}",
    )


def guideline_of(store: PreferenceStore, made: NewExport) -> Guideline | None:
    """Return the guidelines in effect at the export."""
    return None if made.guideline_id is None else store.guidelines.by_id(made.guideline_id)


def exported_rows(
    store: PreferenceStore,
    order: ExportOrder,
    tally: ExportTally,
    unsaid: Set[str] = frozenset(),
    *,
    among: Sequence[int] | None = None,
) -> Iterator[FileRow]:
    """Yield the rows of a file, counting them and what is left out, except for the reasons in `unsaid`.

    among: only these pairs. The order must have been checked.
    """
    format_ = format_named(order.format)
    for found in store.export_rows.judged_pairs(order.query, tell_language=format_.tells_language, among=among):
        if isinstance(found, LeftOut):
            if found.reason in unsaid:
                continue
            tally.add(found.judgments)
            tally.left_out[found.reason] += found.judgments
            continue
        tally.add(found.provenance.get("votes", 1))
        pair = anonymised(found, tally.numbering) if order.anonymous else found
        try:
            rows = format_.rows(pair)
        except InputError as error:
            tally.refuse(pair, str(error).removeprefix(f"{format_.name} cannot hold this pair: "))
            continue
        tally.describe(pair, len(rows), keeps_reasoning=format_.reasoning)
        beside = provenance_cells(pair) if order.provenance else {}
        yield from ({**row, **beside} for row in rows) if beside else rows
