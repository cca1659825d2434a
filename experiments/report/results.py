"""``experiments/results.csv``: a row for each run, small enough to be committed.

Mappings that have other keys in every run (``config``, ``overrides``, ``data``, ``checksums``) are JSON in a cell; a
test set's scores are columns such as ``short.bleu``. Curves and paths stay in the run records.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.run_record import RunRecord
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines, replacing

RESULTS = Path(__file__).resolve().parents[1] / "results.csv"

_CHOSEN = ("corpus", "scale", "method", "variant", "ratio", "seed")
_MEASURED = (
    *("updates", "epochs", "seconds", "dev_perplexity"),
    *("embedding_parameters", "embedding_bytes", "dense_parameters", "model_parameters", "model_bytes"),
    *("parameter_ratio", "byte_ratio"),
)
COLUMNS = (
    *("folder", "name", "kind", "state", "reason", *_CHOSEN, "config", "overrides", *_MEASURED, "matrices"),
    *("commit", "machine", "torch", "fairseq", "python", "sacrebleu", "data", "checksums"),
)
# A run with equal values here is the same run, repeated.
_IDENTITY = ("folder", "name", "kind", *_CHOSEN, "config", "overrides")


def make_row(folder: str, record: RunRecord) -> dict[str, str]:
    """A record as texts, by column.

    Args:
        folder: where the run lay, a label for people.
        record: of the run.
    """
    values: dict[str, Any] = {name: getattr(record, name) for name in COLUMNS if hasattr(record, name)}
    values |= {name: record.config.get(name) for name in _CHOSEN} | record.versions | {"folder": folder}
    values["config"] = {name: value for name, value in record.config.items() if name not in _CHOSEN}
    values["data"] = {name: value for name, value in record.data.items() if name != "training_words"}
    for test, scores in record.metrics.items():
        values |= {f"{test}.{name}": value for name, value in scores.items()}
    return {name: _as_text(value) for name, value in values.items()}


def read_results(path: Path) -> list[dict[str, str]]:
    """The rows of a file that ``update_results`` wrote.

    Raises:
        SeeError: it cannot be read, or is another file.
    """
    reader = csv.DictReader(read_lines(path), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise SeeError(f"{path} is no CSV: {error}") from error
    if missing := set(COLUMNS) - set(reader.fieldnames or ()):
        raise SeeError(f"{path} has no columns {', '.join(sorted(missing))}; choose a file that --results wrote")
    if any(None in row or None in row.values() for row in rows):
        raise SeeError(f"{path} has lines with more or fewer cells than columns")
    return rows


def update_results(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Add rows to a file, each in place of an earlier one of the same run.

    Raises:
        SeeError: the file is there and cannot be read, or cannot be written.
    """
    known = {_identity(row): row for row in (read_results(path) if path.exists() else [])}
    known |= {_identity(row): row for row in rows}
    tests = dict.fromkeys(name for row in known.values() for name in row if name not in COLUMNS)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *tests], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(known.values())


def select(rows: Iterable[dict[str, str]], **wanted: str) -> list[dict[str, str]]:
    """The rows with these values in these columns."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _identity(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in _IDENTITY)


def _as_text(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, float):
        value = round(value, 4)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
