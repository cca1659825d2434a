"""The joint grid of rank, order and m: a map for each order, a reason in every field that is empty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.paper_tables import setting_of
from experiments.report.compare import Cell, Section
from experiments.report.missing import Missing
from experiments.report.plots import knob_value
from experiments.report.tables import Table, bleu_of

NOT_RUN = "not run"


@dataclass(frozen=True)
class Grid:
    """The cells of a method at one order.

    Attributes:
        method: as a result has it.
        order: of all cells.
        fields: by rank and m, a cell or why there is none; a field that nobody asked for is absent.
    """

    method: str
    order: float
    fields: dict[tuple[float, float], Cell | Missing]

    @property
    def ranks(self) -> list[float]:
        """In their order."""
        return sorted({rank for rank, _ in self.fields})

    @property
    def ms(self) -> list[float]:
        """In their order."""
        return sorted({m for _, m in self.fields})

    @property
    def cells(self) -> list[Cell]:
        """Those that are there and scored."""
        return [field for field in self.fields.values() if isinstance(field, Cell)]

    def reason(self, rank: float, m: float) -> str:
        """Why a field is empty, in a word or two."""
        field = self.fields.get((rank, m))
        return field.kind if isinstance(field, Missing) else NOT_RUN


def grids(section: Section, missing: Sequence[Missing]) -> list[Grid]:
    """A grid for each method and order of which ranks and ms were combined, and not varied one at a time."""
    found = []
    for method in dict.fromkeys(cell.method for cell in section.cells):
        orders: dict[float, dict[tuple[float, float], Cell | Missing]] = defaultdict(dict)
        for item in missing:
            if item.method == method and (setting := setting_of(item.name)):
                orders[setting[1]].setdefault((setting[0], setting[2]), item)
        for cell in _alike(cell for cell in section.cells if cell.method == method):
            rank, order, m = (knob_value(cell, name) or 0.0 for name in ("rank", "order", "m"))
            orders[order][rank, m] = cell
        found += [Grid(method, order, joint) for order, each in sorted(orders.items()) if (joint := _joint(each))]
    return found


def _alike(cells: Iterable[Cell]) -> list[Cell]:
    """Of the scored cells that were given rank, order and m the most that have everything else in common."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.spread() and not cell.first.asked and {"rank", "order", "m"} <= cell.first.knobs.keys():
            groups[cell.setting_without("see_m")].append(cell)
    return max(groups.values(), key=len, default=[])


def _joint(fields: dict[tuple[float, float], Cell | Missing]) -> dict[tuple[float, float], Cell | Missing]:
    """The fields without ranks of a single m and ms of a single rank, which are on the lines of Figure 5."""
    ranks, ms = ([pair[axis] for pair in fields] for axis in (0, 1))
    kept = {(rank, m): field for (rank, m), field in fields.items() if ranks.count(rank) > 1 and ms.count(m) > 1}
    return kept if len(kept) == len(fields) else _joint(kept)


def table(found: Sequence[Grid]) -> Table | None:
    """BLEU by order, rank and m; None without a grid."""
    if not found:
        return None
    ms = sorted({m for grid in found for m in grid.ms})
    return Table(
        "Rank, order and m together",
        ["cells", "rank", *(f"m = {m:g}" for m in ms)],
        [
            [f"{grid.method}, order {grid.order:g}", f"{rank:g}", *(_field(grid, rank, m) for m in ms)]
            for grid in found
            for rank in grid.ranks
        ],
        notes=["BLEU of cells that have everything else in common. Parameters are in the table above and on the maps."],
    )


def _field(grid: Grid, rank: float, m: float) -> str:
    field = grid.fields.get((rank, m))
    return bleu_of(field) if isinstance(field, Cell) else grid.reason(rank, m)
