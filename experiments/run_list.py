"""Lists of runs, which scripts/sweep.sh trains here and scripts/bundle.sh packs for another machine.

python -m experiments.run_list RUNS.yaml CONFIGS RUNS.json

A list is checked and turned from YAML into JSON where the YAML is; whoever works through it only reads JSON.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from fairseq_see import io
from fairseq_see.errors import SeeError, ends_in_one_line

# What is set where the runs are trained.
OWN = ("task.data", "checkpoint.save_dir", "optimization.stop_time_hours")

# The scripts read a run from a line, its parts between tabs.
_BREAKS = set("\t\r\n")


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: its folder's name.
        config: name of a YAML of ``configs/``, without the ending.
        overrides: ``key=value`` as for ``scripts/train.sh``.
    """

    name: str
    config: str
    overrides: list[str]


def read_yaml(path: Path, configs: Path) -> list[Run]:
    """The runs of a YAML file: a list under ``runs``, each with ``name``, ``config`` and, if it likes, more.

    ``overrides`` maps keys of the configuration to values, or lists key=value. ``grid`` maps keys to lists of values:
    there is a run for each combination, and its name ends with them (``see-10-1``).

    Raises:
        SeeError: anything about it is wrong.
    """
    content = load_yaml(path)
    rows = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise SeeError(f"{path} has no list named runs")
    runs = [run for number, row in enumerate(rows, 1) for run in _runs(row, f"{path}, run {number}", configs)]
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise SeeError(f"{path}: two runs are named {next(name for name in names if names.count(name) > 1)}")
    return runs


def bare(key: object) -> str:
    """The key of an override without the signs by which hydra adds and removes keys."""
    return str(key).lstrip("+~")


def values_of(overrides: Iterable[str]) -> dict[str, str]:
    """What overrides KEY=VALUE set, by their bare keys."""
    parts = (override.partition("=") for override in overrides if not override.startswith("~"))
    return {bare(key): value for key, _, value in parts}


def load_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        SeeError: it cannot be read, or is no YAML.
    """
    import yaml

    try:
        return yaml.safe_load("\n".join(io.read_lines(path)))
    except yaml.YAMLError as error:
        raise SeeError(f"{path} is no YAML: {' '.join(str(error).split())}") from error


def read_json(path: Path) -> list[Run]:
    """The runs as ``write_json`` left them."""
    try:
        return [Run(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise SeeError(f"cannot read {path}: {error}; unpack the archive again") from error


def write_json(runs: list[Run], path: Path) -> None:
    """Write the runs for ``read_json``."""
    io.write_json(path, [asdict(run) for run in runs])


def _runs(row: Any, where: str, configs: Path) -> list[Run]:
    """The run of a row, or those of its grid."""
    if not isinstance(row, dict) or not {"name", "config"} <= row.keys() <= {"name", "config", "overrides", "grid"}:
        raise SeeError(f"{where}: write name, config and, if needed, overrides and grid, and nothing else")
    name, config = str(row["name"]), str(row["config"]).removesuffix(".yaml")
    if "/" in config or not (configs / f"{config}.yaml").is_file():
        raise SeeError(f"{where}: there is no {config}.yaml in {configs}")
    overrides = as_overrides(row.get("overrides") or [], where)
    grid = row.get("grid") or {}
    if not isinstance(grid, dict) or not all(isinstance(values, list) and values for values in grid.values()):
        raise SeeError(f"{where}: a grid maps keys to lists of values")
    for key in [*(override.partition("=")[0] for override in overrides), *grid]:
        if bare(key) in OWN:
            raise SeeError(f"{where}: {key} is set by the script that trains, not by a run")
    runs = []
    for values in product(*grid.values()):
        chosen = as_overrides(dict(zip(grid, values, strict=True)), where)
        # A list, such as fairseq's learning rate is, without its brackets.
        written = [override.partition("=")[2].strip("[]").replace(",", "_") for override in chosen]
        full = "-".join([name, *written])
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", full):
            raise SeeError(f"{where}: the name {full!r} must be of letters, digits, . _ -")
        runs.append(Run(full, config, overrides + chosen))
    return runs


def as_overrides(given: Any, where: str) -> list[str]:
    """``key=value`` of a mapping, or of a list of such, as a YAML file has them.

    Raises:
        SeeError: anything else; ``where`` it stands is told.
    """
    if isinstance(given, dict):
        return [f"{key}={_written(value, where)}" for key, value in given.items()]
    if not isinstance(given, list) or not all(
        isinstance(item, str) and "=" in item.strip("=") and not _BREAKS & set(item) for item in given
    ):
        raise SeeError(f"{where}: overrides are a mapping of keys to values, or a list of key=value")
    return given


def _written(value: Any, where: str) -> str:
    """A YAML value as hydra's command line writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(_written(item, where) for item in value)}]"
    if isinstance(value, str | int | float) and not _BREAKS & set(str(value)):
        return str(value)
    raise SeeError(f"{where}: {value!r} cannot be an override's value; use a number, a word or a list")


def main() -> int:
    """Check and convert a file; print a line for each run: its name, its configuration, its overrides, tabs between."""
    parser = argparse.ArgumentParser(prog="python -m experiments.run_list", description=main.__doc__)
    for name in ("source", "configs", "output"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    with ends_in_one_line():
        runs = read_yaml(args.source, args.configs)
        write_json(runs, args.output)
    print("\n".join("\t".join((run.name, run.config, *run.overrides)) for run in runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
