"""Runs as a list, one line for each run and test set: for a terminal, as Markdown, as JSON, as CSV."""

import pandas

from experiments.report.comparison import SIZES, arrange_runs, format_column, list_scores
from experiments.report.tables import format_table, label_metric

# What a list for people shows besides scores: heading and format.
_WORDS = {name: (name, "{}") for name in ("method", "variant", "test", "state")}
_SHOWN = {
    **{"name": ("run", "{}"), **_WORDS, "seed": ("seed", "{}"), "updates": ("updates", "{:,.0f}")},
    **{"embedding_parameters": ("parameters", "{:,}"), "parameter_ratio": ("ratio", "{:.2f}x")},
    **{"embedding_bytes": ("bytes (fp16 + index)", "{:,}"), "byte_ratio": ("ratio in bytes", "{:.2f}x")},
    **{"shipped_bytes": ("shipped (8 bits)", "{:,}")},
}


def select_columns(runs: pandas.DataFrame) -> pandas.DataFrame:
    """What a list has of the columns of ``read_runs``, all scores included."""
    known = ["name", "test", "method", "variant", "ratio", "seed", "state", "updates", *SIZES, "dev_perplexity"]
    return runs[[*known, *runs.columns[runs.columns.get_loc("test") + 1 :], "folder"]].astype({"folder": str})


def average_seeds(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Runs that differ in the seed alone together: means, with the lowest and the highest of each score."""
    scores = list_scores(runs)
    frame = arrange_runs(runs)[["setting"]].join(select_columns(runs))
    frame = frame.astype(dict.fromkeys(["updates", "dev_perplexity", *scores], float))
    groups = frame.groupby(["setting", "test"], sort=False)
    rows = groups.first()
    rows["seed"] = groups.seed.agg(lambda seeds: ", ".join(map(str, seeds.dropna())))
    rows = rows.assign(**groups[["updates", "dev_perplexity", *scores]].mean())
    rows = rows.join([groups[scores].min().add_suffix("_low"), groups[scores].max().add_suffix("_high")])
    return rows.reset_index().drop(columns="setting").astype(object)


def format_frame(frame: pandas.DataFrame, scores: list[str], style: str) -> str:
    """A table for people of ``select_columns`` or ``average_seeds``, in a style of tabulate."""
    shown = [name for name in _SHOWN if frame[name].notna().any()]
    if (frame.state == "scored").all():
        shown.remove("state")
    columns = {_SHOWN[name][0]: format_column(frame[name], _SHOWN[name][1]) for name in shown}
    for metric in ("dev_perplexity", *scores):
        if metric != "tokenised_bleu" and frame[metric].notna().any():
            columns[label_metric(metric)] = [_format_score(row, metric) for row in frame.to_dict("records")]
    words = sum(name in ("name", *_WORDS) for name in shown)
    return format_table([*columns], zip(*columns.values(), strict=True), words, style)


def _format_score(row: dict[str, float], metric: str) -> str:
    """A score, with its range over seeds where there is one."""
    if pandas.isna(row[metric]):
        return ""
    low, high = row.get(f"{metric}_low", 0.0), row.get(f"{metric}_high", 0.0)
    return f"{row[metric]:.1f}" + (f" ({low:.1f}-{high:.1f})" if low < high else "")
