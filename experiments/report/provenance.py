"""What has to be known to make results again: code, libraries, machine.

python -m experiments.report.provenance FILE    add this code and machine to FILE, where they are not its last entry
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import write_json

UNKNOWN = "not recorded"


def facts() -> dict[str, str]:
    """Commit of this code, versions, processor, and the GPUs that the driver tells of."""
    known = {
        "commit": commit(),
        "torch": _version("torch"),
        "fairseq": _version("fairseq-fixed", "fairseq"),
        "python": platform.python_version(),
        "processor": f"{os.cpu_count()} cores of {_processor()}",
    }
    gpus = _gpus()
    return known | {"gpu": gpus} if gpus else known


def sentence(known: dict[str, str]) -> str:
    """Facts as a line, without the commit."""
    machine = known["processor"] + (f", {known['gpu']}" if "gpu" in known else "")
    return f"torch {known['torch']}, fairseq {known['fairseq']}, Python {known['python']}, {machine}"


def commit() -> str:
    """Of the checkout that this file is in, ``-dirty`` where it has changes; ``unknown`` where there is none.

    In what ``scripts/bundle.sh`` packs, a file tells which checkout that was.
    """
    repository = Path(__file__).resolve().parents[2]
    if (packed := repository / "COMMIT").is_file():
        return packed.read_text(encoding="utf-8").strip()
    if not (repository / ".git").exists():
        return "unknown"
    try:
        command = ["git", "-C", str(repository), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    except OSError:
        return "unknown"


def trained(runs: Iterable[str | Path]) -> tuple[str, str]:
    """The commits that trained runs and the machines, as two lines; of their last starts."""
    entries = [read(Path(run) / "provenance.json")[-1:] for run in runs]
    return (
        counted(entry[0]["commit"] if entry else UNKNOWN for entry in entries),
        counted(sentence(entry[0]) if entry else UNKNOWN for entry in entries),
    )


def counted(values: Iterable[str]) -> str:
    """Each value once, with the number of runs where they differ."""
    counts = Counter(values)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({count} run{'s' * (count > 1)})" for value, count in counts.most_common())


def read(path: Path) -> list[dict[str, str]]:
    """The entries of a file that this module wrote, the latest last; none if there is no such file.

    Raises:
        SeeError: another file.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise SeeError(f"cannot read {path}: {error}; remove it") from error
    wanted = {"commit", "torch", "fairseq", "python", "processor"}
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and wanted <= entry.keys() for entry in entries
    ):
        raise SeeError(f"{path} does not tell what trained a run; remove it")
    return entries


def add(path: Path) -> None:
    """Append this code and machine, unless the last entry is the same."""
    entries, now = read(path), facts()
    if entries[-1:] != [now]:
        write_json(path, [*entries, now])


def _version(*names: str) -> str:
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpus() -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # It tells its errors on stdout, too.
    return "" if done.returncode else ", ".join(filter(None, map(str.strip, done.stdout.split("\n"))))


if __name__ == "__main__":
    with ends_in_one_line():
        add(Path(sys.argv[1]))
