"""The dataset card of a published export: its contents, annotators, agreement, sources and guidelines."""

from collections import Counter
from collections.abc import Iterable

from huggingface_hub import DatasetCardData

from app.datasets.export_tally import ExportTally
from app.datasets.hub_licenses import card_license
from data.records import BaseModel, Guideline, NewExport

_NOBODY = "Who judged is not told."


def dataset_card(
    title: str, made: NewExport, tally: ExportTally, guideline: Guideline | None, model: BaseModel | None = None
) -> str:
    """Return the README.md of a dataset with the splits data/train.parquet and data/test.parquet.

    model: the base model whose answers were sampled here.
    """
    text = [*_text(title, made, tally, guideline), *_model_text(model)]
    return f"---\n{_metadata(title, tally)}\n---\n\n" + "\n\n".join(text) + "\n"


def _metadata(title: str, tally: ExportTally) -> str:
    license_ = card_license(tally.licenses)
    splits = [{"split": part, "path": f"data/{part}.parquet"} for part in sorted(tally.pairs, reverse=True)]
    card = DatasetCardData(
        license=license_.id,
        license_name=license_.name,
        pretty_name=title,
        tags=["preference", "dpo", "human-feedback", "prefloop"],
        configs=[{"config_name": "default", "data_files": splits}],
    )
    return card.to_yaml()


def _text(title: str, made: NewExport, tally: ExportTally, guideline: Guideline | None) -> Iterable[str]:
    yield f"# {title}"
    yield (
        f"Preferences of people between two answers, in the format `{made.format}`. Made by {made.software}; what was "
        "asked for, and what was left out, stands in `manifest.json`."
    )
    yield _table(
        "split | pairs | judgments | rows",
        [f"{part} | {n} | {tally.written[part]} | {tally.rows[part]}" for part, n in sorted(tally.pairs.items())],
    )
    if dropped := tally.reasoned["dropped"]:
        yield f"{dropped} answers had reasoning, which this format does not hold: they stand here without it."
    yield "## Annotators"
    if made.request.get("anonymous"):
        yield _NOBODY
    else:
        yield f"{len(tally.annotators)}, by pseudonym:"
        yield _table("annotator | pairs", _counted(tally.annotators))
    yield "## Agreement"
    yield _agreement(tally)
    yield "## Prompts"
    yield _table("source | pairs", _counted(tally.sources))
    yield _table("licence of the prompts | pairs", _counted(tally.licenses))
    if guideline is not None:
        yield f"## Guideline, version {guideline.version}"
        yield guideline.body


def _model_text(model: BaseModel | None) -> Iterable[str]:
    if model is None:
        return
    license_ = model.license or "none was found beside it: see where it came from"
    yield "## Model"
    yield f"Answers that were not imported are of `{model.title}` and adapters of it. Its licence: {license_}."


def _agreement(tally: ExportTally) -> str:
    if not tally.compared:
        return "Every pair was judged by one person."
    mean = tally.agreement / tally.compared
    return (
        f"{tally.compared} pairs were judged by several people; the outcome has on average {mean:.0%} of their votes. "
        "An even split is a tie, also where nobody said so."
    )


def _table(head: str, rows: Iterable[str]) -> str:
    columns = head.count("|") + 1
    return "\n".join((f"| {head} |", "|" + "---|" * columns, *(f"| {row} |" for row in rows)))


def _counted(counts: Counter[str]) -> list[str]:
    return [f"{_cell(name)} | {count}" for name, count in counts.most_common()]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
