"""Figures of the documentation: BLEU by bytes of the whole model, of the committed results.

python -m experiments.report.results_figure docs/trained.png docs/results/short-training.png

figures.yaml has what each shows. A point is a setting; its line reaches from the lowest to the highest of its seeds.
"""

import hashlib
import sys
from pathlib import Path

import yaml

from experiments.report.results import RESULTS, read_results, select_rows
from fairseq_see.io import replace_file


def draw(output: Path) -> None:
    """Draw the figure of a file's name, as a PNG whose description is a checksum of what it shows."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    shown = yaml.safe_load(Path(__file__).with_name("figures.yaml").read_text(encoding="utf-8"))[output.name]
    results, digest = read_results(RESULTS), hashlib.sha256()
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    for *setting, label, colour, marker in shown["settings"]:
        rows = select_rows(results, dict(zip(("folder", "method", "variant"), setting, strict=True)))
        # Of each ratio, smallest first.
        sizes = rows.model_bytes.astype(int) / 1e6
        points = rows["short.bleu"].astype(float).groupby(sizes).agg(["mean", "min", "max"])
        digest.update(points.round(4).to_csv().encode())
        beyond = [points["mean"] - points["min"], points["max"] - points["mean"]]
        look = {"fmt": f"{marker}-", "color": colour, "label": label, "lw": 1.2, "capsize": 3}
        axes.errorbar(points.index, points["mean"], yerr=beyond, **look)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([5, 6, 7, 8, 10, 15, 20]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="whole model, MB in half precision", ylabel=shown["ylabel"], ylim=(shown["lowest"], None))
    axes.grid(alpha=0.3)
    figure.legend(fontsize=9, loc="outside lower center", ncols=2)
    metadata = {"Description": digest.hexdigest()[:16]}
    with replace_file(output) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata=metadata)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        draw(Path(name))
