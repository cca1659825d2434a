"""Why a cell of the table is empty: never run, still running, failed, or out of the method's reach."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.report.runs import Result, base_method, settings_of
from experiments.run_list import read_json, values_of
from experiments.training_log import read_curve
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.units.controls import CONTROLS

# What scripts/sweep.sh leaves beside the runs of a list.
RECORDS = "*.runs.json"

NOT_SCORED = ("not scored", "trained, not scored (scripts/score.sh)")


@dataclass(frozen=True)
class Missing:
    """A run without scores.

    Attributes:
        name: of its folder.
        method: what it was to be, as a result has it.
        ratio: what it was to reach, None if it was given no ratio.
        kind: a word or two for a cell of a table.
        reason: the whole story.
    """

    name: str
    method: str
    ratio: float | None
    kind: str
    reason: str


def unscored(path: Path, results: Sequence[Result] = ()) -> Missing:
    """What became of a run that has no scores, from its settings and its log; or from its model if that is all."""
    settings = settings_of(path)
    if results and not settings:
        return Missing(path.name, results[0].method, results[0].asked, *NOT_SCORED)
    overrides = settings.get("override", [])
    return _missing(path.name, overrides, *_fate(path, overrides))


def unstarted(folder: Path, known: Iterable[str]) -> list[Missing]:
    """Runs of the lists that scripts/sweep.sh keeps in ``folder``, without those of the names that are ``known``."""
    names = set(known)
    return [
        _missing(run.name, run.overrides, "not run", f"in {record.name}, not started")
        for record in sorted(folder.glob(RECORDS))
        for run in read_json(record)
        if run.name not in names
    ]


class Planner:
    """Says of a method and a ratio that nobody ran whether the method reaches it, on the tables that most runs have."""

    def __init__(self, results: list[Result]) -> None:
        self.results = results
        ((self.tables, _),) = Counter(result.tables for result in results).most_common(1)
        self._indexes: list[Any] | None = None

    def reason(self, method: str, ratio: float) -> Missing:
        """Infeasible, or not run."""
        from fairseq_see.embeddings import complete_config, embedding_class

        base = base_method(method)
        indexes = self._unit_indexes() if embedding_class(base).uses_index else [None] * len(self.tables)
        for (rows, dim), index in zip(self.tables, indexes, strict=False):
            try:
                complete_config(base, rows, dim, ratio, index)
            except InfeasibleRatio as error:
                nearest = f", nearest {error.nearest:.3g}x" if error.nearest else ""
                return Missing("-", method, ratio, f"infeasible{nearest}", str(error))
        return Missing("-", method, ratio, "not run", "no such run")

    def _unit_indexes(self) -> list[Any]:
        """Those of a run with senses, which serve the methods without; none if there is no such run."""
        if self._indexes is None:
            from fairseq_see.embeddings import REGISTRY, SEEEmbedding
            from fairseq_see.models.checkpoint import load_embeddings

            # A control's method is registered under no such name, and its index is another.
            methods = [name for name, cls in REGISTRY.items() if issubclass(cls, SEEEmbedding)]
            like = [other for other in self.results if other.method in methods and other.tables == self.tables]
            tables: list[Any] = []
            if like:
                tables += load_embeddings(Path(like[0].run) / "checkpoints" / "checkpoint_best.pt").values()
            self._indexes = [table.index.unit_index() for table in tables]
        return self._indexes


def _missing(name: str, overrides: list[str], kind: str, reason: str) -> Missing:
    chosen = values_of(overrides)
    ratio = chosen.get("model.see_ratio", "")
    asked = float(ratio) if re.fullmatch(r"[\d.]+", ratio) else None
    method = chosen.get("model.see_method", "see")
    index = Path(chosen.get("model.see_index", "")).name
    control = next((control for control in CONTROLS if index == control or index.startswith(f"{control}-")), None)
    return Missing(name, f"{method}, {control}" if control else method, asked, kind, reason)


def _fate(path: Path, overrides: list[str]) -> tuple[str, str]:
    """Kind and reason."""
    if (path / "done").is_file():
        return NOT_SCORED
    log = path / "train.log"
    end = _tail(log)
    if refusals := [line for line in end if line.startswith("error: ")]:
        message = refusals[-1].removeprefix("error: ")
        return ("infeasible" if "nearest ratio" in message else "failed"), message
    # Looking for where it began, fairseq runs the batch again, and may then fail of something else.
    if diverged := [line for line in _tail(log, 200) if line.startswith("FloatingPointError: ")]:
        return "diverged", diverged[-1].removeprefix("FloatingPointError: ")
    errors = [line for line in end if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    if errors:
        return "failed", errors[-1][:200]
    curve = [row for row in read_curve(log) if row["updates"]]
    if not curve:
        return "unfinished", "stopped before its first update was logged, or still running"
    wanted = next((item.partition("=")[2] for item in overrides if "optimization.max_update=" in item), None)
    of = f" of {int(wanted):,}" if wanted and wanted.isdigit() else ""
    last = max(int(row["updates"]) for row in curve)
    return "unfinished", f"stopped or still running: {last:,}{of} updates in its log"


def _tail(log: Path, lines: int = 40, size: int = 50_000) -> list[str]:
    """The last lines of a log."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - size))
        return file.read().decode("utf-8", errors="replace").splitlines()[-lines:]
