"""``python -m experiments progress``: how far trainings are, from their JSON logs."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from experiments.run_record import read, read_log
from fairseq_see.io import decode_name

HELP = "show how far trainings are: updates, tokens/s, dev perplexity, time left"

SECONDS = 5


class Progress(NamedTuple):
    """How far a training is."""

    state: str  # waiting, starting, training or the state of its record
    updates: int = 0
    goal: int = 0  # updates of the whole training, 0 if unknown
    speed: float | None = None  # tokens a second
    perplexity: float | None = None  # the last on the dev set
    seconds_left: float | None = None

    def __str__(self) -> str:
        """A line for people."""
        parts = [self.state]
        if self.updates:
            parts.append(f"{self.updates:,}/{self.goal:,} updates" if self.goal else f"{self.updates:,} updates")
        if self.speed:
            parts.append(f"{self.speed:,.0f} tokens/s")
        if self.perplexity:
            parts.append(f"dev perplexity {self.perplexity:.2f}")
        if self.seconds_left:
            parts.append(f"{_format_duration(self.seconds_left)} left")
        return ", ".join(parts)


def read_progress(run: Path) -> Progress:
    """How far the training in a folder is."""
    last: dict[str, Any] = {}
    perplexity = None
    for values in read_log(run / "train.log"):
        if "num_updates" in values:
            last = values
        if "valid_ppl" in values:
            perplexity = float(values["valid_ppl"])
    updates, goal = int(last.get("num_updates", 0)), _estimate_goal(run, last)
    for file in ("run.json", "train.json"):
        if (run / file).is_file():
            return Progress(read(run, file).state, updates, goal, None, perplexity)
    if not last:
        return Progress("starting" if (run / "training.yaml").is_file() else "waiting")
    rate = float(last.get("ups", 0))
    left = (goal - updates) / rate if rate and goal > updates else None
    return Progress("training", updates, goal, float(last.get("wps", 0)) or None, perplexity, left)


def _estimate_goal(run: Path, last: dict[str, Any]) -> int:
    """The updates of the whole training; estimated from the share of an epoch where epochs limit it."""
    if not (run / "training.yaml").is_file():
        return 0
    limits = yaml.safe_load((run / "training.yaml").read_text(encoding="utf-8"))["optimization"]
    goals = [limits["max_update"]] if limits.get("max_update") else []
    if limits.get("max_epoch") and float(last.get("update", 0)):
        goals.append(round(limits["max_epoch"] * int(last["num_updates"]) / float(last["update"])))
    return min(goals, default=0)


def _format_duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a run, or a folder of runs")
    parser.add_argument("--follow", action="store_true", help="print a line of one run whenever it has advanced")


def run(args: argparse.Namespace) -> None:
    """Print a line a run, and the time left for all of them; or follow one."""
    if args.follow:
        _follow(args.folder)
    runs = [args.folder, *sorted(path for path in args.folder.glob("*") if path.is_dir())]
    runs = [path for path in runs if (path / "training.yaml").is_file() or (path / "cell.json").is_file()]
    found = {path: read_progress(path) for path in runs}
    for path, progress in found.items():
        print(f"{decode_name(path)}: {progress}")
    ended = sum((path / "train.json").is_file() for path in runs)
    left = [progress.seconds_left for progress in found.values() if progress.seconds_left]
    total = f", {_format_duration(sum(left))} of training left in those that have begun" if left else ""
    print(f"{ended} of {len(runs)} runs have ended{total}")


def _follow(run: Path) -> None:
    """Print until somebody ends this process."""
    shown = None
    while True:
        now = read_progress(run)
        if now.updates and (now.updates, now.perplexity) != shown:
            shown = now.updates, now.perplexity
            print(f"[{decode_name(run)}] {now}", file=sys.stderr, flush=True)
        time.sleep(SECONDS)
