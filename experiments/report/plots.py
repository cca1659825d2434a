"""Plots as SVG that takes its text's colour from the page around it, so that a dark page has light axes."""

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, product
from typing import Any

from experiments.report.comparison import KNOBS, Section, Setting, Spread
from experiments.report.tables import label_metric

# Stands for the colour of the page's text until the plot is written.
INK = "#010203"
# Okabe and Ito's colours, which colour-blind readers tell apart, without black (a dark page) and with yellow last.
COLOURS = ("#2b83c6", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d46", "#999999", "#b3a500")
MARKERS = "os^Dv<>P"
LINES = ("-", "--", "-.", ":")
STYLE: Any = {
    **{"svg.fonttype": "none", "svg.hashsalt": "fairseq_see", "font.family": "sans-serif", "font.size": 9},
    **{f"axes.{name}": INK for name in ("edgecolor", "labelcolor")},
    **{"text.color": INK, "xtick.color": INK, "ytick.color": INK, "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True},
    **{"grid.color": "#808080", "grid.alpha": 0.25},
}


def plot_sizes(section: Section) -> str:
    """The metric by the bytes of the whole model."""
    with _axes("whole model, MB in half precision, unit index included", label_metric(section.metric)) as (fig, axes):
        shown = section.main
        for label, colour, marker in _styles(shown):
            members = [setting for setting in shown if setting.label == label]
            scored = [
                (total / 1e6, section.score(each), each) for each in members if (total := each.record.model_bytes)
            ]
            points = [(size, score) for size, score, _ in scored if score]
            if points:
                _draw(axes, points, label, colour, marker, joined=len(points) > 1)
            for size, score, setting in scored:
                if score and setting.ratio and not setting.variant:
                    place = {"xytext": (4, -8), "textcoords": "offset points"}
                    axes.annotate(f"{setting.ratio:g}x", (size, score.mean), **place, fontsize=7, color=colour)
        _set_log_scale(axes, "x")
        return _to_svg(fig, axes, f"{label_metric(section.metric)} by the bytes of the whole model")


def plot_curves(section: Section) -> str | None:
    """Dev perplexity by updates, a line for each run; None without curves."""
    drawn = False
    columns = sorted({setting.ratio or 0 for setting in section.settings})
    with _axes("updates", "perplexity on the dev set") as (figure, axes):
        for label, colour, marker in _styles(section.settings):
            for setting in (setting for setting in section.settings if setting.label == label):
                line = LINES[columns.index(setting.ratio or 0) % len(LINES)]
                name: str | None = setting.name
                for entry in setting.entries:
                    if entry.record.curve:
                        x, y = zip(*entry.record.curve, strict=True)
                        axes.plot(x, y, line, color=colour, marker=marker, label=name, linewidth=1.1, markersize=3)
                        name, drawn = None, True
        _set_log_scale(axes, "y")
        return _to_svg(figure, axes, "Dev perplexity by updates") if drawn else None


def plot_knob(section: Section, knob: str, lines: Mapping[str, Sequence[Setting]]) -> str:
    """The metric by rank, order or vectors, a line for settings that differ in nothing else."""
    with _axes(knob, label_metric(section.metric)) as (figure, axes):
        for (label, settings), colour, marker in zip(lines.items(), cycle(COLOURS), cycle(MARKERS), strict=False):
            points = [(each.see_args[knob], section.score(each)) for each in settings]
            _draw(axes, sorted((x, score) for x, score in points if score), label, colour, marker, joined=True)
        return _to_svg(figure, axes, f"{label_metric(section.metric)} by {knob}")


def plot_grids(section: Section) -> Iterator[tuple[str, str]]:
    """A map of rank and vectors for each method and order of which they were combined: title and plot."""
    grids: dict[tuple[str, Any], dict[tuple[Any, Any], tuple[Spread, int]]] = {}
    for setting in section.settings:
        args, score = setting.see_args, section.score(setting)
        if score and all(isinstance(args.get(knob), int | float) for knob in KNOBS):
            field = score, setting.record.embedding_parameters or 0
            grids.setdefault((", ".join(filter(None, (setting.method, setting.variant))), args["order"]), {})[
                args["rank"], args["vectors"]
            ] = field
    # What varies one at a time is on the lines of Figure 5.
    joint = {key: fields for key, fields in grids.items() if _is_joint(fields)}
    means = [score.mean for fields in joint.values() for score, _ in fields.values()]
    for (label, order), fields in joint.items():
        title = f"{label_metric(section.metric)} and parameters by rank and vectors: {label}, order {order}"
        yield title, _plot_grid(fields, min(means), max(means), title)


def _is_joint(fields: Collection[tuple[Any, Any]]) -> bool:
    """Whether ranks and vectors were combined: more runs than a line of each has."""
    return len(fields) >= len({rank for rank, _ in fields}) + len({vectors for _, vectors in fields})


def _plot_grid(fields: Mapping[tuple[Any, Any], tuple[Spread, int]], lowest: float, highest: float, title: str) -> str:
    import numpy as np

    ranks, vectors = (sorted({pair[axis] for pair in fields}) for axis in (0, 1))
    with _axes("vectors of each unit", "rank") as (figure, axes):
        axes.grid(False)
        axes.set_xticks(np.arange(len(vectors)) + 0.5, [f"{value:g}" for value in vectors])
        axes.set_yticks(np.arange(len(ranks)) + 0.5, [f"{value:g}" for value in ranks])
        means = np.array([[fields[r, v][0].mean if (r, v) in fields else np.nan for v in vectors] for r in ranks])
        # Its colours are told apart by the colour-blind, and in black and white. It is drawn as paths, not as pixels.
        mesh = axes.pcolormesh(np.ma.masked_invalid(means), cmap="cividis", vmin=lowest, vmax=highest)
        for (y, rank), (x, vector) in product(enumerate(ranks), enumerate(vectors)):
            text, colour = "not run", INK
            if field := fields.get((rank, vector)):
                red, green, blue, _ = mesh.to_rgba(field[0].mean)
                text = f"{field[0]}\n{field[1]:,}"
                colour = "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=colour)
        return _to_svg(figure, None, title)


def _draw(
    axes: Any, points: Sequence[tuple[float, Spread]], label: str, colour: str, marker: str, joined: bool
) -> None:
    axes.errorbar(
        [x for x, _ in points],
        [spread.mean for _, spread in points],
        yerr=[spread.deviation or 0 for _, spread in points],
        fmt=marker,
        linestyle="-" if joined else "none",
        **{"color": colour, "label": label, "markersize": 5, "linewidth": 0.9, "elinewidth": 0.9, "capsize": 2},
    )


def _styles(settings: Iterable[Setting]) -> Iterator[tuple[str, str, str]]:
    """Labels in the order of the tables, with a colour for each method and a marker for each of its variants."""
    by_method: dict[str, dict[str, None]] = {}
    for setting in settings:
        by_method.setdefault(setting.method, {})[setting.label] = None
    for labels, colour in zip(by_method.values(), cycle(COLOURS), strict=False):
        for label, marker in zip(labels, cycle(MARKERS), strict=False):
            yield label, colour, marker


def _set_log_scale(axes: Any, name: str) -> None:
    """A logarithmic axis, with ticks although it may be shorter than a decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set(**{f"{name}scale": "log"})
    axis = getattr(axes, f"{name}axis")
    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter(NullFormatter())


@contextmanager
def _axes(x: str, y: str) -> Iterator[tuple[Any, Any]]:
    """A figure in our style, and its axes."""
    # Here, not above: it takes a second to import.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 3.6), layout="constrained")
        axes = figure.subplots()
        for part in (figure.patch, axes.patch):
            part.set_alpha(0)
        axes.set_axisbelow(True)
        axes.set(xlabel=x, ylabel=y)
        yield figure, axes


def _to_svg(figure: Any, axes: Any, description: str) -> str:
    """The plot as an element of a page, with a legend below ``axes`` if there are any."""
    if axes:
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2, fontsize=8)
        figure.set_figheight(3.6 + 0.18 * -(-len(labels) // 2))
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # Ids of one page must differ.
    prefix = re.sub(r"\W+", "-", description)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    return text.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{description}</title>", 1)
