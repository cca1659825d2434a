"""What all benchmarks share: timing in turn, peak memory, the machine, results as JSON and as tables in Markdown."""

import argparse
import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tabulate import tabulate

from experiments.run_record import collect_machine, collect_versions, find_commit
from fairseq_see.io import write_json

STATUS = Path("/proc/self/status")

Actions = Mapping[str, Callable[[], Any]]
Results = dict[str, dict[str, float]]


def time_in_turn(actions: Actions, rounds: int, device: str = "cpu", warm_up: bool = True) -> dict[str, float]:
    """Median seconds of each action, run A B C A B C ... after a warm-up, so that a drifting machine is fair to all."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds + warm_up):
        for name, action in actions.items():
            seconds = _time(action, device)
            if turn >= warm_up:
                times[name].append(seconds)
    return {name: median(seconds) for name, seconds in times.items()}


def _time(action: Callable[[], Any], device: str) -> float:
    """Seconds of one call, on a GPU by CUDA's events."""
    if device == "cpu":
        start = time.perf_counter()
        action()
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    action()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3


def measure_memory(action: Callable[[], Any], device: str = "cpu") -> int:
    """Bytes by which an action raises what is in use at its peak: a GPU's memory, or the process's (Linux only)."""
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        action()
        return torch.cuda.max_memory_allocated() - before
    if not STATUS.exists():
        return 0
    # What C's allocator keeps of earlier actions would hide what this one needs.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _read_status("VmRSS")
    action()
    return max(0, _read_status("VmHWM") - before)


def _read_status(field: str) -> int:
    """Bytes of this process in memory: now (VmRSS), or at the highest (VmHWM)."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def measure(actions: Actions, rounds: int, device: str = "cpu", warm_up: bool = True) -> Results:
    """Median ``seconds`` of each action, and its extra ``memory`` in bytes.

    The memory is that of a call by itself, without ``warm_up`` the first; with no rounds its time counts, too.
    """
    results = {}
    for name, action in actions.items():
        if warm_up:
            action()
        times: list[float] = []
        memory = measure_memory(lambda action=action, times=times: times.append(_time(action, device)), device)
        results[name] = {"seconds": times[0], "memory": memory}
    if rounds:
        for name, seconds in time_in_turn(actions, rounds, device, warm_up=False).items():
            results[name]["seconds"] = seconds
    return results


def repeat(action: Callable[[], Any], times: int) -> Callable[[], Any]:
    """An action that is too short to be timed alone, so many times."""
    return lambda: [action() for _ in range(times)]


def describe_machine() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    versions = {name: collect_versions()[name] for name in ("torch", "python")}
    return {"machine": collect_machine(), "threads": str(torch.get_num_threads()), **versions, "commit": find_commit()}


def make_parser(about: str | None, words: bool = True) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, of which the median counts (default: 5)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    if words:
        parser.add_argument("--words", type=int, default=40_000, help="V, of both languages (default: 40,000)")
    return parser


def print_table(rows: Sequence[Mapping[str, Any]], *formats: str) -> None:
    """Print rows, by column, as Markdown; ``formats`` are those of the columns' figures."""
    print("\n" + tabulate(rows, headers="keys", tablefmt="pipe", intfmt=",", floatfmt=formats), flush=True)


def finish(results: dict[str, Any], path: Path | None) -> None:
    """Print what made the figures, and write all of them if asked to."""
    made = describe_machine()
    print("\n" + "; ".join(f"{name} {value}" for name, value in made.items()))
    if path:
        write_json(path, results | made)
