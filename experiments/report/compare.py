"""Results arranged for comparison: a section for each test set, in it a cell for each setting, its seeds joined."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from experiments.report import bands, texts
from experiments.report.runs import Result
from experiments.report.seeds import Spread, by_setting
from experiments.report.significance import Comparison, compare
from experiments.report.texts import Texts
from fairseq_see.errors import SeeError

# Sizes that differ by more are not compared.
TOLERANCE = 1.03

PAPER: dict[str, Any] = json.loads(files("experiments.report").joinpath("paper.json").read_text(encoding="utf-8"))


@dataclass
class Cell:
    """One setting on one test set.

    Attributes:
        method: as a result has it.
        variant: settings that tell it from others of its method and ratio, empty if there are none.
        column: the ratio it stands under, None for a method that has none.
        results: one a seed.
        texts: by seed, where they were found.
    """

    method: str
    column: float | None
    results: list[Result]
    variant: str = ""
    texts: dict[Any, Texts] = field(default_factory=dict)

    @property
    def first(self) -> Result:
        """Of the seeds, for what they have in common."""
        return self.results[0]

    @property
    def data(self) -> str:
        """What is equal for cells on one text."""
        return str(self.first.setting["text"]["data"])

    @property
    def label(self) -> str:
        """Method and variant."""
        return f"{self.method} ({self.variant})" if self.variant else self.method

    @property
    def name(self) -> str:
        """Label and ratio."""
        return self.label if self.column is None else f"{self.label}, {self.column:g}x"

    @property
    def off(self) -> bool:
        """Whether the true ratio is further from its column's than compared cells may be."""
        return self.column is not None and not alike(self.first.ratio, self.column)

    def setting_without(self, *options: str) -> str:
        """All that was chosen but these options of the model, as a text that is equal where they are."""
        model = {key: value for key, value in self.first.setting["model"].items() if key not in options}
        return json.dumps(self.first.setting | {"model": model}, sort_keys=True, default=str)

    def spread(self, score: str = "bleu") -> Spread | None:
        """Of a score over the seeds; None if one has none."""
        values = [getattr(result, score) for result in self.results]
        return None if None in values else Spread.of(values)


@dataclass
class Section:
    """A test set. ``digest`` is of its references, None where they were not found; ``problems`` say what is amiss."""

    test: str
    digest: str | None
    cells: list[Cell]
    problems: list[str]

    def baseline(self, cell: Cell) -> Cell | None:
        """The dense cell of the same data, the best if there are several; of the best one the best on any data."""
        dense = [other for other in self.cells if other.method == "dense"]
        best = _best([other for other in dense if other.data == cell.data])
        # Cut into other pieces, the same sentences can still be compared where the references are known to be the same.
        return _best(dense) if best is cell and self.digest else best

    def rival(self, cell: Cell) -> Cell | None:
        """The best of the other methods that are as small; a control is no other method than the one it is of."""
        if not cell.first.compresses:
            return None
        return _best(
            [
                other
                for other in self.cells
                if other.first.base_method != cell.first.base_method
                and other.first.compresses
                and _as_small(other.first, cell.first)
                and other.data == cell.data
            ]
        )

    def controls(self, cell: Cell) -> list[Cell]:
        """Cells of its size that differ in what their unit index says alone."""
        if cell.method != cell.first.base_method:
            return []
        return [
            other
            for other in self.cells
            if other.first.base_method == cell.method
            and other.method != cell.method
            and _as_small(other.first, cell.first)
            and other.setting_without("see_index") == cell.setting_without("see_index")
        ]

    def comparisons(self) -> Iterator[tuple[Cell, str, Cell, Comparison]]:
        """Each cell against the dense one, its best rival and its controls, where both have texts."""
        for cell in self.cells:
            others = [("dense", self.baseline(cell)), ("best rival", self.rival(cell))]
            for role, other in [*others, *(("control", control) for control in self.controls(cell))]:
                if other is None or other is cell or not cell.texts or not other.texts:
                    continue
                references = next(iter(cell.texts.values())).references
                ours, theirs = ({seed: text.hypotheses for seed, text in each.texts.items()} for each in (cell, other))
                yield cell, role, other, compare(ours, theirs, references, texts.bleu(cell.first))

    def frequency_bands(self, cell: Cell, data: Path | None) -> list[list[bands.Band]]:
        """The bands of each seed.

        Raises:
            SeeError: there is no training text.
        """
        language = cell.first.setting["task"].get("target_lang") or "en"
        counts = texts.frequencies((data or texts.prepared(cell.first)) / "tok" / f"train.{language}")
        return [bands.by_band(text.hypothesis_words, text.reference_words, counts) for text in cell.texts.values()]


def _as_small(one: Result, other: Result) -> bool:
    """By parameters; by bytes, if the numbers of one of them have fewer than others' have."""
    if one.quantised or other.quantised:
        return alike(one.dense_bytes / one.bytes, other.dense_bytes / other.bytes)
    return alike(one.ratio, other.ratio)


def alike(one: float, other: float) -> bool:
    """Whether two ratios differ by no more than TOLERANCE."""
    return max(one, other) <= TOLERANCE * min(one, other) * (1 + 1e-9)


def sections(results: Sequence[Result], data: Path | None) -> list[Section]:
    """Sections of the scored results; test sets whose references differ, or were not found, are kept apart."""
    found: dict[tuple[str, str | None], list[Result]] = defaultdict(list)
    of_run: dict[tuple[str, str], Texts] = {}
    problems: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for result in results:
        test, digest, problem = str(result.test), None, ""
        try:
            of_run[result.run, test] = texts.find(result, data)
            digest = of_run[result.run, test].digest
        except SeeError as error:
            problem = str(error)
        found[test, digest].append(result)
        if problem:
            problems[test, digest].append(f"neither bootstrap nor bands: {problem}")
        if (Path(result.run) / "train.settings").is_file() and not (Path(result.run) / "done").is_file():
            problems[test, digest].append(f"{result.run} was scored before its training ended")
    made = []
    for (test, digest), members in found.items():
        cells = _cells(members)
        for cell in cells:
            cell.texts = {
                result.seed: of_run[result.run, test] for result in cell.results if (result.run, test) in of_run
            }
        made.append(Section(test, digest, cells, problems[test, digest]))
    return made


def _cells(results: list[Result]) -> list[Cell]:
    groups = by_setting(results)
    nominal = sorted({result.asked for result in results if result.asked} | {float(r) for r in PAPER["ratios"]})
    cells = [Cell(group[0].method, _column(group[0], nominal), group) for group in groups]
    for method in {cell.method for cell in cells}:
        _name_variants([cell for cell in cells if cell.method == method])
    order = [*PAPER["datasets"]["WMT17"], *sorted({cell.method for cell in cells})]
    return sorted(cells, key=lambda cell: (order.index(cell.method), cell.variant, cell.column or 0))


def _column(result: Result, nominal: list[float]) -> float | None:
    """The ratio asked for; without one the nearest that others are compared at, or else its own."""
    if not result.compresses or result.asked:
        return result.asked if result.compresses else None
    near = [ratio for ratio in nominal if alike(ratio, result.ratio)]
    return min(near, key=lambda ratio: abs(math.log(ratio / result.ratio)), default=round(result.ratio, 1))


def _name_variants(cells: list[Cell]) -> None:
    """Tell cells of one method apart by the settings in which those of equal ratio differ.

    A value that most of them have, more than have any other, goes without saying.
    """
    flat = [_flat(cell) for cell in cells]
    # A person knows a text by the name of its folder.
    names: dict[str, str] = {}
    for settings, cell in zip(flat, cells, strict=True):
        settings["text.data"] = names.setdefault(settings["text.data"], texts.prepared(cell.first).name)
    differing = {
        key
        for i, one in enumerate(flat)
        for j, other in enumerate(flat[:i])
        if cells[i].column == cells[j].column
        for key in one.keys() | other.keys()
        if one.get(key) != other.get(key)
    }
    usual = {key: _usual([settings.get(key) for settings in flat]) for key in differing}
    for cell, settings in zip(cells, flat, strict=True):
        own = {key: settings[key] for key in sorted(differing) if settings.get(key) not in (None, usual[key])}
        cell.variant = ", ".join(f"{name} {value}" for name, value in _of_both_sides(own).items())
    # Data folders of one name in different places, for example.
    for i, cell in enumerate(cells):
        if any((other.variant, other.column) == (cell.variant, cell.column) for other in cells[:i]):
            cell.variant = f"{cell.variant}, {cell.first.name}".removeprefix(", ")


def _usual(values: list[Any]) -> Any:
    """The value that occurs most often; None if there is no single one."""
    counts = Counter(map(str, values)).most_common(2)
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        return None
    return next(value for value in values if str(value) == counts[0][0])


def _of_both_sides(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by the last part of their names; what encoder and decoder have alike is said once."""
    short = {key.split(".")[-1]: value for key, value in settings.items()}
    said = {}
    for name, value in short.items():
        side, _, bare = name.partition("_")
        other = {"encoder": f"decoder_{bare}", "decoder": f"encoder_{bare}"}.get(side, "")
        said[bare if other in short and short[other] == value else name] = value
    return said


def _flat(cell: Cell) -> dict[str, Any]:
    """The settings by which a person would tell two cells apart."""
    setting = cell.first.setting
    flat = {f"{part}.{key}": value for part, values in setting.items() for key, value in values.items()}
    return flat | {f"knobs.{name}": cell.first.knobs.get(name) for name in ("rank", "order")}


def _best(cells: list[Cell]) -> Cell | None:
    scored = [(spread.mean, cell) for cell in cells if (spread := cell.spread())]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None
