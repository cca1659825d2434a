"""Runs as they lie in folders: those with scores, and those without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.report.missing import Missing, unscored, unstarted
from experiments.report.runs import Result, read_results
from fairseq_see.errors import SeeError


def read_folders(paths: Sequence[Path]) -> tuple[list[Result], list[Missing]]:
    """Results with scores, and the runs without.

    Args:
        paths: folders of runs, or folders of such folders.

    Raises:
        SeeError: there are no runs, none is scored, or a file is damaged.
    """
    scored: list[Result] = []
    missing: list[Missing] = []
    for path in paths:
        runs = [path] if _is_run(path) else sorted(child for child in _children(path) if _is_run(child))
        folder = path.parent if _is_run(path) else path
        if not runs and not list(folder.glob("*.runs.json")):
            raise SeeError(f"no runs in {path}; scripts/train.sh and scripts/sweep.sh make them")
        for run in runs:
            results = read_results(run) if (run / "checkpoints" / "checkpoint_best.pt").is_file() else []
            of_run = [result for result in results if result.test is not None]
            scored += of_run
            if not of_run:
                missing.append(unscored(run, results))
        if folder is path:
            missing += unstarted(folder, (run.name for run in runs))
    if not scored:
        raise SeeError(f"none of the runs in {', '.join(map(str, paths))} is scored; scripts/score.sh does it")
    return scored, missing


def _is_run(path: Path) -> bool:
    return (path / "checkpoints").is_dir() or (path / "train.settings").is_file()


def _children(path: Path) -> list[Path]:
    try:
        return [child for child in path.iterdir() if child.is_dir()]
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror}") from error
