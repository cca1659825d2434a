"""The picture of docs/results.md: BLEU over the bytes of the whole model, of the records beside this file.

python docs/results/plot.py OUTPUT.png

A point is a setting, its line reaches from the lowest to the highest of its seeds.
"""

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from fairseq_see.files import replacing
from fairseq_see.report.seeds import Spread

HERE = Path(__file__).parent
# Folder of the records and pattern of their names, without the seed: label, colour, marker.
SERIES = {
    ("short-small", "dense"): ("dense, d = 216", "#777777", "s"),
    ("short-small-0.002", "dense-d108"): ("dense, d = 108, at twice the rate, its better one", "#777777", "D"),
    ("short-small", r"see-\d+x"): ("SEE, as trained by default", "#1b6ca8", "o"),
    ("short-small-no-layernorm", r"see_paper-\d+x"): ("SEE, no LayerNorm", "#86bbd8", "o"),
    ("short-small", r"see_paper-\d+x"): ("SEE, the paper's: neither LayerNorm nor head", "#0b3954", "d"),
    ("short-small", r"tensor_train-\d+x"): ("tensor train", "#2e8b57", "^"),
    ("short-small", r"morphte-\d+x"): ("MorphTE", "#c1440e", "v"),
    ("short-small", r"see-no-senses-\d+x"): ("MorphTE, with a head", "#e9a178", "v"),
}


def points(folder: str, names: str) -> list[tuple[float, Spread]]:
    """Megabytes and scores of each setting, smallest first; a setting's records differ in the end of their names."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((HERE / folder).glob("*.json")):
        setting = path.stem.rpartition("-seed")[0]
        if re.fullmatch(names, setting):
            found[setting].append(json.loads(path.read_text(encoding="utf-8")))
    return sorted(
        (
            (records[0]["model_bytes"] / 1e6, Spread.of([record["scores"]["short"]["bleu"] for record in records]))
            for records in found.values()
        ),
        key=lambda point: point[0],
    )


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for (folder, names), (label, colour, marker) in SERIES.items():
        sizes, scores = zip(*points(folder, names), strict=True)
        means = [score.mean for score in scores]
        beyond = [[score.mean - score.low for score in scores], [score.high - score.mean for score in scores]]
        axes.errorbar(sizes, means, yerr=beyond, fmt=marker + "-", color=colour, label=label, lw=1.2, capsize=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([5, 6, 7, 8, 10, 15, 20]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="the whole model, MB in half precision", ylabel="BLEU, 1,200 updates", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    with replacing(output) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


if __name__ == "__main__":
    main()
