"""A search of learning rate and warm-up: the same trials for every method, and the best of each on the dev set.

python -m experiments.tune OUT TRAIN.json ...

The target ``tune`` of experiments/Snakefile makes the trials. OUT/trials.md has all of them, OUT/hyperparameters.yaml
the overrides of the best, for ``--config hyperparameters=``. No test set is translated.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from experiments import paper_tables
from experiments.run_record import RunRecord
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replacing


class Trial(NamedTuple):
    """A short training.

    Attributes:
        method: name of an embedding.
        rate: the highest learning rate.
        warmup: updates until then.
        record: what came of it.
        perplexity: the lowest on the dev set; None of a trial that diverged or is infeasible.
    """

    method: str
    rate: float
    warmup: int
    record: RunRecord
    perplexity: float | None


def read_trial(path: Path) -> Trial:
    """The trial of a RUN/train.json."""
    record = RunRecord(**json.loads(path.read_text(encoding="utf-8")))
    rate = float(record.overrides.get("optimization.lr", "[nan]").strip("[]"))
    warmup = int(record.overrides.get("lr_scheduler.warmup_updates", 0))
    perplexities = [perplexity for _, perplexity in record.curve] if record.state == "trained" else []
    return Trial(record.config["method"], rate, warmup, record, min(perplexities, default=None))


def choose_best(trials: Sequence[Trial]) -> dict[str, Trial]:
    """By method, the trial with the lowest perplexity; of equal ones the first."""
    best: dict[str, Trial] = {}
    for candidate in trials:
        known = best.get(candidate.method)
        if candidate.perplexity is not None and (
            known is None or known.perplexity is None or candidate.perplexity < known.perplexity
        ):
            best[candidate.method] = candidate
    return best


def remarks(trials: Sequence[Trial], best: dict[str, Trial]) -> list[str]:
    """What speaks against the choice: a best at the edge of the grid, and methods without any."""
    found = []
    for method, winner in best.items():
        own = [trial for trial in trials if trial.method == method]
        for name, value, values in (
            ("rate", winner.rate, {trial.rate for trial in own}),
            ("warm-up", winner.warmup, {trial.warmup for trial in own}),
        ):
            for side, edge in (("lowest", min(values)), ("highest", max(values))):
                if len(values) > 1 and value == edge:
                    found.append(f"{method}: {name} {value:g} is the {side} of those tried; the best may lie beyond it")
    lacking = dict.fromkeys(trial.method for trial in trials if trial.method not in best)
    return found + [f"{method}: no trial finished" for method in lacking]


def table(trials: Sequence[Trial], best: dict[str, Trial]) -> list[str]:
    """Lines of Markdown, one a trial."""
    lines = ["| method | rate | warm-up | updates | dev perplexity | seconds | |", "|---|---:|---:|---:|---:|---:|---|"]
    for item in trials:
        record = item.record
        value = "" if item.perplexity is None else f"{item.perplexity:g}"
        note = "best" if best.get(item.method) == item else record.reason.replace("|", r"\|")
        row = (item.method, f"{item.rate:g}", item.warmup, record.updates or "", value, record.seconds or "", note)
        lines.append(f"| {' | '.join(map(str, row))} |")
    return lines


def main() -> int:
    """Write and print the table of trials; write the best hyper-parameters."""
    parser = argparse.ArgumentParser(prog="python -m experiments.tune", description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("trials", type=Path, nargs="+")
    args = parser.parse_args()
    with ends_in_one_line():
        trials = [read_trial(path) for path in args.trials]
        best = choose_best(trials)
        notes = remarks(trials, best)
        facts = dict.fromkeys(f"commit {trial.record.commit}, {trial.record.machine}" for trial in trials)
        notes += [fact for fact in facts if fact != "commit , "]
        lines = ["# Learning rate and warm-up", "", *table(trials, best), "", *(f"- {note}" for note in notes)]
        with replacing(args.out / "trials.md") as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print("\n".join(lines))
        if not best:
            raise SeeError(f"no trial finished; {args.out / 'trials.md'} has the reasons")
        chosen = {method: paper_tables.trial(winner.rate, winner.warmup) for method, winner in best.items()}
        text = "".join(f"# {note}\n" for note in ["The best of each method on the dev set.", *notes])
        with replacing(args.out / "hyperparameters.yaml") as temporary:
            temporary.write_text(text + yaml.safe_dump(chosen, sort_keys=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
