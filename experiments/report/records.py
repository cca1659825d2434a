"""A small JSON of each run: what a reader of its results needs, and nobody can compute who has not got the run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from experiments.report import header, provenance, texts
from experiments.report.folders import read_folders
from experiments.report.missing import Missing
from experiments.report.runs import Result, dictionaries, settings_of
from experiments.run_list import values_of
from experiments.training_log import best_perplexity, perplexities, seconds
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines, write_json


def write_records(paths: Sequence[Path], out: Path) -> tuple[list[Path], list[Missing]]:
    """Write ``out``/NAME.json for each scored run.

    Args:
        paths: folders of runs, or folders of such folders.
        out: where to.

    Returns:
        the files, and the runs that have none because they are not scored.

    Raises:
        SeeError: no run is scored, two have the same name, or a file is damaged.
    """
    scored, missing = read_folders(paths)
    runs = [list(results) for _, results in groupby(scored, key=lambda result: result.run)]
    names = [results[0].name for results in runs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SeeError(f"two runs are named {twice[0]}; write them to different folders")
    made = {out / f"{name}.json": record(results) for name, results in zip(names, runs, strict=True)}
    for path, content in made.items():
        write_json(path, content)
    return list(made), missing


def record(results: Sequence[Result]) -> dict[str, Any]:
    """What is kept of one run.

    Sizes are those of :class:`~experiments.report.runs.Result`; ``updates`` are of the checkpoint that was scored, the
    one with the lowest loss on the dev set, ``trained_updates`` of the whole training. Checksums are those of
    ``train.settings`` and, of dictionaries, the beginning of their sha256. No value has a path of this machine in it.

    Args:
        results: of one run, for each of its test sets.
    """
    first = results[0]
    run = Path(first.run)
    dev = perplexities(run)
    trained, fitted = settings_of(run), settings_of(run, "fit")
    overrides = values_of(trained.get("override", []))
    return {
        "name": first.name,
        "method": first.method,
        "made": first.made,
        "scale": header.scale(first),
        "asked_ratio": first.asked,
        "ratio": round(first.ratio, 4),
        "parameters": first.parameters,
        "dense_parameters": first.dense_parameters,
        "bytes": first.bytes,
        "model_parameters": first.model_parameters,
        "model_bytes": first.model_bytes,
        "knobs": first.knobs,
        "seed": first.seed,
        "updates": first.updates,
        "trained_updates": dev[-1][0] if dev else None,
        "dev_perplexity": best_perplexity(run),
        "seconds": seconds(run),
        "configuration": "".join(trained.get("configuration", [])) or None,
        "overrides": {key: portable(value) for key, value in overrides.items()},
        "fit": [portable(option) for option in fitted.get("option", [])],
        "data": _data(first, trained),
        "scores": {str(result.test): _scores(run, str(result.test)) for result in results},
        "trained": provenance.read(run / "provenance.json"),
    }


def portable(value: str) -> str:
    """A setting's value, each absolute path in it without its folders; of a checkpoint the run it is of stays."""
    return re.sub(r"(?<![^'\"\[,:])/[^'\"\],:]*", lambda path: _end(Path(path[0])), value)


def _end(path: Path) -> str:
    return "/".join(path.parts[-3:]) if path.parent.name == "checkpoints" else path.name


def _data(result: Result, settings: dict[str, list[str]]) -> dict[str, Any]:
    run = Path(result.run)
    indexes = run / "train.indexes"
    return {
        "name": texts.prepared(result).name,
        "checksum": "".join(settings.get("data", [])) or None,
        "training_pairs": texts.training_pairs(result),
        "tables": result.tables,
        "dictionaries": dictionaries(run),
        "indexes": "".join(read_lines(indexes)) or None if indexes.is_file() else None,
    }


def _scores(run: Path, test: str) -> dict[str, Any]:
    """All that scripts/score.sh told, signatures among it, and which references it was told about."""
    references = run / f"{test}.ref"
    known = {"references": texts.digest(read_lines(references))} if references.is_file() else {}
    scores = json.loads((run / f"{test}.scores.json").read_text(encoding="utf-8"))
    return known | {name: value for name, value in scores.items() if name != "test"}
