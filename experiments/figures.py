"""Figures of the documentation: bars on its pages; BLEU by bytes of the whole model, of the committed results.

python -m experiments.figures docs/trained.png docs/results/short-training.png

figures.yaml has what each of these shows. A point is a setting; its line reaches from the lowest to the highest of its
seeds.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
import pandas
import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from experiments.report.plots import INK, STYLE, draw_lines, to_svg
from experiments.results import RESULTS, read_results
from fairseq_see.io import replace_file


@matplotlib.rc_context(fname=STYLE)
def plot_bars(title: str, columns: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Horizontal bars with lines from the lowest to the highest value; several columns are bars side by side.

    Args:
        title: of the axis.
        columns: by label of a column, values of one or several seeds by label of a row.
    """
    values = pandas.DataFrame(columns)
    height = 0.72 / len(columns)
    figure = Figure(figsize=(6.4, 0.6 + len(values) * (0.12 + 0.2 * len(columns))))
    axes: Any = figure.subplots(subplot_kw={"xlabel": title})
    for number, name in enumerate(columns):
        seeds = values[name].dropna()
        low, mean, high = (seeds.map(function) for function in (min, fmean, max))
        places = values.index.get_indexer(seeds.index) + (number - (len(columns) - 1) / 2) * height
        lines = {"xerr": [mean - low, high - mean], "ecolor": INK} if (low < high).any() else {}
        bars = axes.barh(places, mean, height * 0.9, color=f"C{number}", label=name, **lines)
        axes.bar_label(bars, fmt="%.1f", padding=4, fontsize=8)
    axes.set_yticks(range(len(values)), values.index.str.replace("`", ""))
    axes.grid(False, axis="y")
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.02)
    if len(columns) > 1:
        axes.legend()
    return f'<figure class="chart">{to_svg(figure, title)}</figure>'


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
