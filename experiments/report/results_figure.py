"""Figures of the documentation: BLEU by bytes of the whole model, of the committed results.

python -m experiments.report.results_figure docs/trained.png docs/results/short-training.png

A file's name chooses what it shows. A point is a setting; its line reaches from the lowest to the highest of its seeds.
"""

import hashlib
import sys
from pathlib import Path

import pandas

from experiments.report.results import RESULTS, read_results
from fairseq_see.io import replace_file

# What a figure shows, by folder, method and variant in results.csv: label, colour, marker.
TRAINED = {
    ("trained-16-epochs", "dense", ""): ("dense", "#777777", "s"),
    ("trained-16-epochs", "int8", ""): ("dense, rounded to int8", "#777777", "*"),
    ("trained-16-epochs", "see", "8 bits"): ("SEE from scratch, 8 bits", "#1b6ca8", "o"),
    ("trained-16-epochs", "see", ""): ("SEE from scratch, 16 bits", "#86bbd8", "o"),
    ("distilled-16-epochs", "product_quantised", "240"): ("dense, product quantised at 20x, distilled", "#c1440e", "h"),
    ("short", "morphte", ""): ("MorphTE from scratch (13 epochs)", "#8c6d46", "v"),
}
SHORT = {
    ("short-small", "dense", ""): ("dense, d = 216", "#777777", "s"),
    ("short-small-0.002", "dense", "d108"): ("dense, d = 108, at twice the rate, its better one", "#777777", "D"),
    ("short-small", "see", ""): ("SEE with its defaults", "#1b6ca8", "o"),
    ("short-small-no-layernorm", "see_paper", ""): ("SEE, no LayerNorm", "#86bbd8", "o"),
    ("short-small", "see_paper", ""): ("SEE of the paper: no LayerNorm, no frequent-unit share", "#0b3954", "d"),
    ("short-small", "tensor_train", ""): ("tensor train", "#2e8b57", "^"),
    ("short-small", "morphte", ""): ("MorphTE", "#c1440e", "v"),
    ("short-small", "see", "no-senses"): ("MorphTE with a frequent-unit share", "#e9a178", "v"),
    ("short-small", "word2ketxs", ""): ("Word2KetXS", "#8c6d46", "P"),
    ("short-small", "matrix", ""): ("matrix", "#b3a500", "X"),
    ("short-small", "int8", ""): ("dense, rounded to int8", "#777777", "*"),
    ("short-small", "product_quantised", ""): ("dense, product quantised", "#777777", "h"),
    ("short-small", "dense", "bpe4000"): ("dense, 4,000 merges", "#777777", "<"),
}
# By a file's name: what it shows, the label of its axis, and where that begins.
FIGURES = {
    "trained.png": (TRAINED, "BLEU, trained to the end", 25),
    "short-training.png": (SHORT, "BLEU after 1,200 updates", 0),
}


def find_points(results: pandas.DataFrame, folder: str, method: str, variant: str) -> pandas.DataFrame:
    """Mean, lowest and highest BLEU of each ratio by megabytes of the whole model, smallest first."""
    rows = results[(results.folder == folder) & (results.method == method) & (results.variant == variant)]
    sizes = rows.model_bytes.astype(int) / 1e6
    return rows["short.bleu"].astype(float).groupby(sizes).agg(["mean", "min", "max"])


def draw(output: Path) -> None:
    """Draw the figure of a file's name, as a PNG whose description is a checksum of what it shows."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    series, ylabel, lowest = FIGURES[output.name]
    results = read_results(RESULTS)
    drawn = [find_points(results, *each) for each in series]
    for points, (label, colour, marker) in zip(drawn, series.values(), strict=True):
        mean, beyond = points["mean"], [points["mean"] - points["min"], points["max"] - points["mean"]]
        axes.errorbar(points.index, mean, yerr=beyond, fmt=marker + "-", color=colour, label=label, lw=1.2, capsize=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([5, 6, 7, 8, 10, 15, 20]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="whole model, MB in half precision", ylabel=ylabel, ylim=(lowest, None))
    axes.grid(alpha=0.3)
    figure.legend(fontsize=9, loc="outside lower center", ncols=2)
    digest = hashlib.sha256("".join(points.round(4).to_csv() for points in drawn).encode()).hexdigest()[:16]
    with replace_file(output) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Description": digest})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(Path(name))
