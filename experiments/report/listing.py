"""Runs as a list, a row for each run and test set: for a terminal, as Markdown, as JSON, as CSV."""

from collections.abc import Sequence

import pandas

from experiments.report.comparison import Entry, group_settings
from experiments.report.tables import label_metric, list_provenance

_SIZES = ("embedding_parameters", "parameter_ratio", "embedding_bytes", "byte_ratio", "model_bytes")
# What a list for people shows besides scores: heading and format.
_SHOWN = {
    **{"name": ("run", "{}"), "method": ("method", "{}"), "variant": ("variant", "{}"), "seed": ("seed", "{}")},
    **{"test": ("test", "{}"), "state": ("state", "{}"), "updates": ("updates", "{:,.0f}")},
    **{"embedding_parameters": ("parameters", "{:,}"), "parameter_ratio": ("ratio", "{:.2f}x")},
    **{"embedding_bytes": ("bytes (fp16 + index)", "{:,}"), "byte_ratio": ("ratio in bytes", "{:.2f}x")},
}


def make_frame(entries: Sequence[Entry]) -> pandas.DataFrame:
    """All numbers of runs as they are, a row for each run and test set; one without scores for a run that has none."""
    rows = []
    for folder, record in entries:
        known = {name: record.config.get(name) for name in ("method", "variant", "ratio", "seed")}
        known |= {name: getattr(record, name) for name in ("state", "updates", *_SIZES, "dev_perplexity")}
        for test, scores in record.metrics.items() or [("", {})]:
            rows.append({"name": record.name, "test": test, **known, **scores, "folder": str(folder)})
    return pandas.DataFrame(rows, dtype=object)


def average_seeds(entries: Sequence[Entry]) -> pandas.DataFrame:
    """One row for runs that differ in the seed alone: means, with the lowest and the highest of each score."""
    rows = []
    for setting in group_settings(entries):
        for test, scores in setting.record.metrics.items() or [("", {})]:
            runs = make_frame(setting.entries).query("test == @test")
            row = runs.iloc[0].to_dict() | {"seed": setting.seeds}
            row |= runs[["updates", "dev_perplexity"]].astype(float).mean().to_dict()
            for metric in scores:
                if spread := setting.spread(test, metric):
                    row |= {metric: spread.mean, f"{metric}_low": spread.low, f"{metric}_high": spread.high}
            rows.append(row)
    return pandas.DataFrame(rows, dtype=object)


def format_frame(frame: pandas.DataFrame, style: str) -> str:
    """A table for people, in a style of tabulate."""
    columns = {
        heading: ["" if pandas.isna(value) else form.format(value) for value in frame[name]]
        for name, (heading, form) in _SHOWN.items()
        if frame[name].notna().any() and not (name == "state" and (frame[name] == "scored").all())
    }
    for metric in (name for name in frame if any(isinstance(value, float) and value == value for value in frame[name])):
        if metric not in (*_SHOWN, *_SIZES, "ratio", "tokenised_bleu") and not metric.endswith(("_low", "_high")):
            columns[label_metric(metric)] = [_format_score(row, metric) for row in frame.to_dict("records")]
    align = ["left" if name in ("run", "method", "variant", "test") else "right" for name in columns]
    table = pandas.DataFrame(columns)
    return table.to_markdown(index=False, tablefmt=style, colalign=align, disable_numparse=True)


def print_markdown(entries: Sequence[Entry], frame: pandas.DataFrame) -> None:
    """Print Markdown, with what made the results."""
    print(format_frame(frame, "pipe") + "\n")
    for name, value in list_provenance(entries).frame.itertuples(index=False):
        print(f"- {name}: {value}")


def _format_score(row: dict[str, float], metric: str) -> str:
    """A score, with its range over seeds where there is one."""
    if pandas.isna(row[metric]):
        return ""
    low, high = row.get(f"{metric}_low", 0.0), row.get(f"{metric}_high", 0.0)
    return f"{row[metric]:.1f}" + (f" ({low:.1f}-{high:.1f})" if low < high else "")
