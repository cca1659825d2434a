"""How the cost of SEE grows with the vocabulary, the dimension, the ratio and the batch: a table and a picture.

python benchmarks/scaling.py [--rounds N] [--plot FILE.png] [--json FILE]

One of the four changes at a time, the others stay V = 40,000, d = 512, 20x and 4,096 tokens of the batch. With V the
ratio changes too, so that the vectors of a unit, and with them all parameters, stay the same.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from indexes import like_real
from layers import tokens_of
from measure import extra_memory, finish, in_turn, markdown, options
from torch import Tensor

from fairseq_see.embeddings import Embedding, build
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.io import replacing

USUAL = {"V": 40_000, "d": 512, "ratio": 20, "tokens": 4096}
VALUES = {
    "V": (10_000, 20_000, 40_000, 80_000, 200_000, 800_000),
    "d": (256, 512, 1024, 2048),
    "ratio": (10, 20, 40, 80),
    "tokens": (256, 1024, 4096, 16_384),
}


def lookup(embedding: Embedding, tokens: Tensor, slope: Tensor) -> None:
    embedding(tokens).backward(slope)


def table(embedding: Embedding, slope: Tensor) -> None:
    embedding.table().backward(slope)


def copied(slope: Tensor) -> None:
    """Write V x d numbers and read them: what no method that builds a table can do without."""
    slope.clone().sum()


def measured(setting: dict[str, Any], rounds: int) -> dict[str, float]:
    """Seconds of a lookup and of a whole table, forward and backward, and the memory of the latter."""
    torch.manual_seed(1)
    shape = setting["V"], setting["d"], 1
    embedding = build("see", *shape, ratio=setting["ratio"], index=like_real(setting["V"]))
    tokens = tokens_of(setting["V"]).repeat(4)[: setting["tokens"]]
    if setting["tokens"] > 4096:
        tokens = torch.cat([tokens_of(setting["V"], seed) for seed in range(setting["tokens"] // 4096)])
    slope = torch.randn(setting["V"], setting["d"])
    actions = {
        "lookup": partial(lookup, embedding, tokens, torch.randn(len(tokens), setting["d"])),
        "table": partial(table, embedding, slope),
        "copied": partial(copied, slope),
    }
    seconds = in_turn(actions, rounds)
    # The table itself has to be, and so has its gradient, here the slope.
    return {**seconds, "memory": extra_memory(actions["table"]) - slope.nbytes, "m": embedding.config.vectors}


def draw(results: dict[str, dict[int, dict[str, float]]], path: Path) -> None:
    """Time against each of the four, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(14, 3.4), sharey=True, layout="constrained")
    for axis, (name, points) in zip(axes, results.items(), strict=True):
        for action, label in (("table", "whole table"), ("lookup", "lookup"), ("copied", "copying V x d numbers")):
            axis.plot(points.keys(), [point[action] * 1e3 for point in points.values()], marker="o", label=label)
        axis.set(xscale="log", yscale="log", xlabel=name)
        axis.set_xticks(list(points), [f"{value:,}" for value in points], rotation=30)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("milliseconds, forward and backward")
    axes[0].legend()
    with replacing(path) as new:
        figure.savefig(new, format="png", dpi=110)


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture of the table, as PNG")
    arguments = parser.parse_args()
    results: dict[str, dict[int, dict[str, float]]] = {}
    rows: list[list[Any]] = []
    for name, values in VALUES.items():
        results[name] = {}
        for value in values:
            try:
                ratio = USUAL["ratio"] * value / USUAL["V"] if name == "V" else USUAL["ratio"]
                point = measured({**USUAL, "ratio": ratio, name: value}, arguments.rounds)
            except InfeasibleRatio as error:
                print(f"left out, {name} = {value}: {error}")
                continue
            results[name][value] = point
            times = [f"{point[action] * 1e3:.1f}" for action in ("lookup", "table", "copied")]
            rows.append([f"{name} = {value:,}", f"{point['m']:.2f}", *times, f"{point['memory'] / 1e6:.0f}"])
            print(*rows[-1], flush=True)
    columns = ["", "m", "lookup ms", "whole table ms", "copying V x d ms", "table: MB beside V x d"]
    print("\n" + markdown(columns, rows))
    if arguments.plot:
        draw(results, arguments.plot)
    finish({"results": results}, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
