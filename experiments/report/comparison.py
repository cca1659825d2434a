"""Runs arranged for comparison, by test set."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import pandas

from experiments.results import SIZES, list_scores
from experiments.run_record import flatten
from fairseq_see.embeddings.registry import ALIASES
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

# Sizes that differ by more are not compared.
TOLERANCE = 1.03
# Arguments of a method that figure 5 and the grid vary.
KNOBS = ["rank", "order", "vectors"]
# The paper's Tables 2 and 5, as texts. Methods are compared in their order; others follow.
PAPER = pandas.read_csv(Path(__file__).with_name("paper.csv"), dtype=str, keep_default_na=False)
METHODS = [*PAPER.method.unique()]
RATIOS = {10.0, 20.0, 40.0, 80.0}


def arrange_runs(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Runs in the order in which methods are compared; those of one ``setting`` differ in the seed alone.

    Columns beside those of ``read_runs``: ``args`` (of the method, that were given), ``true ratio`` (of parameters, or
    of bytes where that is larger, as it is of codes), ``column`` (the ratio that a run is compared at; NaN of a method
    without), ``note`` (by which it differs from others of its name), ``label`` (method, variant, arguments and note)
    and ``setting`` (label and column).

    Raises:
        SeeError: two runs have the same settings and the same seed.
    """
    facts = zip(runs.kind, runs.config, runs.overrides, strict=True)
    options = [flatten(config) | changed | {"kind": kind} for kind, config, changed in facts]
    runs = runs.assign(
        method=[ALIASES.get(name, name) or "dense" for name in runs.method],
        variant=[name or "" for name in runs.variant],
        seed=["?" if seed is None else str(seed) for seed in runs.seed],
        args=[config.get("see_args") or {} for config in runs.config],
        options=options,
        key=[json.dumps(each | {"seed": 0}, sort_keys=True) for each in options],
    )
    for _, same in runs.groupby(["key", "seed", "test"]).folder:
        if len(same) > 1:
            raise SeeError(f"{same.iloc[0]} and {same.iloc[1]} have the same settings and seed; leave one of them out")
    runs["true ratio"] = runs[["parameter_ratio", "byte_ratio"]].astype(float).fillna(1).max(axis=1)
    asked = runs.ratio.astype(float)
    columns = {*RATIOS, *asked.dropna()}
    runs["column"] = asked.fillna(runs["true ratio"].map(lambda ratio: _choose_column(ratio, columns)))
    alike = runs.groupby(["method", "variant", runs["args"].map(str), "column"], dropna=False)
    runs["note"] = alike.options.transform(_describe_differences)
    runs["label"] = [describe_setting(run) for run in runs.to_dict("records")]
    runs["setting"] = runs.label + format_column(runs.column, ", {:g}x")
    runs["place"] = [METHODS.index(name) if name in METHODS else len(METHODS) for name in runs.method]
    runs["length"] = runs.seed.str.len()
    return runs.sort_values(["place", "method", "label", "column", "length", "seed"], na_position="first")


def _choose_column(ratio: float, columns: set[float]) -> float:
    """The nearest ratio that others are compared at, or else the run's own; NaN below 2."""
    near = [column for column in columns if are_alike(column, ratio)]
    return math.nan if ratio < 2 else min(near, key=lambda x: abs(math.log(x / ratio)), default=round(ratio, 1))


def _describe_differences(options: pandas.Series) -> pandas.Series:
    """By which options runs of one name differ, for each of them."""
    frame = pandas.DataFrame([*options], options.index, dtype=object).filter(regex=r"^(?!seed$|ratio$|see_args\.)")
    frame = frame.loc[:, frame.map(str).nunique() > 1].sort_index(axis=1)
    frame = frame.rename(columns=lambda name: name.rpartition(".")[2])
    return frame.apply(lambda line: ", ".join(f"{name} {value}" for name, value in line.dropna().items()), axis=1)


def describe_setting(run: Mapping[str, Any], without: str = "") -> str:
    """Method, variant, arguments and note of a line of ``arrange_runs``; ``without`` one argument."""
    given = (f"{name} {value}" for name, value in run["args"].items() if name != without)
    details = ", ".join(filter(None, (run["variant"], *given, run["note"])))
    return f"{run['method']} ({details})" if details else run["method"]


def are_alike(one: Any, other: Any) -> Any:
    """Whether two ratios, or those of two columns, differ by no more than TOLERANCE."""
    return numpy.maximum(one, other) <= TOLERANCE * numpy.minimum(one, other) * (1 + 1e-9)


def format_scores(values: pandas.Series) -> str:
    """Mean and sample standard deviation; empty if one is missing."""
    deviation = f" ± {values.std():.1f}" if len(values) > 1 else ""
    return "" if values.isna().any() else f"{values.mean():.1f}{deviation}"


def format_column(values: pandas.Series, form: str) -> pandas.Series:
    """Values as texts; empty where there is none."""
    return values.map(form.format, na_action="ignore").astype(object).fillna("")


def average_runs(runs: pandas.DataFrame, by: str) -> pandas.DataFrame:
    """One line for each value of a column, which is its index, and each test set.

    ``updates`` and scores are means; beside a score are its ``..._low`` and ``..._high``, and its ``..._text`` for
    people. ``seed`` has all seeds; all else is the first run's.
    """
    scores = ["dev_perplexity", *list_scores(runs)]
    groups = runs.astype(dict.fromkeys(["updates", *scores], float)).groupby([by, "test"], sort=False)
    frame = runs.drop_duplicates([by, "test"]).set_index([by, "test"], drop=False)
    frame["seed"] = groups.seed.agg(lambda seeds: ", ".join(map(str, seeds.dropna())))
    frame[["updates", *scores]] = groups[["updates", *scores]].mean()
    for name, function in {"low": "min", "high": "max", "text": format_scores}.items():
        frame = frame.join(groups[scores].agg(function).add_suffix(f"_{name}"))
    return frame.droplevel("test").rename_axis(None)


@dataclass
class Section:
    """A test set of one kind of model."""

    test: str
    digest: str  # of its references; empty where a run keeps none
    metric: str  # by which settings are compared
    runs: pandas.DataFrame  # of ``arrange_runs``, those that were scored on it
    problems: list[str] = field(default_factory=list)  # what a reader should know of it

    @cached_property
    def settings(self) -> pandas.DataFrame:
        """The lines of ``average_runs`` by setting.

        Columns beside those: ``score``, ``low``, ``high`` and ``text`` of the metric, and ``gain``, larger where it is
        better; sizes in megabytes; ``dictionaries``, equal for equal ones; ``baseline``, the best dense setting of the
        same dictionaries, or, without one, or of that one, the best of any; ``mark``, * where the true ratio is far
        from the column's; ``KNOB line``, equal for settings that differ in KNOB alone; ``line``, whether it is on one.
        """
        frame = average_runs(self.runs, "setting").astype(dict.fromkeys(SIZES, float))
        frame[["score", "low", "high", "text"]] = frame[[self.metric + end for end in ("", "_low", "_high", "_text")]]
        frame["gain"] = -frame.score if self.metric == "perplexity" else frame.score
        for name in ("model", "embedding", "shipped"):
            frame[f"{name}_megabytes"] = frame[f"{name}_bytes"] / 1e6
        sums = [{name: value for name, value in sums.items() if name.startswith("dict.")} for sums in frame.checksums]
        frame["dictionaries"] = [json.dumps(each, sort_keys=True) for each in sums]
        dense = frame[frame.method == "dense"].sort_values("gain", ascending=False, kind="stable")
        best = frame.dictionaries.map(dense.drop_duplicates("dictionaries").set_index("dictionaries").setting)
        best = best.where(best.notna() & (best != frame.index), next(iter(dense.index), None))
        frame["baseline"] = best.where(best != frame.index)
        off = frame.column.notna() & ~are_alike(frame.column, frame["true ratio"])
        frame["mark"] = numpy.where(off, "*", "")
        for knob in KNOBS:
            frame[knob] = pandas.to_numeric([args.get(knob) for args in frame["args"]], errors="coerce")
            names = pandas.Series([describe_setting(row, knob) for row in frame.to_dict("records")], frame.index)
            names = names[frame[knob].notna()]
            frame[f"{knob} line"] = names[names.duplicated(keep=False)]
        frame["line"] = frame[[f"{knob} line" for knob in KNOBS]].notna().any(axis=1)
        return frame

    @property
    def main(self) -> pandas.DataFrame:
        """The settings that are on no line of rank, order or vectors."""
        return self.settings[~self.settings.line]

    def list_comparisons(self) -> Iterator[tuple[str, str, str]]:
        """Each setting with its baseline, with the best other method of its size, and with its own variants.

        Yields:
            name of the setting, role of the other, its name.
        """
        main = self.main
        for name, setting in main.iterrows():
            if isinstance(setting.baseline, str):
                yield name, "dense", setting.baseline
            size = setting["true ratio"]
            alike = are_alike(main["true ratio"], size) & (size > TOLERANCE)
            same = main[alike & (main.dictionaries == setting.dictionaries)]
            others = same[same.method != setting.method]
            if len(others):
                yield name, "best other method", others.gain.idxmax()
            if not setting.variant:
                for other in same.index[(same.method == setting.method) & (same.variant != "")]:
                    yield name, "its variant", other


def make_sections(runs: pandas.DataFrame) -> list[Section]:
    """The sections of all scored runs; test sets of one name with other references are two."""
    runs = runs.assign(
        digest=[_hash_lines(folder / f"{test}.ref") for folder, test in zip(runs.folder, runs.test, strict=True)],
        metric=["bleu" if "bleu" in names else names[0] for names in runs.scores],
    )
    groups = runs.groupby(["test", "digest", "metric"], sort=False)
    return [Section(test, digest, metric, arrange_runs(members)) for (test, digest, metric), members in groups]


def _hash_lines(path: Path) -> str:
    """A short checksum of a text; empty without one."""
    return hashlib.sha256("\n".join(read_lines(path)).encode()).hexdigest()[:8] if path.is_file() else ""
