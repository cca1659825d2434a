"""What a training log says about how the training went, as a small table."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairseq_see.io import replacing

COLUMNS = ("split", "epoch", "updates", "loss", "nll_loss", "ppl", "lr", "gnorm", "wps", "wall")
_LINE = re.compile(r"\]\[(train_inner|train|valid)\]\[INFO\] - epoch (\d+)")
_VALUE = re.compile(r"(?:^|[\s|,])(\w+)[= ](-?(?:\d[\d.e+-]*|inf|nan))(?=$|[\s|,])")


def rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """A row for each line that tells losses; ``split`` is ``update``, ``train`` (a whole epoch) or ``valid``."""
    for line in lines:
        if head := _LINE.search(line):
            found = dict(_VALUE.findall(line[head.end() :]))
            found |= {"split": head[1].replace("train_inner", "update"), "epoch": str(int(head[2]))}
            found["updates"] = found.pop("num_updates", "")
            yield {column: found.get(column, "") for column in COLUMNS}


def read_curve(log: Path) -> list[dict[str, str]]:
    """The rows of a log, none if there is no such file; of what was trained twice, the later line counts."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    if log.is_file():
        with log.open(encoding="utf-8", errors="replace") as lines:
            for row in rows(lines):
                key = row["split"], row["updates"]
                found.pop(key, None)
                found[key] = row
    return list(found.values())


def perplexities(run: Path) -> list[tuple[int, float]]:
    """Updates and validation perplexity of a run's ``train.log``, in the order of training; empty if it has none."""
    valid = (row for row in read_curve(run / "train.log") if row["split"] == "valid")
    return sorted((int(row["updates"]), float(row["ppl"])) for row in valid if row["updates"] and row["ppl"])


def best_perplexity(run: Path) -> float | None:
    """The lowest validation perplexity of a run.

    Of one that was fitted, not trained, that of its ``valid.log``, which scripts/distil.sh makes; None without either.
    """
    values = [value for _, value in perplexities(run)]
    log = run / "valid.log"
    if not values and log.is_file():
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if "valid on " in line]
        values = [float(value) for line in said[-1:] for name, value in _VALUE.findall(line) if name == "ppl"]
    return min((value for value in values if math.isfinite(value)), default=None)


def seconds(run: Path) -> float | None:
    """Seconds that a run was trained for, over all its starts; None if its ``train.log`` tells none.

    Validation is counted, and what a kill made it train again is counted once.
    """
    walls = [float(row["wall"]) for row in read_curve(run / "train.log") if row["wall"]]
    # fairseq counts anew at each start.
    return sum(wall for wall, later in zip(walls, [*walls[1:], 0.0], strict=True) if later < wall) if walls else None


def write_curve(log: Path, output: Path) -> list[dict[str, str]]:
    """Write the table of a log as TSV and return its rows."""
    found = read_curve(log)
    with replacing(output) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("\t".join(COLUMNS) + "\n")
        file.writelines("\t".join(row.values()) + "\n" for row in found)
    return found
