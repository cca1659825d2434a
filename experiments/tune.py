"""A search of learning rate and warm-up: the same trials for every method, and the best of each on the dev set.

python -m experiments.tune OUT TRAIN.json ...

The target ``tune`` of experiments/Snakefile makes the trials. OUT/trials.md has all of them, OUT/hyperparameters.yaml
the overrides of the best, for ``--config hyperparameters=``. No test set is translated.
"""

import sys
from pathlib import Path
from typing import Any

import pandas
import yaml

from experiments.paper_tables import make_trial
from experiments.report.tables import format_table
from experiments.run_record import read
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replace_file

COLUMNS = ["method", "rate", "warm-up", "updates", "dev perplexity", "seconds", ""]


def read_trial(path: Path) -> dict[str, Any]:
    """One line of a RUN/train.json; ``dev perplexity`` is the lowest, None if the trial diverged or is infeasible."""
    record = read(path.parent, path.name)
    perplexities = [perplexity for _, perplexity in record.curve] if record.state == "trained" else []
    return {
        "method": record.config["method"],
        "rate": float(record.overrides.get("optimization.lr", "[nan]").strip("[]")),
        "warm-up": int(record.overrides.get("lr_scheduler.warmup_updates", 0)),
        "updates": record.updates,
        "dev perplexity": min(perplexities, default=None),
        "seconds": record.seconds,
        "": record.reason,
        "made": f"commit {record.commit}, {record.machine}",
    }


def choose_best(trials: pandas.DataFrame) -> pandas.DataFrame:
    """The trial of each method with the lowest perplexity; of equal ones the first."""
    finished = trials.astype({"dev perplexity": float}).dropna(subset="dev perplexity")
    return finished.loc[finished.groupby("method", sort=False)["dev perplexity"].idxmin()]


def list_remarks(trials: pandas.DataFrame, best: pandas.DataFrame) -> list[str]:
    """What speaks against the choice: a best at the edge of the grid, and methods without any."""
    found = []
    for _, chosen in best.iterrows():
        own = trials[trials.method == chosen.method]
        for name in ("rate", "warm-up"):
            for side, edge in (("lowest", own[name].min()), ("highest", own[name].max())):
                if own[name].nunique() > 1 and chosen[name] == edge:
                    where = f"{chosen.method}: {name} {edge:g} is the {side} of those tried"
                    found.append(f"{where}; the best may lie beyond it")
    lacking = trials.method[~trials.method.isin(best.method)].unique()
    return found + [f"{method}: no trial finished" for method in lacking]


@ends_in_one_line()
def main(out: str, *paths: str) -> None:
    """Write and print the table of trials; write the best hyper-parameters."""
    trials = pandas.DataFrame([read_trial(Path(path)) for path in paths])
    best = choose_best(trials)
    notes = list_remarks(trials, best) + [made for made in trials.made.unique() if made != "commit , "]
    shown = trials[COLUMNS].astype(object)
    shown.loc[best.index, ""] = "best"
    shown[""] = shown[""].str.replace("|", r"\|")
    cells = shown.map(lambda value: "" if pandas.isna(value) else f"{value:g}" if isinstance(value, float) else value)
    table = format_table(COLUMNS, cells.to_numpy())
    text = "\n".join(["# Learning rate and warm-up", "", table, "", *(f"- {note}" for note in notes)])
    with replace_file(Path(out, "trials.md")) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text)
    if best.empty:
        raise SeeError(f"no trial finished; {Path(out, 'trials.md')} has the reasons")
    chosen = {row.method: make_trial(row.rate, row["warm-up"]) for _, row in best.iterrows()}
    remarks = "".join(f"# {note}\n" for note in ["The best of each method on the dev set.", *notes])
    with replace_file(Path(out, "hyperparameters.yaml")) as temporary:
        temporary.write_text(remarks + yaml.safe_dump(chosen, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
