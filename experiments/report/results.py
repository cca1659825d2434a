"""``experiments/results.csv``: one line for each run, small enough to be committed.

Mappings that have other keys in every run (``config``, ``overrides``, ``data``, ``checksums``) are JSON in a cell; a
test set's scores are columns such as ``short.bleu``. Curves and paths stay in the run records.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas

from experiments.run_record import RunRecord
from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file

RESULTS = Path(__file__).resolve().parents[1] / "results.csv"

_CHOSEN = ("corpus", "scale", "method", "variant", "ratio", "seed")
_MEASURED = (
    *("updates", "epochs", "seconds", "dev_perplexity"),
    *("embedding_parameters", "embedding_bytes", "shipped_bytes", "dense_parameters", "model_parameters"),
    *("model_bytes", "parameter_ratio", "byte_ratio"),
)
COLUMNS = (
    *("folder", "name", "kind", "state", "reason", *_CHOSEN, "config", "overrides", *_MEASURED, "matrices"),
    *("commit", "machine", "torch", "fairseq", "python", "sacrebleu", "data", "checksums"),
)
# A run with equal values here is the same run, repeated.
_IDENTITY = ["folder", "name", "kind", *_CHOSEN, "config", "overrides"]


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
    return {name: _format_value(value) for name, value in values.items()}


def read_results(path: Path) -> pandas.DataFrame:
    """The rows of a file that ``update_results`` wrote, as texts.

    Raises:
        SeeError: it cannot be read, or is another file.
    """
    try:
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError) as error:
        raise SeeError(f"cannot read {path} as CSV: {' '.join(str(error).split())}") from error
    if missing := {*_IDENTITY, "state"} - set(frame):
        raise SeeError(f"{path} has no columns {', '.join(sorted(missing))}; choose a file that --results wrote")
    if (frame[["folder", "name", "kind", "state"]] == "").any(axis=None):
        raise SeeError(f"{path} has lines with fewer cells than columns")
    return _order_columns(frame)


def update_results(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Add rows to a file, each in place of an earlier one of the same run.

    Raises:
        SeeError: the file is there and cannot be read, or cannot be written.
    """
    known = [read_results(path)] if path.exists() else []
    frame = _order_columns(pandas.concat([*known, pandas.DataFrame(rows)]))
    with replace_file(path) as temporary:
        frame.groupby(_IDENTITY, sort=False).last().reset_index()[[*frame]].to_csv(temporary, index=False)


def _order_columns(frame: pandas.DataFrame) -> pandas.DataFrame:
    """COLUMNS, of which earlier files lack some, before those of the test sets."""
    columns = [*COLUMNS, *(name for name in frame if name not in COLUMNS)]
    return frame.reindex(columns=columns, fill_value="").fillna("")


def _format_value(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, float):
        value = round(value, 4)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
