"""Runs that differ in their seed alone: joined, their mean, their spread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from experiments.report.runs import SCORES, Result
from fairseq_see.errors import SeeError


@dataclass(frozen=True)
class Spread:
    """Some values: mean, sample standard deviation (None of a single one), lowest, highest, how many."""

    mean: float
    deviation: float | None
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        deviation = stdev(values) if len(values) > 1 else None
        return cls(fmean(values), deviation, min(values), max(values), len(values))

    def __str__(self) -> str:
        deviation = "" if self.deviation is None else f" ± {self.deviation:.1f}"
        return f"{self.mean:.1f}{deviation}"


def by_setting(results: Iterable[Result]) -> list[list[Result]]:
    """Results of equal setting, method and test set together, in the order of their seeds.

    Raises:
        SeeError: two of them have the same seed, too.
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        # Two indexes built in one place, one after the other, are not in the setting.
        key = [result.setting, result.method, result.knobs, result.test]
        groups.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(result)
    for group in groups.values():
        known: dict[str, Result] = {}
        for result in group:
            if first := known.get(str(result.seed)):
                raise SeeError(f"{first.run} and {result.run} have the same settings and seed; leave one of them out")
            known[str(result.seed)] = result
        group.sort(key=lambda result: _natural(result.seed))
    return list(groups.values())


def over_seeds(results: Iterable[Result]) -> list[Result]:
    """One result for those of equal setting and test set: the first, with means of scores and updates, and ranges."""
    return [_joined(group) if len(group) > 1 else group[0] for group in by_setting(results)]


def _joined(group: list[Result]) -> Result:
    means: dict[str, Any] = {}
    ranges: dict[str, tuple[float, float]] = {}
    for name in SCORES:
        values = [getattr(result, name) for result in group]
        means[name] = None if None in values else fmean(values)
        if means[name] is not None:
            ranges[name] = (min(values), max(values))
    return replace(
        group[0],
        run=f"{group[0].run} and {len(group) - 1} more",
        seed=", ".join(str(result.seed) for result in group),
        updates=round(fmean(result.updates for result in group)),
        range=ranges,
        **means,
    )


def _natural(seed: Any) -> tuple[bool, Any]:
    return (False, seed) if isinstance(seed, int) else (True, str(seed))
