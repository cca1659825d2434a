"""What all benchmarks share: timing in turn, peak memory, the machine, results as JSON and Markdown."""

import argparse
import ctypes
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from experiments.run_record import collect_machine, collect_versions, commit
from fairseq_see.io import write_json

STATUS = Path("/proc/self/status")


def in_turn(
    actions: dict[str, Callable[[], Any]], rounds: int, device: str = "cpu", warm_up: bool = True
) -> dict[str, float]:
    """Median seconds of each action, run A B C A B C ... after a warm-up, so that a drifting machine is fair to all."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds + warm_up):
        for name, action in actions.items():
            _wait(device)
            start = time.perf_counter()
            action()
            _wait(device)
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def extra_memory(action: Callable[[], Any], warm_up: bool = True) -> int:
    """Bytes by which an action raises the process's resident memory at its peak (Linux only; 0 elsewhere)."""
    if not STATUS.exists():
        return 0
    if warm_up:
        action()
    # What C's allocator keeps of earlier actions would hide what this one needs.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    action()
    return max(0, resident("VmHWM") - before)


def resident(field: str) -> int:
    """Bytes of this process in memory: now (VmRSS), or at the highest (VmHWM)."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def machine() -> dict[str, str]:
    """What a reader needs to judge the numbers."""
    versions = collect_versions()
    return {
        "machine": collect_machine(),
        "threads": str(torch.get_num_threads()),
        **{name: versions[name] for name in ("torch", "python")},
        "commit": commit(),
    }


def options(about: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, of which the median counts (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    return parser


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def finish(results: dict[str, Any], path: Path | None) -> None:
    """Print what made the numbers, and write all of them if asked to."""
    results = {**results, **machine()}
    print("\n" + "; ".join(f"{name} {results[name]}" for name in ("machine", "threads", "torch", "python", "commit")))
    if path:
        write_json(path, results)
