"""The tables of a report, as text in cells: what every form of it shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from experiments.report import bands
from experiments.report.compare import Cell, Section
from experiments.report.missing import Missing
from experiments.report.plots import knob_value
from experiments.report.significance import SAMPLES, SEED, Comparison
from fairseq_see.errors import SeeError

KNOBS = ("rank", "order", "m")
# What decides about them.
KNOB_OPTIONS = ("see_rank", "see_order", "see_m", "see_ratio")
SIZES = ("cell", "true ratio", "parameters", "kB", "ratio in bytes", "model, kB")


@dataclass
class Table:
    """A table to be shown.

    Attributes:
        title: one line.
        columns: their headings; the first ``words`` are of words, the others of numbers.
        rows: a text for each column.
        notes: sentences below it.
        quiet: numbers of rows that are not ours, and stand back.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    words: int = 1
    notes: list[str] = field(default_factory=list)
    quiet: set[int] = field(default_factory=set)


def costs(section: Section) -> Table:
    """Every cell: true ratio, parameters, bytes, seeds, scores, drop."""
    table = Table(
        "Sizes and scores",
        [*SIZES, "seeds", "BLEU", "lowest to highest", "against dense", "chrF"],
        [],
        notes=[
            "Parameters and bytes are of the embeddings of both sides (a tied output counts once); bytes are of half "
            "precision, the packed unit index counted in; 'model' is the whole of it. Against dense: difference of "
            "means; among several dense cells the best, of the same text where there is one. The true ratio is of "
            "parameters; of quantised tables, whose parameters are codes of a byte, it is of bytes.",
        ],
    )
    for cell in section.cells:
        result, bleu, chrf = cell.first, cell.spread(), cell.spread("chrf")
        dense = section.baseline(cell)
        base = dense.spread() if dense and dense is not cell else None
        table.rows.append(
            [
                cell.name,
                f"{result.ratio:.2f}x" + ("*" if cell.off else ""),
                f"{result.parameters:,}",
                f"{result.bytes / 1000:,.0f}",
                f"{result.dense_bytes / result.bytes:.2f}x",
                f"{result.model_bytes / 1000:,.0f}",
                ", ".join(str(other.seed) for other in cell.results),
                bleu_of(cell),
                f"{bleu.low:.1f}–{bleu.high:.1f}" if bleu and bleu.count > 1 else "",
                _signed(bleu.mean - base.mean) if bleu and base else "",
                str(chrf) if chrf else "–",
            ]
        )
    return table


def whole_models(section: Section) -> Table:
    """Every cell by the bytes of its whole model, whatever made it small: what somebody who ships one chooses from."""
    table = Table(
        "Whole models by their bytes",
        ["cell", "made", "model, kB", "tables, kB", "share of tables", "BLEU", "best of its size"],
        [],
        words=2,
        notes=[
            "Smallest first, in half precision with all that translating takes but the dictionaries. Best of its size: "
            "no model here that is as small has a higher mean. Fitted: tables of a trained model, replaced.",
        ],
    )
    best = float("-inf")
    for cell in sorted(section.cells, key=_by_size):
        result, bleu = cell.first, cell.spread()
        leads = bleu is not None and bleu.mean > best
        best = max(best, bleu.mean) if bleu else best
        table.rows.append(
            [
                cell.name,
                result.made,
                f"{result.model_bytes / 1000:,.0f}",
                f"{result.bytes / 1000:,.0f}",
                f"{result.bytes / result.model_bytes:.0%}",
                bleu_of(cell),
                "yes" if leads else "",
            ]
        )
    return table


def _by_size(cell: Cell) -> tuple[int, float]:
    """Bytes; of equally large models the best first."""
    bleu = cell.spread()
    return cell.first.model_bytes, -bleu.mean if bleu else 0.0


def tests(section: Section) -> Table:
    """Paired bootstrap."""
    table = Table(
        "Paired bootstrap",
        ["cell", "against", "is, at 5%", "difference of BLEU", "seeds", "largest p"],
        [],
        words=3,
        notes=[
            f"sacrebleu's paired bootstrap, {SAMPLES:,} samples, seed {SEED}, between runs trained with the same seed: "
            "the mean of their differences, the largest of their p; open: they do not all say the same, or nothing. It "
            "tells whether another test set of this kind would show the same, not whether another seed would. That p "
            "is of one side in effect, so better and worse each take it to be below 0.025, 5% for both. Best "
            "rival: the best other method of the same ratio within 3%, chosen by this very score. Below it stand the "
            "controls of the cell, of which only the unit index differs.",
        ],
    )
    for cell, role, other, comparison in section.comparisons():
        row = [cell.name, f"{other.name} ({role})" if role == "best rival" else other.name]
        if not comparison.seeds:
            table.rows.append([*row, "no seed in common", "", "", ""])
            continue
        worst = max(comparison.p_values)
        seeds = ", ".join(map(str, comparison.seeds))
        table.rows.append([*row, _verdict(comparison), _signed(fmean(comparison.differences)), seeds, f"{worst:.3f}"])
    return table


def _verdict(comparison: Comparison) -> str:
    """What all seeds agree on."""
    # sacrebleu compares |d*| - mean |d*| with |d|: where nothing differs, p is below 0.05 in a tenth of all cases.
    if max(comparison.p_values) < 0.05 / 2:
        if min(comparison.differences) > 0:
            return "better"
        if max(comparison.differences) < 0:
            return "worse"
    return "open"


def frequency(section: Section, data: Path | None) -> Table | None:
    """F1 of words by their frequency in the training text; None where no texts were found."""
    counted: list[tuple[Cell, list[list[bands.Band]]]] = []
    for cell in (cell for cell in section.cells if cell.texts):
        try:
            counted.append((cell, section.frequency_bands(cell, data)))
        except SeeError as error:
            section.problems.append(f"{cell.name} has no bands: {error}; give --data DIR")
    if not counted:
        return None
    words = [band.references for band in counted[0][1][0]]
    for cell, seeds in counted:
        if [band.references for band in seeds[0]] != words:
            section.problems.append(f"{cell.name} has no bands: its training text has other frequencies")
    counted = [(cell, seeds) for cell, seeds in counted if [band.references for band in seeds[0]] == words]
    table = Table(
        "Words by their frequency in training",
        ["cell", *(f"{name} ({count:,})" for name, count in zip(bands.NAMES, words, strict=True))],
        [],
        notes=[
            "F1, in percent, of the words that the training text has so many times (in brackets: such words in the "
            "references), mean over seeds; a word is found as often as both translation and reference have it.",
        ],
    )
    for cell, seeds in counted:
        row = [cell.name]
        for number in range(len(bands.NAMES)):
            values = [value for of_seed in seeds if (value := of_seed[number].f1) is not None]
            row.append(f"{fmean(values):.1f}" if values else "–")
        table.rows.append(row)
    return table


def knob_lines(section: Section) -> dict[str, dict[str, list[Cell]]]:
    """Cells of a method that differ in rank, order or m and are equal in what else was chosen, by knob and by label."""
    lines: dict[str, dict[str, list[Cell]]] = {}
    for name in KNOBS:
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in section.cells:
            if knob_value(cell, name) is None:
                continue
            fixed = [_knob(cell, other) for other in (*KNOBS, "head") if other not in (name, "m")]
            # While rank or order change, what stays is what was given: a ratio, from which m follows, or m itself.
            if name != "m":
                fixed.append(f"{cell.column:g}x" if cell.first.asked else _knob(cell, "m"))
            line = ", ".join([cell.method, *filter(None, fixed)]), cell.setting_without(*KNOB_OPTIONS)
            found.setdefault(line, []).append(cell)
        several = [
            (label, cells) for (label, _), cells in found.items() if len({knob_value(cell, name) for cell in cells}) > 1
        ]
        if several:
            names = [label for label, _ in several]
            lines[name] = {
                label if names.count(label) == 1 else f"{label}, as {cells[0].first.name}": cells
                for label, cells in several
            }
    return lines


def sensitivity(section: Section, lines: dict[str, dict[str, list[Cell]]]) -> Table | None:
    """BLEU by rank, order and m, of the cells on ``lines``; None where there are none."""
    on_lines = [id(cell) for by_label in lines.values() for cells in by_label.values() for cell in cells]
    shown = [cell for cell in section.cells if id(cell) in on_lines]
    if not shown:
        return None
    return Table(
        "Rank, order and m",
        ["cell", *KNOBS, "true ratio", "parameters", "BLEU"],
        [
            [
                cell.name,
                *(_knob(cell, name, bare=True) for name in KNOBS),
                f"{cell.first.ratio:.2f}x",
                f"{cell.first.parameters:,}",
                bleu_of(cell),
            ]
            for cell in shown
        ],
        notes=["Cells that differ in one of them, the others and a ratio given being equal. m: mean of both sides."],
    )


def reasons(missing: Iterable[Missing]) -> Table | None:
    """Why cells are empty, the unexplained ones (never run) left to the overview."""
    rows = [
        [item.method, f"{item.ratio:g}x" if item.ratio else "", item.name, item.kind, item.reason]
        for item in missing
        if item.reason != "no such run"
    ]
    return Table("What is missing", ["method", "ratio", "run", "state", "why"], rows, words=5) if rows else None


def bleu_of(cell: Cell, score: str = "bleu") -> str:
    """Mean and deviation, a dash where a run has no such score."""
    spread = cell.spread(score)
    return str(spread) if spread else "–"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _knob(cell: Cell, name: str, bare: bool = False) -> str:
    value = knob_value(cell, name)
    if value is None:
        return ""
    return f"{value:.4g}" if bare else f"{name} {value:.4g}"
