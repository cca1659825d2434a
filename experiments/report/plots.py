"""Plots as SVG that takes its text's colour from the page around it, so that a dark page has light axes."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from statistics import fmean
from typing import Any

import pandas

from experiments.report.comparison import KNOBS, Section
from experiments.report.tables import label_metric

# Stands for the colour of the page's text until the plot is written.
INK = "#010203"
# Okabe and Ito's colours, which colour-blind readers distinguish, without black (a dark page); yellow and purple last.
COLOURS = ("#2b83c6", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d46", "#999999", "#b3a500", "#7b4fa3")
MARKERS = "os^Dv<>P"
LINES = ("-", "--", "-.", ":")
STYLE: Any = {
    **{"svg.fonttype": "none", "svg.hashsalt": "fairseq_see", "font.family": "sans-serif", "font.size": 9},
    **{"figure.figsize": (4.8, 3.6), "figure.constrained_layout.use": True, "savefig.transparent": True},
    **{f"axes.{name}": INK for name in ("edgecolor", "labelcolor")},
    **{"text.color": INK, "xtick.color": INK, "ytick.color": INK, "legend.frameon": False, "legend.fontsize": 8},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True},
    **{"grid.color": "#808080", "grid.alpha": 0.25},
}


def plot_bars(title: str, columns: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Horizontal bars with lines from the lowest to the highest value; several columns are bars side by side.

    Args:
        title: of the axis.
        columns: by label of a column, values of one or several seeds by label of a row.
    """
    values = pandas.DataFrame(columns)
    height = 0.72 / len(columns)
    with _open_axes(title, "") as (figure, axes):
        figure.set_size_inches(6.4, 0.6 + len(values) * (0.12 + 0.2 * len(columns)))
        for number, name in enumerate(columns):
            seeds = values[name].dropna()
            low, mean, high = (seeds.map(function) for function in (min, fmean, max))
            places = values.index.get_indexer(seeds.index) + (number - (len(columns) - 1) / 2) * height
            lines = {"xerr": [mean - low, high - mean], "ecolor": INK} if (low < high).any() else {}
            bars = axes.barh(places, mean, height * 0.9, color=COLOURS[number], label=name, **lines)
            axes.bar_label(bars, fmt="%.1f", padding=4, fontsize=8)
        axes.set_yticks(range(len(values)), values.index.str.replace("`", ""))
        axes.grid(False, axis="y")
        axes.invert_yaxis()
        axes.margins(x=0.12, y=0.02)
        if len(columns) > 1:
            axes.legend()
        return f'<figure class="chart">{_to_svg(figure, title)}</figure>'


def plot_sizes(section: Section) -> tuple[str, str]:
    """The metric by the bytes of the whole model: title and plot."""
    frame, metric = section.main[section.main["size"] > 0], label_metric(section.metric)
    with _open_axes("whole model, MB in half precision, unit index included", metric) as (figure, axes):
        for points, colour, marker in _choose_styles(frame):
            _draw(axes, points, "size", points.label.iloc[0], colour, marker)
            for point in points[points.column.notna() & (points.label == points.method)].to_dict("records"):
                place = {"xytext": (4, -8), "textcoords": "offset points", "fontsize": 7, "color": colour}
                axes.annotate(f"{point['column']:g}x", (point["size"], point["mean"]), **place)
        _set_log_scale(axes, "x")
        title = f"{metric} by the bytes of the whole model"
        return title, _to_svg(figure, title, axes)


def plot_curves(section: Section) -> Iterator[tuple[str, str]]:
    """Dev perplexity by updates, a line for each run: title and plot, of runs with curves."""
    frame = section.runs[section.runs.curve.map(bool)]
    if frame.empty:
        return
    lines = dict(zip(sorted(frame.column.fillna(0).unique()), cycle(LINES), strict=False))
    with _open_axes("updates", "perplexity on the dev set") as (figure, axes):
        for runs, colour, marker in _choose_styles(frame):
            for column, setting, curve in zip(runs.column.fillna(0), runs.setting, runs.curve, strict=True):
                look = {"linestyle": lines[column], "linewidth": 1.1, "marker": marker, "markersize": 3}
                name = None if setting in axes.get_legend_handles_labels()[1] else setting
                axes.plot(*zip(*curve, strict=True), color=colour, label=name, **look)
        _set_log_scale(axes, "y")
        yield "Training curves", _to_svg(figure, "Dev perplexity by updates", axes)


def plot_lines(section: Section) -> Iterator[tuple[str, str]]:
    """The metric by rank, order and vectors, a line for settings that differ in nothing else: title and plot."""
    for knob in KNOBS:
        frame = section.settings.dropna(subset=[knob])
        frame = frame[frame.duplicated(f"without {knob}", keep=False)]
        if len(frame):
            title = f"{label_metric(section.metric)} by {knob}"
            with _open_axes(knob, label_metric(section.metric)) as (figure, axes):
                axes.locator_params(axis="x", integer=True)
                groups = frame.sort_values(knob).groupby(f"without {knob}", sort=False)
                for (label, points), colour, marker in zip(groups, cycle(COLOURS), cycle(MARKERS), strict=False):
                    _draw(axes, points, knob, label, colour, marker)
                yield title, _to_svg(figure, title, axes)


def plot_grids(section: Section) -> Iterator[tuple[str, str]]:
    """A map of rank and vectors for each method and order of which they were combined: title and plot."""
    joint = section.settings.dropna(subset=KNOBS).assign(shown=section.show(section.metric))
    low, high = joint["mean"].min(), joint["mean"].max()
    for (method, order), group in joint.groupby(["method", "order"]):
        means = group.pivot_table(index="rank", columns="vectors", values="mean")
        if len(group) < sum(means.shape):
            # What varies one at a time is on the lines.
            continue
        title = f"{label_metric(section.metric)} and parameters by rank and vectors: {method}, order {order:g}"
        with _open_axes("vectors of each unit", "rank") as (figure, axes):
            axes.grid(False)
            # A colour map for colour-blind readers and for black and white. All maps have one scale.
            rows, columns = map(range, means.shape)
            axes.pcolormesh(columns, rows, means, shading="nearest", cmap="cividis", vmin=low, vmax=high)
            axes.set_xticks(columns, map("{:g}".format, means.columns))
            axes.set_yticks(rows, map("{:g}".format, means.index))
            for point in group.to_dict("records"):
                place = means.columns.get_loc(point["vectors"]), means.index.get_loc(point["rank"])
                colour = "#000000" if point["mean"] > (low + high) / 2 else "#ffffff"
                text = f"{point['shown']}\n{point['embedding_parameters']:,.0f}"
                axes.text(*place, text, ha="center", va="center", color=colour)
            yield title, _to_svg(figure, title)


def _draw(axes: Any, points: pandas.DataFrame, x: str, label: str, colour: str, marker: str) -> None:
    """Means with their deviations, joined by a line."""
    line = {"linestyle": "-" if len(points) > 1 else "none", "linewidth": 0.9, "elinewidth": 0.9, "capsize": 2}
    look = {"fmt": marker, "color": colour, "label": label, "markersize": 5}
    axes.errorbar(points[x], points["mean"], yerr=points.deviation.fillna(0), **look, **line)


def _choose_styles(frame: pandas.DataFrame) -> Iterator[tuple[pandas.DataFrame, str, str]]:
    """The lines of each label in the order of the tables, with a colour for each method and a marker for the label."""
    for (_, members), colour in zip(frame.groupby("method", sort=False), cycle(COLOURS), strict=False):
        for (_, points), marker in zip(members.groupby("label", sort=False), cycle(MARKERS), strict=False):
            yield points, colour, marker


def _set_log_scale(axes: Any, name: str) -> None:
    """A logarithmic axis, with ticks although it may be shorter than a decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set(**{f"{name}scale": "log"})
    axis = getattr(axes, f"{name}axis")
    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter(NullFormatter())


@contextmanager
def _open_axes(x: str, y: str) -> Iterator[tuple[Any, Any]]:
    """A figure in our style, and its axes."""
    # Here, not above: it takes a second to import.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure()
        axes = figure.subplots()
        axes.set(xlabel=x, ylabel=y)
        yield figure, axes


def _to_svg(figure: Any, description: str, axes: Any = None) -> str:
    """The plot as an element of a page, with a legend below ``axes`` if there are any."""
    if axes:
        handles, labels = axes.get_legend_handles_labels()
        # Two columns where the labels are short enough not to be cut off.
        columns = 2 if max(map(len, labels), default=0) < 28 else 1
        figure.legend(handles, labels, loc="outside lower left", ncols=columns)
        figure.set_figheight(3.6 + 0.18 * -(-len(labels) // columns))
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # Ids of one page must differ.
    prefix = re.sub(r"\W+", "-", description)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    return text.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{description}</title>", 1)
