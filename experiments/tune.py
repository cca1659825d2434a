"""A search of learning rate and warm-up: the same trials for every method, and the best of each on the dev set.

python -m experiments.tune OUT --data DIR --config CONFIG --ratio R --seed S --updates N
    --methods M ... --rates A ... --warmups W ... [--overrides KEY=VALUE ...] [--list FILE]

A trial is a short training: its rate rises over the warm-up, then falls in a straight line to zero at the last update.
Its folder's name says what it tries, so what was tried is known without a record of it. Nothing here looks at a test
set. ``scripts/search.sh`` does the work.
"""

import argparse
import math
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from experiments.hyperparameters import Overrides, check_recipe, joined, length, write_recipes
from experiments.paper_tables import Cell, cells, write_lists
from experiments.report import provenance
from experiments.report.missing import unscored
from experiments.report.runs import settings_of
from experiments.training_log import perplexities, seconds
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replacing

# States in which nothing is left to train.
ENDED = ("finished", "diverged", "infeasible")


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes:
        method: name of an embedding.
        rate: the highest learning rate, that at the end of the warm-up.
        warmup: updates until then.
        updates: of the whole training.
    """

    method: str
    rate: float
    warmup: int
    updates: int

    @property
    def name(self) -> str:
        """Its folder's name."""
        rate = str(self.rate).replace("+", "")
        return f"{self.method}-rate{rate}-warmup{self.warmup}-updates{self.updates}"

    @classmethod
    def named(cls, name: str) -> "Trial | None":
        """The trial whose folder has this name; None if it is no trial's."""
        found = re.fullmatch(r"(\w+)-rate([\d.e-]+)-warmup(\d+)-updates(\d+)", name)
        return cls(found[1], float(found[2]), int(found[3]), int(found[4])) if found else None

    @property
    def recipe(self) -> Overrides:
        """What it tries, and can be carried over to a training of any length."""
        return {
            "optimization.lr": [self.rate],
            "lr_scheduler._name": "polynomial_decay",
            "lr_scheduler.warmup_updates": self.warmup,
        }


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        trial: which.
        state: finished, diverged, infeasible, failed, unfinished or not started.
        note: the reason, where it did not finish.
        perplexity: the lowest on the dev set, None without any.
        seconds: of training and validating, None if it never began.
    """

    trial: Trial
    state: str
    note: str = ""
    perplexity: float | None = None
    seconds: float | None = None


def grid(methods: Iterable[str], rates: Iterable[float], warmups: Iterable[int], updates: int) -> list[Trial]:
    """Every rate with every warm-up, for each method.

    Raises:
        SeeError: a warm-up leaves no updates for the rest.
    """
    trials = [Trial(*point, updates) for point in product(methods, rates, warmups)]
    for trial in trials:
        if trial.warmup >= updates:
            raise SeeError(f"--warmups {trial.warmup} leaves none of the {updates} updates for the rate to fall in")
    return list(dict.fromkeys(trials))


def tried(out: Path, updates: int) -> list[Trial]:
    """The trials of so many updates that have a folder in ``out``."""
    trials = [Trial.named(path.name) for path in sorted(out.iterdir()) if path.is_dir()]
    return [trial for trial in trials if trial and trial.updates == updates]


def outcome(trial: Trial, run: Path) -> Outcome:
    """What became of a trial, by its folder."""
    if not (run / "train.log").is_file():
        return Outcome(trial, "not started")
    fate = unscored(run)
    state, note = ("finished", "") if (run / "done").is_file() else (fate.kind, fate.reason)
    found = [perplexity for _, perplexity in perplexities(run)]
    finite = [perplexity for perplexity in found if math.isfinite(perplexity)]
    # fairseq itself ends a training whose gradients are no numbers, but may validate it before.
    if len(finite) < len(found) and state != "diverged":
        state, note = "diverged", "the perplexity is no number"
    return Outcome(trial, state, note, min(finite, default=None), seconds(run))


def best(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """By method, the finished trial with the lowest perplexity; of equal ones the first."""
    found: dict[str, Outcome] = {}
    for candidate in outcomes:
        if candidate.state == "finished" and candidate.perplexity is not None:
            known = found.get(candidate.trial.method)
            if known is None or known.perplexity is None or candidate.perplexity < known.perplexity:
                found[candidate.trial.method] = candidate
    return found


def remarks(outcomes: Sequence[Outcome], chosen: dict[str, Outcome]) -> list[str]:
    """What keeps the best from being the best: an edge of the grid, unequal grids, methods without any."""
    grids: dict[str, set[tuple[float, int]]] = {}
    for item in outcomes:
        grids.setdefault(item.trial.method, set()).add((item.trial.rate, item.trial.warmup))
    whole = set().union(*grids.values())
    said = [
        f"{method}: {name} {value:g} is the {side} of those tried; the best may lie beyond it"
        for method, winner in chosen.items()
        for name, value, values in (
            ("rate", winner.trial.rate, {rate for rate, _ in grids[method]}),
            ("warm-up", winner.trial.warmup, {warmup for _, warmup in grids[method]}),
        )
        for side, edge in (("lowest", min(values)), ("highest", max(values)))
        if len(values) > 1 and value == edge
    ]
    if any(points < whole for points in grids.values()):
        counts = ", ".join(f"{method} {len(points)}" for method, points in grids.items())
        said.append(f"the methods have not had the same trials ({counts}, of {len(whole)} different ones)")
    return said + [f"{method}: no trial finished, so it has no recipe" for method in grids if method not in chosen]


def table(outcomes: Iterable[Outcome], chosen: dict[str, Outcome]) -> list[str]:
    """Lines of Markdown, one a trial."""
    lines = [
        "| method | rate | warm-up | updates | perplexity (dev) | seconds | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for item in outcomes:
        trial = item.trial
        value = "" if item.perplexity is None else f"{item.perplexity:g}"
        time = "" if item.seconds is None else f"{item.seconds:.0f}"
        said = ": ".join(filter(None, (item.state, item.note.replace("|", "\\|"))))
        if item.state == "finished":
            said = "best" if chosen.get(trial.method) == item else ""
        row = (trial.method, f"{trial.rate:g}", trial.warmup, trial.updates, value, time, said)
        lines.append(f"| {' | '.join(map(str, row))} |")
    return lines


def _facts(args: argparse.Namespace, outcomes: Sequence[Outcome]) -> list[str]:
    """What made the trials: one command that would make all of them, data, commit, machine."""
    trials = [item.trial for item in outcomes]
    data = args.data.resolve().name
    words = ["scripts/search.sh", data, args.out.resolve().name]
    words += ["--methods", " ".join(dict.fromkeys(trial.method for trial in trials)), "--ratio", f"{args.ratio:g}"]
    words += ["--rates", " ".join(f"{rate:g}" for rate in sorted({trial.rate for trial in trials}))]
    words += ["--warmups", " ".join(map(str, sorted({trial.warmup for trial in trials})))]
    words += ["--updates", str(args.updates), "--seed", str(args.seed), "--config", args.config, *args.overrides]
    runs = [args.out / trial.name for trial in trials]
    checksums = dict.fromkeys(value for run in runs for value in settings_of(run).get("data", []))
    entries = [entry for run in runs for entry in provenance.read(run / "provenance.json")[-1:]]
    return [
        f"command: bash {shlex.join(words)}",
        f"data: {data}, checksum {', '.join(checksums) or 'not known'}",
        f"commit: {', '.join(dict.fromkeys(entry['commit'] for entry in entries)) or 'not known'}",
        *(f"machine: {machine}" for machine in dict.fromkeys(map(provenance.sentence, entries))),
    ]


def _write(args: argparse.Namespace, wanted: Sequence[Trial], common: Overrides) -> None:
    """Write the table, print it, and write the recipes if every trial has ended."""
    methods = [*args.methods, *sorted({trial.method for trial in tried(args.out, args.updates)})]
    trials = {*wanted, *tried(args.out, args.updates)}
    ordered = sorted(trials, key=lambda trial: (methods.index(trial.method), trial.rate, trial.warmup))
    outcomes = [outcome(trial, args.out / trial.name) for trial in ordered]
    chosen = best(outcomes)
    facts, said = _facts(args, outcomes), remarks(outcomes, chosen)
    lines = ["# Learning rate and warm-up", "", *table(outcomes, chosen), "", *(f"- {line}" for line in said + facts)]
    with replacing(args.out / "trials.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    left = [item.trial.name for item in outcomes if item.state not in ENDED]
    if left:
        raise SeeError(
            f"no recipes yet: of {len(outcomes)} trials {len(left)} have not ended, {left[0]} among them; start again"
        )
    if not chosen:
        raise SeeError(f"no trial finished, so there are no recipes; {args.out / 'trials.md'} says why")
    recipes = {method: item.trial.recipe | common for method, item in chosen.items()}
    write_recipes(args.out / "recipes.yaml", recipes, ["The best of each method on the dev set.", *said, *facts])


def main() -> int:
    """Write the trials' table and the best recipes to OUT; with --list only a list of those to train and its length."""
    parser = argparse.ArgumentParser(prog="python -m experiments.tune", description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--ratio", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--updates", type=int, required=True)
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--rates", nargs="+", type=float, required=True)
    parser.add_argument("--warmups", nargs="+", type=int, required=True)
    parser.add_argument("--overrides", nargs="*", default=[])
    parser.add_argument("--list", type=Path)
    args = parser.parse_args()
    with ends_in_one_line():
        models = cells("table2", args.methods, [args.ratio], [args.seed])
        wanted = grid(args.methods, args.rates, args.warmups, args.updates)
        common = check_recipe(dict(item.split("=", 1) for item in args.overrides), "key=value")
        if not args.list:
            _write(args, wanted, common)
            return 0
        model_of = {cell.overrides["model.see_method"]: cell.overrides for cell in models}
        left = [trial for trial in wanted if outcome(trial, args.out / trial.name).state != "diverged"]
        runs = [
            Cell(trial.name, joined(model_of[trial.method] | trial.recipe | length(trial.updates), common, "key=value"))
            for trial in left
        ]
        write_lists(runs, args.config, args.list)
    print(len(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
