"""Run records, arranged for comparison: a section for each test set, in it settings, whose runs are their seeds."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas

from experiments.run_record import FILE, RunRecord, flatten, read
from fairseq_see.embeddings.registry import ALIASES
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


@dataclass
class Section:
    """A test set of one kind of model."""

    test: str
    digest: str  # of its references; empty where a run keeps none
    metric: str  # by which settings are compared
    runs: pandas.DataFrame  # of ``arrange_runs``, those that were scored on it
    problems: list[str] = field(default_factory=list)  # what a reader should know of it

    @property
    def sign(self) -> int:
        """-1 where a lower score is better."""
        return -1 if self.metric == "perplexity" else 1

    @cached_property
    def settings(self) -> pandas.DataFrame:
        """One line for each setting, by its name: its first seed's run, and what its runs have together.

        ``mean``, ``deviation``, ``low`` and ``high`` are of the metric over the ``seeds``; ``size`` is in megabytes;
        ``text`` is equal for equal dictionaries; ``true ratio`` is the one that sizes are compared by, ``off`` whether
        it is far from the ratio that the setting is named after; ``without KNOB`` is equal for settings that differ in
        KNOB alone, ``line`` whether there are such settings.
        """
        frame = self.runs.drop_duplicates("setting").set_index("setting", drop=False).rename_axis(None)
        scores = self.group(self.metric)
        frame = frame.assign(mean=scores.mean(), deviation=scores.std(), low=scores.min(), high=scores.max())
        frame["seeds"] = self.runs.groupby("setting").seed.agg(", ".join)
        frame["parameters"] = [record.embedding_parameters for record in frame.record]
        frame["size"] = [(record.model_bytes or 0) / 1e6 for record in frame.record]
        frame["text"] = [
            json.dumps(sorted(pair for pair in record.checksums.items() if pair[0].startswith("dict.")))
            for record in frame.record
        ]
        frame["true ratio"] = [measure_ratio(record) for record in frame.record]
        pairs = zip(frame.ratio, frame["true ratio"], strict=True)
        frame["off"] = [not math.isnan(ratio) and not are_alike(ratio, true) for ratio, true in pairs]
        frame["line"] = False
        for knob in KNOBS:
            frame[knob] = pandas.to_numeric([args.get(knob) for args in frame["args"]], errors="coerce")
            name = f"without {knob}"
            frame[name] = [describe_setting(row, knob) for row in frame.to_dict("records")]
            frame.loc[frame[knob].isna(), name] = None
            frame["line"] |= frame[name].notna() & frame.duplicated(name, keep=False)
        return frame

    @property
    def main(self) -> pandas.DataFrame:
        """The settings that are on no line of rank, order or vectors."""
        return self.settings[~self.settings.line]

    def group(self, metric: str) -> Any:
        """The values of a metric, grouped by setting; NaN of a run without."""
        values = [record.metrics[self.test].get(metric) for record in self.runs.record]
        return pandas.Series(values, dtype=float).groupby(self.runs.setting, sort=False)

    def show(self, metric: str) -> dict[str, str]:
        """Mean and deviation of a metric by setting; empty where a run lacks it."""
        return {name: format_scores(values) for name, values in self.group(metric)}

    def find_baseline(self, setting: pandas.Series) -> pandas.Series | None:
        """The best dense setting of the same dictionaries; without one, or if it is that, the best of any."""
        dense = self.settings[self.settings.method == "dense"]
        best = self.find_best(dense[dense.text == setting.text])
        if best is None or best.setting == setting.setting:
            best = self.find_best(dense)
        return None if best is None or best.setting == setting.setting else best

    def find_best(self, settings: pandas.DataFrame) -> pandas.Series | None:
        """The one with the highest mean; of a perplexity the lowest; None of none."""
        return None if settings.empty else settings.loc[(self.sign * settings["mean"]).idxmax()]

    def list_comparisons(self) -> Iterator[tuple[str, str, str]]:
        """Each setting with the dense one, with the best other method of its size, and with its own variants.

        Yields:
            name of the setting, role of the other, its name.
        """
        main = self.main
        for name, setting in main.iterrows():
            if (dense := self.find_baseline(setting)) is not None:
                yield name, "dense", dense.setting
            size = setting["true ratio"]
            same = main[[are_alike(other, size) and size > TOLERANCE for other in main["true ratio"]]]
            same = same[same.text == setting.text]
            if (best := self.find_best(same[same.method != setting.method])) is not None:
                yield name, "best other method", best.setting
            if not setting.variant:
                for other in same.setting[(same.method == setting.method) & (same.variant != "")]:
                    yield name, "its variant", other


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


def arrange_runs(entries: Sequence[Entry]) -> pandas.DataFrame:
    """One line for each run, in the order in which methods are compared; runs of one setting differ in the seed alone.

    Columns: ``folder``, ``record``, ``method``, ``variant``, ``args`` (of the method, that were given), ``seed``,
    ``ratio`` (that it is compared at; NaN of a method without), ``note`` (by which it differs from others of its
    name), ``label`` (method, variant, arguments and note) and ``setting`` (label and ratio).

    Raises:
        SeeError: two runs have the same settings and the same seed.
    """
    asked = [ratio for _, record in entries if (ratio := record.config.get("ratio"))]
    columns = {float(ratio) for ratio in [*PAPER["ratios"], *asked]}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for folder, record in entries:
        config = dict(record.config)
        seed, method = str(config.pop("seed", "?")), str(config.get("method") or "dense")
        key = json.dumps([record.kind, config, record.overrides], sort_keys=True)
        if other := rows.get((key, seed)):
            raise SeeError(f"{other['folder']} and {folder} have the same settings and seed; leave one of them out")
        row = {"folder": folder, "record": record, "key": key, "seed": seed, "note": ""}
        row |= {"method": ALIASES.get(method, method), "variant": str(config.get("variant") or "")}
        rows[key, seed] = row | {"args": config.get("see_args") or {}, "ratio": _choose_column(record, columns)}
    runs = pandas.DataFrame(rows.values())
    runs["label"] = [describe_setting(row) for row in rows.values()]
    for _, members in runs.groupby(["label", "ratio"], dropna=False):
        if members.key.nunique() > 1:
            options = [flatten(each.config) | each.overrides | {"kind": each.kind} for each in members.record]
            frame = pandas.DataFrame(options, members.index, dtype=object)
            names = [name for name in sorted(frame) if len({str(value) for value in frame[name]}) > 1]
            names = [name for name in names if name not in ("seed", "ratio") and not name.startswith("see_args.")]
            for number, values in frame[names].iterrows():
                notes = [f"{name.rpartition('.')[2]} {value}" for name, value in values.dropna().items()]
                runs.loc[number, "note"] = ", ".join(notes)
    runs["label"] = [describe_setting(row) for row in runs.to_dict("records")]
    ratios = ["" if math.isnan(ratio) else f", {ratio:g}x" for ratio in runs.ratio]
    runs["setting"] = runs.label + ratios
    known = list(PAPER["datasets"]["WMT17"])
    runs["rank"] = [known.index(method) if method in known else len(known) for method in runs.method]
    runs["length"] = runs.seed.str.len()
    order = ["rank", "method", "label", "ratio", "length", "seed"]
    return runs.sort_values(order, na_position="first", ignore_index=True).drop(columns=["rank", "length"])


def make_sections(entries: Sequence[Entry]) -> list[Section]:
    """The sections of all scored runs; test sets of one name with other references are two."""
    members: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        for test, scores in entry.record.metrics.items():
            metric = "bleu" if "bleu" in scores else next(k for k, v in scores.items() if not isinstance(v, str))
            path, digest = entry.folder / f"{test}.ref", ""
            if path.is_file():
                digest = hashlib.sha256("\n".join(read_lines(path)).encode()).hexdigest()[:8]
            members[test, digest, metric].append(entry)
    return [Section(*key, arrange_runs(found)) for key, found in members.items()]


def describe_setting(run: Mapping[str, Any], without: str = "") -> str:
    """Method, variant, arguments and note of a line of ``arrange_runs``; ``without`` one argument."""
    given = (f"{name} {value}" for name, value in run["args"].items() if name != without)
    details = ", ".join(filter(None, (run["variant"], *given, run["note"])))
    return f"{run['method']} ({details})" if details else run["method"]


def format_scores(values: pandas.Series) -> str:
    """Mean and sample standard deviation; empty if one is missing."""
    deviation = f" ± {values.std():.1f}" if len(values) > 1 else ""
    return "" if values.isna().any() else f"{values.mean():.1f}{deviation}"


def are_alike(one: float, other: float) -> bool:
    """Whether two ratios differ by no more than TOLERANCE."""
    return max(one, other) <= TOLERANCE * min(one, other) * (1 + 1e-9)


def measure_ratio(record: RunRecord) -> float:
    """The ratio by which methods are compared: of parameters, or of bytes where that is larger, as it is of codes."""
    return max(record.parameter_ratio or 1.0, record.byte_ratio or 1.0)


def _choose_column(record: RunRecord, columns: set[float]) -> float:
    """The ratio asked for; without one the nearest that others are compared at, or else its own; NaN below 2."""
    if asked := record.config.get("ratio"):
        return float(asked)
    ratio = measure_ratio(record)
    near = [column for column in columns if are_alike(column, ratio)]
    return math.nan if ratio < 2 else min(near, key=lambda x: abs(math.log(x / ratio)), default=round(ratio, 1))
