"""``python -m experiments curves``: how trainings went, as a picture."""

import argparse
from pathlib import Path

from experiments.run_record import read, read_curve
from fairseq_see.errors import SeeError
from fairseq_see.io import decode_name, replace_file

HELP = "draw the perplexity of runs on the dev set over their updates"

FORMATS = ("png", "svg", "pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    text = "folders of runs, or the JSON logs of running ones"
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=text)
    text = f"picture: .{', .'.join(FORMATS)}"
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, required=True, help=text)


def run(args: argparse.Namespace) -> None:
    """Read the curves and draw them."""
    form = args.output.suffix.removeprefix(".")
    if form not in FORMATS:
        raise SeeError(f"{args.output}: the name must end in .{', .'.join(FORMATS)}")
    curves = {path: read_curve(path) if path.is_file() else read(path).curve for path in args.runs}
    for path, points in curves.items():
        if not points:
            raise SeeError(f"no validation in {path}; fairseq logs one after each epoch")

    # Here, not above: it takes a second to import, and every command's module is imported to build the parser.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    lines = [
        axes.plot(*zip(*points, strict=True), linewidth=1.6, marker="o", markersize=3)[0] for points in curves.values()
    ]
    axes.set(xlabel="updates", ylabel="perplexity on the dev set", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(which="both", linewidth=0.4, alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    # Not as labels of the lines, of which matplotlib leaves out those that begin with _.
    legend = axes.legend(lines, map(decode_name, curves), frameon=False)
    for text in legend.get_texts():
        # A $ in a name begins no formula.
        text.set_parse_math(False)
    with replace_file(args.output) as temporary:
        figure.savefig(temporary, format=form, dpi=150)
