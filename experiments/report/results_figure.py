"""The picture of docs/results.md: BLEU over the bytes of the whole model, of the records beside this file.

python docs/results/plot.py OUTPUT.png

A point is a setting, its line reaches from the lowest to the highest of its seeds.
"""

import argparse
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from experiments.report.seeds import Spread
from fairseq_see.io import replacing

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
    ("short-small", r"word2ketxs-\d+x"): ("Word2KetXS", "#8c6d46", "P"),
    ("short-small", r"matrix-\d+x"): ("matrix", "#b3a500", "X"),
    ("short-small", r"int8"): ("dense, rounded to int8", "#777777", "*"),
    ("short-small", r"product_quantised-\d+x"): ("dense, product quantiser", "#777777", "h"),
    ("short-small", r"dense-bpe4000"): ("dense, 4,000 merges", "#777777", "<"),
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


def digest(drawn: dict[tuple[str, str], list[tuple[float, Spread]]]) -> str:
    """Of what is drawn."""
    return hashlib.sha256(repr(sorted(drawn.items())).encode()).hexdigest()[:16]


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
    drawn = {series: points(*series) for series in SERIES}
    for series, (label, colour, marker) in SERIES.items():
        sizes, scores = zip(*drawn[series], strict=True)
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
        # tests/experiments/test_results.py tells by it whether the picture is of the records that are there.
        figure.savefig(temporary, format="png", dpi=110, metadata={"Description": digest(drawn)})


if __name__ == "__main__":
    main()
