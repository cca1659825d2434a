"""Figures of the documentation: BLEU by bytes of the whole model, of the committed results.

python -m experiments.figures docs/trained.png docs/results/short-training.png

figures.yaml has what each shows. A point is a setting; its line reaches from the lowest to the highest of its seeds.
"""

import hashlib
import sys
from pathlib import Path

import pandas
import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from experiments.report.plots import draw_lines
from experiments.results import RESULTS, read_results
from fairseq_see.io import replace_file


def draw(output: Path) -> None:
    """Draw the figure of a file's name, as a PNG whose description is a checksum of what it shows."""
    shown = yaml.safe_load(Path(__file__).with_name("figures.yaml").read_text(encoding="utf-8"))[output.name]
    results, digest = read_results(RESULTS), hashlib.sha256()
    lines = []
    for *setting, label, colour, marker in shown["settings"]:
        rows = results[(results[["folder", "method", "variant"]] == setting).all(axis=1)]
        # Of each ratio, smallest first.
        sizes = rows.model_bytes.astype(int) / 1e6
        points = rows["short.bleu"].astype(float).groupby(sizes).agg(["mean", "min", "max"])
        digest.update(points.round(4).to_csv().encode())
        points = points.rename(columns={"mean": "y", "min": "low", "max": "high"}).rename_axis("x").reset_index()
        lines.append(points.assign(label=label, colour=colour, marker=marker))
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    draw_lines(axes, pandas.concat(lines))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([5, 6, 7, 8, 10, 15, 20]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="whole model, MB in half precision", ylabel=shown["ylabel"], ylim=(shown["lowest"], None))
    axes.grid(alpha=0.3)
    figure.legend(fontsize=9, loc="outside lower center", ncols=2)
    with replace_file(output) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Description": digest.hexdigest()[:16]})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(Path(name))
