"""Plots as SVG that takes its text's colour from the page around it, so that a dark page has light axes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.report.compare import Cell, Section
from experiments.report.seeds import Spread
from experiments.training_log import perplexities

if TYPE_CHECKING:
    from experiments.report.grid import Grid

# Stands for the colour of the page's text until the picture is written.
INK = "#010203"

# Okabe and Ito's colours, told apart by the colour-blind, without black (a dark page) and with yellow last.
COLOURS = ("#2b83c6", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d46", "#999999", "#b3a500")
# One fewer than colours, so that both together tell more apart than either.
MARKERS = "os^Dv<>P"
LINES = ("-", "--", "-.", ":")

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fairseq_see",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#808080",
    "grid.alpha": 0.25,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def size(section: Section, number: int) -> str:
    """BLEU over the bytes of the whole model."""
    with _axes("whole model, kB in half precision with the unit index", "BLEU") as (figure, axes):
        for label, colour, marker in _styles(section):
            points = [
                (cell.first.model_bytes / 1000, spread, cell)
                for cell in section.cells
                if cell.label == label and (spread := cell.spread())
            ]
            _draw(axes, [(x, y) for x, y, _ in points], label, colour, marker, joined=False)
            for x, y, cell in points:
                if cell.column:
                    axes.annotate(
                        f"{cell.column:g}x",
                        (x, y.mean),
                        (6, -3),
                        textcoords="offset points",
                        fontsize=7,
                    )
        axes.set_xscale("log")
        _round_ticks(axes.xaxis)
        _legend(axes)
        return _svg(figure, number, "BLEU of each cell over the bytes of its whole model")


def curves(section: Section, number: int) -> str | None:
    """Validation perplexity over updates, a line for each run; None without logs."""
    drawn = False
    with _axes("updates", "perplexity, validation set") as (figure, axes):
        columns = sorted({cell.column or 0 for cell in section.cells})
        for label, colour, marker in _styles(section):
            for cell in (cell for cell in section.cells if cell.label == label):
                line = LINES[columns.index(cell.column or 0) % len(LINES)]
                name: str | None = cell.name
                for result in cell.results:
                    if points := perplexities(Path(result.run)):
                        x, y = zip(*points, strict=True)
                        axes.plot(x, y, line, color=colour, marker=marker, label=name, linewidth=1.1, markersize=3)
                        name, drawn = None, True
        axes.set_yscale("log")
        _round_ticks(axes.yaxis)
        _legend(axes)
        return _svg(figure, number, "Validation perplexity over updates, a line for each run") if drawn else None


def knob(section: Section, name: str, lines: dict[str, list[Cell]], number: int) -> str:
    """BLEU over rank, order or m, a line for cells that differ in nothing else."""
    with _axes(name, "BLEU") as (figure, axes):
        for (label, cells), colour, marker in zip(lines.items(), cycle(COLOURS), cycle(MARKERS), strict=False):
            points = [
                (float(knob_value(cell, name) or 0), spread) for cell in cells if (spread := cell.spread()) is not None
            ]
            _draw(axes, sorted(points, key=lambda point: point[0]), label, colour, marker, joined=True)
        _legend(axes)
        return _svg(figure, number, f"BLEU over {name}")


def heat_map(grid: Grid, lowest: float, highest: float, number: int) -> str:
    """BLEU over rank and m at one order, parameters below it; or why a field is empty.

    Args:
        grid: the fields.
        lowest: BLEU of the darkest colour.
        highest: of the lightest.
        number: as of all pictures.
    """
    import numpy as np

    with _axes("m", "rank") as (figure, axes):
        axes.grid(False)
        axes.set_xticks(np.arange(len(grid.ms)) + 0.5, [f"{m:g}" for m in grid.ms])
        axes.set_yticks(np.arange(len(grid.ranks)) + 0.5, [f"{rank:g}" for rank in grid.ranks])
        means = np.full((len(grid.ranks), len(grid.ms)), np.nan)
        texts = []
        for y, rank in enumerate(grid.ranks):
            for x, m in enumerate(grid.ms):
                cell = grid.fields.get((rank, m))
                if isinstance(cell, Cell) and (spread := cell.spread()):
                    means[y, x] = spread.mean
                    texts.append((x, y, f"{spread}\n{cell.first.parameters:,}"))
                else:
                    texts.append((x, y, grid.reason(rank, m).replace(", ", "\n")))
        # Its colours are told apart by the colour-blind, and in black and white. It is drawn as paths, not as pixels.
        mesh = axes.pcolormesh(np.ma.masked_invalid(means), cmap="cividis", vmin=lowest, vmax=highest)
        for x, y, text in texts:
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=_legible(mesh, means[y, x]))
        return _svg(figure, number, f"BLEU over rank and m, order {grid.order:g}")


def _legible(mesh: Any, value: float) -> str:
    """Black or white on the colour of a value; the page's own ink where there is no value and no colour."""
    if value != value:
        return INK
    red, green, blue, _ = mesh.to_rgba(value)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"


def knob_value(cell: Cell, name: str) -> float | None:
    """A knob of a cell as one number: the mean of both sides; None where the method has none."""
    value = cell.first.knobs.get(name)
    if value is None:
        return None
    numbers = [float(number) for number in _numbers(value)]
    return sum(numbers) / len(numbers)


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _numbers(part)
    else:
        yield value


def _draw(axes: Any, points: list[tuple[float, Spread]], label: str, colour: str, marker: str, *, joined: bool) -> None:
    axes.errorbar(
        [x for x, _ in points],
        [spread.mean for _, spread in points],
        yerr=[spread.deviation or 0 for _, spread in points],
        fmt=marker,
        linestyle="-" if joined else "none",
        color=colour,
        label=label,
        markersize=5,
        elinewidth=0.9,
        capsize=2,
    )


def _styles(section: Section) -> Iterator[tuple[str, str, str]]:
    """Methods and their variants in the order of the tables, each with its colour and marker."""
    labels = dict.fromkeys(cell.label for cell in section.cells)
    yield from zip(labels, cycle(COLOURS), cycle(MARKERS), strict=False)


def _round_ticks(axis: Any) -> None:
    """Ticks of a logarithmic axis that may be shorter than a decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 2.5, 3, 4, 5, 7)))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: Any) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)


@contextmanager
def _axes(x: str, y: str) -> Iterator[tuple[Any, Any]]:
    """A figure in our style, and its axes."""
    # Here, not above: it takes a second to import.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.subplots()
        for patch in (figure.patch, axes.patch):
            patch.set_alpha(0)
        axes.set_axisbelow(True)
        axes.set(xlabel=x, ylabel=y)
        yield figure, axes


def _svg(figure: Any, number: int, description: str) -> str:
    """The picture as an element of a page; ``number`` keeps its ids apart from those of others."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>p{number}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{description}" ', 1)
