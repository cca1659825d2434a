"""Run records, arranged for comparison: a section for each test set, in it settings, whose runs are their seeds."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import pandas

from experiments.run_record import FILE, RunRecord, read
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

# Sizes that differ by more are not compared.
TOLERANCE = 1.03
# Arguments of a method that figure 5 and the grid vary.
KNOBS = ("rank", "order", "vectors")
PAPER: dict[str, Any] = json.loads(Path(__file__).with_name("paper.json").read_text(encoding="utf-8"))


class Entry(NamedTuple):
    """A run's folder and record."""

    folder: Path
    record: RunRecord


@dataclass(frozen=True, order=True)
class Spread:
    """Mean, sample standard deviation (None of a single value), lowest, highest and number of some values."""

    mean: float
    deviation: float | None
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        deviation = stdev(values) if len(values) > 1 else None
        return cls(fmean(values), deviation, min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if self.deviation is None else f" ± {self.deviation:.1f}")


@dataclass
class Setting:
    """What was chosen, and the runs of it, which differ in the seed alone.

    Attributes:
        entries: in the order of their seeds.
        ratio: the column that it stands in, None for a method without ratios.
        note: what tells it from another of its method, variant and ratio; empty if there is none.
    """

    entries: list[Entry]
    ratio: float | None = None
    note: str = ""

    @property
    def record(self) -> RunRecord:
        """Of its first seed, for what all have in common."""
        return self.entries[0].record

    @property
    def method(self) -> str:
        """Name of the embedding."""
        return str(self.record.config.get("method") or "dense")

    @property
    def variant(self) -> str:
        """What else distinguishes it, such as a control's index or fewer merges; empty for the usual."""
        return str(self.record.config.get("variant") or "")

    @property
    def see_args(self) -> dict[str, Any]:
        """Arguments of the method that were given."""
        return self.record.config.get("see_args") or {}

    @property
    def label(self) -> str:
        """Method, variant, arguments of the method and note."""
        return self.describe(self.see_args)

    def describe(self, args: dict[str, Any]) -> str:
        """Method, variant and note, with these arguments."""
        given = (f"{name} {value}" for name, value in args.items())
        details = ", ".join(filter(None, (self.variant, *given, self.note)))
        return f"{self.method} ({details})" if details else self.method

    @property
    def name(self) -> str:
        """Label and ratio."""
        return self.label if self.ratio is None else f"{self.label}, {self.ratio:g}x"

    @property
    def seeds(self) -> str:
        """Of its runs."""
        return ", ".join(str(entry.record.config.get("seed", "?")) for entry in self.entries)

    @property
    def off(self) -> bool:
        """Whether its true ratio is further from its column's than settings that are compared may be."""
        return self.ratio is not None and not alike(true_ratio(self.record), self.ratio)

    def spread(self, test: str, metric: str) -> Spread | None:
        """Of a metric over the seeds; None if one lacks it."""
        values = [entry.record.metrics.get(test, {}).get(metric) for entry in self.entries]
        numbers = [value for value in values if isinstance(value, int | float)]
        return Spread.of(numbers) if len(numbers) == len(values) else None


@dataclass
class Section:
    """A test set of one kind of model.

    Attributes:
        test: its name.
        digest: of its references; empty where a run keeps none.
        metric: by which settings are compared.
        settings: that were scored on it.
        problems: what a reader should know of it.
    """

    test: str
    digest: str
    metric: str
    settings: list[Setting]
    problems: list[str] = field(default_factory=list)

    @property
    def sign(self) -> int:
        """-1 where a lower score is better."""
        return -1 if self.metric == "perplexity" else 1

    @cached_property
    def frame(self) -> pandas.DataFrame:
        """A row for each setting: names, size in megabytes, mean and deviation, KNOBS, parameters.

        ``without KNOB`` is equal for settings that differ in KNOB alone; ``line`` is whether there are such settings.
        """
        rows = []
        for setting in self.settings:
            row = {"setting": setting, "method": setting.method, "label": setting.label, "ratio": setting.ratio}
            row |= {"mean": self.score(setting).mean, "deviation": self.score(setting).deviation or 0.0}
            row |= {"parameters": setting.record.embedding_parameters, "size": (setting.record.model_bytes or 0) / 1e6}
            for knob in KNOBS:
                args = {name: value for name, value in setting.see_args.items() if name != knob}
                row[knob] = setting.see_args.get(knob)
                row[f"without {knob}"] = setting.describe(args) if isinstance(row[knob], int | float) else None
            rows.append(row)
        frame = pandas.DataFrame(rows)
        names = [f"without {knob}" for knob in KNOBS]
        return frame.assign(line=sum(frame[name].notna() & frame.duplicated(name, keep=False) for name in names) > 0)

    @property
    def main(self) -> list[Setting]:
        """The settings that are on no line of rank, order or vectors."""
        return list(self.frame.setting[~self.frame.line])

    def score(self, setting: Setting) -> Spread:
        """The setting's on this test set."""
        return Spread.of([float(entry.record.metrics[self.test][self.metric]) for entry in setting.entries])

    def baseline(self, setting: Setting) -> Setting | None:
        """The best dense setting of the same dictionaries; without one, or if it is that, the best of any."""
        dense = [other for other in self.settings if other.method == "dense"]
        best = self.best(other for other in dense if dictionaries(other.record) == dictionaries(setting.record))
        if best is None or best is setting:
            best = self.best(dense)
        return None if best is setting else best

    def best(self, settings: Iterable[Setting]) -> Setting | None:
        """The one with the highest mean; of a perplexity the lowest."""
        return max(settings, key=lambda setting: self.sign * self.score(setting).mean, default=None)

    def comparisons(self) -> Iterator[tuple[Setting, str, Setting]]:
        """Each setting with the dense one, with the best other method of its size, and with its own variants."""
        for setting in self.main:
            if dense := self.baseline(setting):
                yield setting, "dense", dense
            size = true_ratio(setting.record)
            same_size = [other for other in self.main if alike(true_ratio(other.record), size) and size > TOLERANCE]
            same_text = [other for other in same_size if dictionaries(other.record) == dictionaries(setting.record)]
            if best := self.best(other for other in same_text if other.method != setting.method):
                yield setting, "best other method", best
            if not setting.variant:
                for other in same_text:
                    if other.method == setting.method and other.variant:
                        yield setting, "its variant", other


def read_entries(paths: Sequence[Path]) -> list[Entry]:
    """The runs in folders, at whatever depth their records lie.

    Raises:
        SeeError: a folder holds no record, or a record is damaged.
    """
    found: dict[Path, Entry] = {}
    for path in paths:
        records = sorted(path.rglob(FILE))
        if not records:
            raise SeeError(f"no {FILE} in {path}; runs are recorded when they have ended")
        found |= {record.parent.resolve(): Entry(record.parent, read(record.parent)) for record in records}
    return list(found.values())


def group_settings(entries: Iterable[Entry]) -> list[Setting]:
    """Runs that differ in the seed alone, together, in the order in which methods are compared.

    Raises:
        SeeError: two of them have the same seed, too.
    """
    groups: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        config = {name: value for name, value in entry.record.config.items() if name != "seed"}
        key = json.dumps([entry.record.kind, config, entry.record.overrides], sort_keys=True)
        seed = str(entry.record.config.get("seed"))
        if other := groups[key].get(seed):
            raise SeeError(f"{other.folder} and {entry.folder} have the same settings and seed; leave one of them out")
        groups[key][seed] = entry
    order = {key: sorted(group, key=lambda seed: (len(seed), seed)) for key, group in groups.items()}
    settings = [Setting([groups[key][seed] for seed in seeds]) for key, seeds in order.items()]
    columns = {float(ratio) for ratio in PAPER["ratios"]}
    columns |= {float(asked) for setting in settings if (asked := setting.record.config.get("ratio"))}
    for setting in settings:
        setting.ratio = _column(setting.record, columns)
    _note_differences(settings)
    known = list(PAPER["datasets"]["WMT17"])
    rank = {name: number for number, name in enumerate([*known, *sorted({s.method for s in settings} - {*known})])}
    return sorted(settings, key=lambda setting: (rank[setting.method], setting.label, setting.ratio or 0))


def make_sections(entries: Sequence[Entry]) -> list[Section]:
    """The sections of all scored runs; test sets of one name with other references are two."""
    members: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        for test, scores in entry.record.metrics.items():
            metric = "bleu" if "bleu" in scores else next(k for k, v in scores.items() if not isinstance(v, str))
            references = entry.folder / f"{test}.ref"
            digest = hash_lines(read_lines(references)) if references.is_file() else ""
            members[test, digest, metric].append(entry)
    return [Section(*key, group_settings(found)) for key, found in members.items()]


def hash_lines(lines: list[str]) -> str:
    """Short checksum of a text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def alike(one: float, other: float) -> bool:
    """Whether two ratios differ by no more than TOLERANCE."""
    return max(one, other) <= TOLERANCE * min(one, other) * (1 + 1e-9)


def true_ratio(record: RunRecord) -> float:
    """The ratio by which methods are compared: of parameters, or of bytes where that is larger, as it is of codes."""
    return max(record.parameter_ratio or 1.0, record.byte_ratio or 1.0)


def dictionaries(record: RunRecord) -> dict[str, str]:
    """Their checksums: equal for runs on one text."""
    return {name: value for name, value in record.checksums.items() if name.startswith("dict.")}


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A mapping of mappings as one, its keys joined by points."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _column(record: RunRecord, columns: set[float]) -> float | None:
    """The ratio asked for; without one the nearest that others are compared at, or else its own."""
    if asked := record.config.get("ratio"):
        return float(asked)
    ratio = true_ratio(record)
    if ratio < 2:
        return None
    near = [column for column in columns if alike(column, ratio)]
    return min(near, key=lambda column: abs(math.log(column / ratio)), default=round(ratio, 1))


def _note_differences(settings: Sequence[Setting]) -> None:
    """Tell settings of one name apart by the values in which they differ."""
    known = {"seed", "ratio", *(f"see_args.{name}" for setting in settings for name in setting.see_args)}
    same: dict[str, list[Setting]] = defaultdict(list)
    for setting in settings:
        same[setting.name].append(setting)
    for members in (found for found in same.values() if len(found) > 1):
        flat = [{**flatten(each.record.config), **each.record.overrides, "kind": each.record.kind} for each in members]
        for setting, values in zip(members, flat, strict=True):
            differing = [k for k in values if k not in known and any(other.get(k) != values[k] for other in flat)]
            setting.note = ", ".join(f"{name.rpartition('.')[2]} {values[name]}" for name in sorted(differing))
