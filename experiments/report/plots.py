"""Plots as SVG that takes its text's colour from the page around it, so that a dark page has light axes."""

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.report.comparison import KNOBS, Section, format_column
from experiments.report.tables import label_metric

STYLE = Path(__file__).with_name("report.mplstyle")
# Stands for the colour of the page's text until the plot is written.
INK = "#010203"
COLOURS = [f"C{number}" for number in range(10)]
MARKERS = "os^Dv<>P"
DASHES = ("-", "--", "-.", ":")


def plot_section(section: Section) -> Iterator[tuple[str, str]]:
    """Titles and plots of a section, in their order on the page.

    The metric by the bytes of the whole model; dev perplexity by updates; the metric by rank, order and vectors, a line
    for settings that differ in nothing else; a map of rank and vectors for each method and order.
    """
    points, name = section.settings.rename(columns={"score": "y"}), label_metric(section.metric)

    sizes = points[~points.line & (points.model_megabytes > 0)]
    tags = format_column(sizes.column, "{:g}x").where(sizes.label == sizes.method, "")
    sizes = _choose_looks(sizes, "method").assign(x=sizes.model_megabytes, tag=tags)
    title, axis = f"{name} by the bytes of the whole model", "whole model, MB in half precision, unit index included"
    yield title, _plot_lines(title, axis, name, sizes, log="x")

    runs = section.runs[section.runs.curve.map(bool)]
    if len(runs):
        dashes = _cycle(DASHES, runs.column.fillna(0), sort=True)
        curves = _choose_looks(runs, "method").assign(dash=dashes, label=runs.setting).explode("curve")
        curves[["x", "y"]] = curves.curve.to_list()
        title, axes = "Dev perplexity by updates", ("updates", "perplexity on the dev set")
        yield "Training curves", _plot_lines(title, *axes, curves, by="folder", log="y")

    for knob in KNOBS:
        lines = points.assign(x=points[knob], label=points[f"{knob} line"]).dropna(subset="label").sort_values("x")
        if len(lines):
            title = f"{name} by {knob}"
            yield title, _plot_lines(title, knob, name, _choose_looks(lines, "label"))

    maps = points.dropna(subset=KNOBS)
    for (method, order), group in maps.groupby(["method", "order"]):
        means = group.pivot_table(index="rank", columns="vectors", values="y")
        # What varies one at a time is on the lines.
        if len(group) >= sum(means.shape):
            title = f"{name} and parameters by rank and vectors: {method}, order {order:g}"
            texts = group.text + format_column(group.embedding_parameters, "\n{:,.0f}")
            # All maps have one scale.
            yield title, _plot_map(title, means, group.assign(text=texts), maps.y.min(), maps.y.max())


def draw_lines(axes: Any, points: pandas.DataFrame, by: str = "label") -> None:
    """Draw points, joined by lines, with error bars from the lowest to the highest value.

    Args:
        axes: of matplotlib.
        points: ``x``, ``y``, ``label``, ``colour`` and ``marker``; optional are ``low`` and ``high``, ``dash`` and, to
            be written beside a point, ``tag``.
        by: equal for the points of one line.
    """
    for _, line in points.groupby(by, sort=False):
        look = line.iloc[0]
        errors = [line.y - line.low, line.high - line.y] if "low" in line else None
        style = {"fmt": look.marker + look.get("dash", "-"), "linewidth": 1.2, "capsize": 3}
        axes.errorbar(line.x, line.y, errors, color=look.colour, label=look.label, **style)
        for x, y, tag in zip(line.x, line.y, line.get("tag", []), strict=False):
            axes.annotate(tag, (x, y), (4, -8), textcoords="offset points", fontsize=7, color=look.colour)


@matplotlib.rc_context(fname=STYLE)
def _plot_lines(title: str, x: str, y: str, points: pandas.DataFrame, by: str = "label", log: str = "") -> str:
    """Lines with a legend below them; the axis ``log``, x or y, is logarithmic."""
    figure = Figure()
    axes = figure.subplots(subplot_kw={"xlabel": x, "ylabel": y})
    draw_lines(axes, points, by)
    if log:
        axes.set(**{f"{log}scale": "log"})
        axis = getattr(axes, f"{log}axis")
        # Ticks although it may be shorter than a decade.
        axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)))
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    else:
        axes.locator_params(axis="x", integer=True)
    handles, labels = axes.get_legend_handles_labels()
    lines = dict(zip(labels, handles, strict=True))
    # Two columns where the labels are short enough not to be cut off.
    columns = 2 if max(map(len, lines), default=0) < 28 else 1
    figure.legend(lines.values(), lines, loc="outside lower left", ncols=columns)
    figure.set_figheight(3.6 + 0.18 * -(-len(lines) // columns))
    return to_svg(figure, title)


@matplotlib.rc_context(fname=STYLE)
def _plot_map(title: str, means: pandas.DataFrame, points: pandas.DataFrame, low: float, high: float) -> str:
    """A colour for each rank and number of vectors, with the ``text`` of the point on it."""
    figure = Figure()
    axes = figure.subplots(subplot_kw={"xlabel": "vectors of each unit", "ylabel": "rank"})
    axes.grid(False)
    rows, columns = map(range, means.shape)
    # For colour-blind readers and for black and white.
    axes.pcolormesh(columns, rows, means, shading="nearest", cmap="cividis", vmin=low, vmax=high)
    axes.set_xticks(columns, map("{:g}".format, means.columns))
    axes.set_yticks(rows, map("{:g}".format, means.index))
    for point in points.itertuples():
        place = means.columns.get_loc(point.vectors), means.index.get_loc(point.rank)
        colour = "#000000" if point.y > (low + high) / 2 else "#ffffff"
        axes.text(*place, point.text, ha="center", va="center", color=colour)
    return to_svg(figure, title)


def _choose_looks(points: pandas.DataFrame, hue: str) -> pandas.DataFrame:
    """With a ``colour`` for each value of a column and a ``marker`` for each label."""
    return points.assign(colour=_cycle(COLOURS, points[hue]), marker=_cycle(MARKERS, points.label))


def _cycle(looks: Sequence[str], values: pandas.Series, sort: bool = False) -> list[str]:
    """A look for each value, equal ones for equal values; in the order of values, or with ``sort`` of their size."""
    return [looks[number % len(looks)] for number in pandas.factorize(values, sort=sort)[0]]


def to_svg(figure: Figure, description: str) -> str:
    """The plot as an element of a page, whose title is the description."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # Ids of one page must differ.
    prefix = re.sub(r"\W+", "-", description)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    return text.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{description}</title>", 1)
