"""Runs as a list, one line for each run and test set: for a terminal, as Markdown, as JSON, as CSV."""

from collections.abc import Sequence

import pandas

from experiments.report.comparison import Entry, arrange_runs
from experiments.report.tables import format_table, label_metric

_SIZES = (
    *("embedding_parameters", "parameter_ratio", "embedding_bytes", "byte_ratio"),
    *("shipped_bytes", "model_bytes"),
)
# What a list for people shows besides scores: heading and format; first the words.
_SHOWN = {
    **{"name": ("run", "{}"), "method": ("method", "{}"), "variant": ("variant", "{}"), "test": ("test", "{}")},
    **{"state": ("state", "{}"), "seed": ("seed", "{}"), "updates": ("updates", "{:,.0f}")},
    **{"embedding_parameters": ("parameters", "{:,}"), "parameter_ratio": ("ratio", "{:.2f}x")},
    **{"embedding_bytes": ("bytes (fp16 + index)", "{:,}"), "byte_ratio": ("ratio in bytes", "{:.2f}x")},
    **{"shipped_bytes": ("shipped (8 bits)", "{:,}")},
}
_WORDS = ("run", "method", "variant", "test", "state")


def make_frame(entries: Sequence[Entry]) -> pandas.DataFrame:
    """All numbers of runs as they are, by run and test set; one line without scores for a run that has none."""
    rows = []
    for folder, record in entries:
        known = {name: record.config.get(name) for name in ("method", "variant", "ratio", "seed")}
        known |= {name: getattr(record, name) for name in ("state", "updates", *_SIZES, "dev_perplexity")}
        for test, scores in record.metrics.items() or [("", {})]:
            rows.append({"name": record.name, "test": test, **known, **scores, "folder": str(folder)})
    return pandas.DataFrame(rows, dtype=object)


def list_metrics(frame: pandas.DataFrame) -> list[str]:
    """The columns of scores and of the dev set's perplexity."""
    names = [name for name in frame if any(isinstance(value, float) and value == value for value in frame[name])]
    others = (*_SHOWN, *_SIZES, "ratio")
    return [name for name in names if name not in others and not name.endswith(("_low", "_high"))]


def average_seeds(entries: Sequence[Entry]) -> pandas.DataFrame:
    """Runs that differ in the seed alone together: means, with the lowest and the highest of each score."""
    runs = arrange_runs(entries)
    runs = runs.assign(folder=runs.folder.map(str))
    # In the order of ``runs``, where the seeds of a setting are sorted.
    frame = runs[["folder", "setting"]].merge(make_frame(entries), on="folder")
    groups = frame.groupby(["setting", "test"], sort=False)
    rows = groups.first()
    rows["seed"] = groups.seed.agg(lambda seeds: ", ".join(map(str, seeds.dropna())))
    for name in ("updates", *list_metrics(frame)):
        values = frame[name].astype(float).groupby([frame.setting, frame.test], sort=False)
        rows[name] = values.mean()
        if name not in ("updates", "dev_perplexity"):
            rows[f"{name}_low"], rows[f"{name}_high"] = values.min(), values.max()
    return rows.reset_index().drop(columns="setting").astype(object)


def format_frame(frame: pandas.DataFrame, style: str) -> str:
    """A table for people, in a style of tabulate."""
    columns = {
        heading: ["" if pandas.isna(value) else form.format(value) for value in frame[name]]
        for name, (heading, form) in _SHOWN.items()
        if frame[name].notna().any() and not (name == "state" and (frame[name] == "scored").all())
    }
    for metric in list_metrics(frame):
        if metric != "tokenised_bleu":
            columns[label_metric(metric)] = [_format_score(row, metric) for row in frame.to_dict("records")]
    words = sum(heading in columns for heading in _WORDS)
    return format_table([*columns], zip(*columns.values(), strict=True), words, style)


def _format_score(row: dict[str, float], metric: str) -> str:
    """A score, with its range over seeds where there is one."""
    if pandas.isna(row[metric]):
        return ""
    low, high = row.get(f"{metric}_low", 0.0), row.get(f"{metric}_high", 0.0)
    return f"{row[metric]:.1f}" + (f" ({low:.1f}-{high:.1f})" if low < high else "")
