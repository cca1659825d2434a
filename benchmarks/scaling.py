"""How the cost of SEE grows with the vocabulary, the dimension, the ratio and the batch: a table and a picture.

python benchmarks/scaling.py [--rounds N] [--plot FILE.png] [--json FILE]

One of the four changes at a time, the others stay V = 40,000, d = 512, 20x and 4,096 tokens of the batch. With V the
ratio changes too, so that the vectors of a unit, and with them all parameters, stay the same.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from indexes import make_realistic_index
from layers import draw_tokens
from matplotlib.figure import Figure
from measure import finish, make_parser, measure, print_table

from fairseq_see.embeddings import build
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.io import replace_file

USUAL = {"V": 40_000, "d": 512, "ratio": 20, "tokens": 4096}
VALUES = {
    "V": (10_000, 20_000, 40_000, 80_000, 200_000, 800_000),
    "d": (256, 512, 1024, 2048),
    "ratio": (10, 20, 40, 80),
    "tokens": (256, 1024, 4096, 16_384),
}
# Copying is what no method that builds a matrix can do without.
LABELS = {"lookup": "lookup", "matrix": "whole matrix", "copy": "copying V x d parameters"}


def measure_see(setting: dict[str, Any], rounds: int, device: str) -> dict[str, float]:
    """Seconds of a lookup and of a whole matrix, forward and backward, and the memory of the latter beside V x d."""
    torch.manual_seed(1)
    index = make_realistic_index(setting["V"])
    embedding = build("see", setting["V"], setting["d"], 1, ratio=setting["ratio"], index=index).to(device)
    tokens = draw_tokens(setting["V"], setting["tokens"]).to(device)
    slope = torch.randn(setting["V"], setting["d"], device=device)
    actions = {
        "lookup": lambda: embedding(tokens).backward(slope[: len(tokens)]),
        "matrix": lambda: embedding.table().backward(slope),
        "copy": lambda: slope.clone().sum(),
    }
    results = measure(actions, rounds, device)
    # The matrix itself has to be, and so has its gradient, here the slope.
    memory = results["matrix"]["memory"] - slope.nbytes
    return {name: of["seconds"] for name, of in results.items()} | {"memory": memory, "m": embedding.config.vectors}


def draw(results: dict[str, dict[int, dict[str, float]]], path: Path) -> None:
    """Time against each of the four, on logarithmic axes."""
    figure = Figure(figsize=(14, 3.4), layout="constrained")
    axes = figure.subplots(1, len(results), sharey=True)
    for axis, (name, points) in zip(axes, results.items(), strict=True):
        times = pd.DataFrame(points).T[list(LABELS)].rename(columns=LABELS) * 1e3
        times.plot(ax=axis, marker="o", loglog=True, xlabel=name, grid=True, legend=axis is axes[0])
        axis.set_xticks(list(points), [f"{value:,}" for value in points], rotation=30)
        axis.minorticks_off()
    axes[0].set_ylabel("milliseconds, forward and backward")
    with replace_file(path) as new:
        figure.savefig(new, format="png", dpi=110)


def main() -> None:
    parser = make_parser(__doc__, words=False)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture of the table, as PNG")
    args = parser.parse_args()
    results: dict[str, dict[int, dict[str, float]]] = {name: {} for name in VALUES}
    rows: list[dict[str, Any]] = []
    for name, value in [(name, value) for name, values in VALUES.items() for value in values]:
        ratio = USUAL["ratio"] * value / USUAL["V"] if name == "V" else USUAL["ratio"]
        try:
            point = measure_see({**USUAL, "ratio": ratio, name: value}, args.rounds, args.device)
        except InfeasibleRatio as error:
            print(f"left out, {name} = {value}: {error}")
            continue
        results[name][value] = point
        rows.append({"": f"{name} = {value:,}", "m": point["m"]})
        rows[-1] |= {f"{label} ms": point[action] * 1e3 for action, label in LABELS.items()}
        rows[-1]["whole matrix: MB beside V x d"] = point["memory"] / 1e6
        print(rows[-1], file=sys.stderr, flush=True)
    print_table(rows, "", ".2f", *3 * [".1f"], ".0f")
    if args.plot:
        draw(results, args.plot)
    finish({"results": results}, args.json)


if __name__ == "__main__":
    main()
