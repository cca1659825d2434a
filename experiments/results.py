"""Runs as a frame, and ``experiments/results.csv``: one line for each run, small enough to be committed.

In the file, mappings that have other keys in every run (``config``, ``overrides``, ``data``, ``checksums``) are JSON in
a cell; a test set's scores are columns such as ``short.bleu``. Curves and paths stay in the run records.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from experiments.run_record import CHOSEN, FILE, read
from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file

RESULTS = Path(__file__).resolve().with_name("results.csv")
SIZES = ["embedding_parameters", "parameter_ratio", "embedding_bytes", "byte_ratio", "shipped_bytes", "model_bytes"]

# A run with equal values here is the same run, repeated.
_IDENTITY = ["folder", "name", "kind", *CHOSEN, "config", "overrides"]
_COLUMNS = [
    *("folder", "name", "kind", "state", "reason", *CHOSEN, "config", "overrides", "updates", "epochs", "seconds"),
    *("dev_perplexity", "embedding_parameters", "embedding_bytes", "shipped_bytes", "dense_parameters"),
    *("model_parameters", "model_bytes", "parameter_ratio", "byte_ratio", "matrices", "commit", "machine"),
    *("torch", "fairseq", "python", "sacrebleu", "data", "checksums"),
]


def read_runs(paths: Sequence[Path]) -> pandas.DataFrame:
    """The runs in folders, at whatever depth their records lie; one line for each run and test set.

    Columns: ``folder``, the fields of a record, CHOSEN of its configuration, ``scores`` (the metrics on this test set),
    ``test`` (empty of a run without scores), and those metrics with their signatures.

    Raises:
        SeeError: a folder holds no record, or a record is damaged.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        records = sorted(path.rglob(FILE))
        if not records:
            raise SeeError(f"no {FILE} in {path}; runs are recorded when they have ended")
        folders |= {record.parent.resolve(): record.parent for record in records}
    lines = []
    for folder in folders.values():
        record = read(folder)
        run = {"folder": folder, **vars(record), **{name: record.config.get(name) for name in CHOSEN}}
        for test, metrics in (record.metrics or {"": {}}).items():
            scores = [name for name, value in metrics.items() if not isinstance(value, str)]
            lines.append({**run, "scores": scores, "test": test, **metrics})
    return pandas.DataFrame(lines, dtype=object)


def list_scores(runs: pandas.DataFrame) -> list[str]:
    """The metrics by which runs were scored on their test sets, without signatures."""
    return [*runs.scores.explode().dropna().unique()]


def make_row(run: Mapping[str, Any]) -> dict[str, str]:
    """A line of ``read_runs`` as texts, by column; its folder is that in which the run's lies."""
    values = {**run, **run["versions"], "folder": run["folder"].resolve().parent.name}
    values["config"] = {name: value for name, value in run["config"].items() if name not in CHOSEN}
    values["data"] = {name: value for name, value in run["data"].items() if name != "training_words"}
    row = {name: values.get(name) for name in _COLUMNS}
    for test, scores in run["metrics"].items():
        row |= {f"{test}.{name}": value for name, value in scores.items()}
    return {name: _format_value(value) for name, value in row.items()}


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
    return frame


def update_results(path: Path, runs: pandas.DataFrame) -> None:
    """Add runs to a file, each in place of an earlier one of it.

    Raises:
        SeeError: the file is there and cannot be read, or cannot be written.
    """
    known = [read_results(path)] if path.exists() else []
    rows = pandas.DataFrame(map(make_row, runs.drop_duplicates("folder").to_dict("records")))
    frame = pandas.concat([*known, rows]).fillna("")
    with replace_file(path) as temporary:
        frame.groupby(_IDENTITY, sort=False).last().reset_index()[[*frame]].to_csv(temporary, index=False)


def _format_value(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, float):
        value = round(value, 4)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
