"""The paper's layout: methods by ratios, its figures beside ours, and a reason in every empty cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from experiments.report.compare import PAPER, Cell, Section
from experiments.report.missing import Missing, Planner
from experiments.report.runs import base_method
from experiments.report.tables import Table, bleu_of
from fairseq_see.embeddings import REGISTRY

HERE = "here"


def overview(section: Section, missing: Sequence[Missing], planner: Planner) -> tuple[Table, list[Missing]]:
    """The paper's Table 2 and 5, our figures beside its own; and why cells are empty."""
    columns = sorted({cell.column for cell in section.cells if cell.column} | {float(r) for r in PAPER["ratios"]})
    known = list(PAPER["datasets"]["WMT17"])
    methods = [*known, *sorted({cell.method for cell in section.cells} - set(known))]
    table = Table(
        "Methods and ratios",
        ["method", "tokenised BLEU", "no ratio", *(f"{ratio:g}x" for ratio in columns)],
        [],
        words=2,
        notes=[
            "Case-sensitive BLEU of words, the paper's measure. Here: mean ± sample standard deviation over seeds. "
            f"Paper: {PAPER['source']}; {PAPER['setting']}. Runs on other data or at another scale (see above) are not "
            "measured by its figures. –: the method does not reach this ratio, says the paper.",
        ],
    )
    gone: list[Missing] = []
    for method in methods:
        mine = [cell for cell in section.cells if cell.method == method]
        variants = [list(cells) for _, cells in groupby(mine, key=lambda cell: cell.variant)] or [[]]
        for number, cells in enumerate(variants):
            row, empty = _row(method, cells, columns, missing, planner)
            table.rows.append(row)
            gone += empty
            if number:
                continue
            for name, dataset in PAPER["datasets"].items():
                if figures := dataset.get(method):
                    table.quiet.add(len(table.rows))
                    table.rows.append(["", f"paper, {name}", *_figures(figures, columns)])
    if any(cell.off for cell in section.cells):
        table.notes.append("* The true ratio is more than 3% off its column's: not to be compared along the column.")
    return table, gone


def _row(
    method: str, cells: list[Cell], columns: Sequence[float], missing: Sequence[Missing], planner: Planner
) -> tuple[list[str], list[Missing]]:
    """Our scores of a method, one a column, and what to say of the columns without."""
    by_column = {cell.column: cell for cell in cells}
    # Where a run that was given m happened to end, nobody else was meant to go.
    wanted = {None, *PAPER["ratios"], *(result.asked for result in planner.results)}
    row, gone = [cells[0].label if cells else method, HERE], []
    for ratio in (None, *columns):
        if cell := by_column.get(ratio):
            row.append(bleu_of(cell, "tokenised_bleu") + ("*" if cell.off else ""))
        elif (ratio is None) == _compresses(method) or ratio not in wanted:
            row.append("")
        else:
            gone.append(_reason(method, ratio, missing, planner))
            row.append(gone[-1].kind)
    return row, gone


def _figures(figures: dict[str, float], columns: Sequence[float]) -> list[str]:
    """The paper's figures of a method without a ratio (under an empty key) or of one with ratios."""
    if "" in figures:
        return [f"{figures['']:.2f}", *("" for _ in columns)]
    dashes = ("–" if ratio in PAPER["ratios"] else "" for ratio in columns)
    known = (figures.get(f"{ratio:g}") for ratio in columns)
    return ["", *(dash if figure is None else f"{figure:.2f}" for figure, dash in zip(known, dashes, strict=True))]


def _reason(method: str, ratio: float | None, missing: Sequence[Missing], planner: Planner) -> Missing:
    for item in missing:
        if item.method == method and (ratio is None or item.ratio == ratio):
            return item
    if ratio is None:
        return Missing("-", method, None, "not run", "no such run")
    return planner.reason(method, ratio)


def _compresses(method: str) -> bool:
    return REGISTRY[base_method(method)].compresses
