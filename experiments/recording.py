"""RUN/train.json of a training that ended, of a fit or of a classifier; scripts/score.sh adds scores.

python -m experiments.recording end RUN STATUS | fitted RUN DATA | classifier RUN | measured RUN
"""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from experiments.checkpoints import identify, is_complete
from experiments.run_record import (
    RunRecord,
    collect_machine,
    collect_versions,
    find_commit,
    hash_file,
    measure_sizes,
    read,
    read_curve,
    read_log,
    write,
)
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import read_lines

TRAINED = "train.json"
ARCHIVE = "checkpoint_archive"
"""Name of a quick checksum of the checkpoint, beside its sha256."""

# Overrides that a record's config has, that follow from the seed, or that are paths.
_ELSEWHERE = {
    *("model.see_method", "model.see_ratio", "model.see_args.vectors", "model.see_index", "common.seed"),
    *("criterion.teacher", "checkpoint.finetune_from_model", "task.source_lang", "task.target_lang"),
}


def record_end(run: Path, status: int) -> bool:
    """Write the record of a training that ended.

    A training that diverged is a result: its record has the reason.

    Returns:
        Whether the training is complete; if not, the time limit stopped it.

    Raises:
        SeeError: it failed.
    """
    from fairseq_see.models.checkpoint import find_newest, read_facts

    run = run.resolve()
    settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))
    config = settings["config"]
    options = yaml.safe_load((run / "training.yaml").read_text(encoding="utf-8"))
    kinds = {"language_modeling": "language_model", "masked_lm": "masked_lm"}
    kind = kinds.get(config["task"]["_name"], "translation")
    record = replace(
        _begin_record(run, kind, config),
        overrides={key: value for key, value in settings["overrides"].items() if key not in _ELSEWHERE},
        data=_describe_text(run, Path(options["task"]["data"]).parent, config["task"].get("target_lang")),
        curve=read_curve(run / "train.log"),
        checksums=settings["data"],
    )
    if status:
        last = [line for line in read_lines(run / "fairseq.log") if line.strip()][-1:] or ["it printed nothing"]
        if not last[0].startswith("FloatingPointError"):
            raise SeeError(f"training ended with status {status}: {last[0]}; see {run / 'fairseq.log'}")
        write_record(run, replace(record, state="failed", reason=f"diverged: {last[0].partition(': ')[2]}"))
        return True
    facts, limit = find_newest(run / "checkpoints"), options["optimization"]["stop_time_hours"]
    if not is_complete(facts, config["optimization"]) and 0 < limit <= facts.get("hours", 0.0):
        return False
    best = run / "checkpoints/checkpoint_best.pt"
    if not best.is_file():
        raise SeeError(f"no {best}: the training was never validated")
    updates = read_facts(best)["updates"]
    record = replace(
        record,
        updates=updates,
        epochs=max((float(line.get("update", 0)) for line in read_log(run / "train.log")), default=None),
        seconds=round(3600 * (facts["hours"] - settings.get("hours_before", 0.0)), 1),
        dev_perplexity={int(update): perplexity for update, perplexity in record.curve}.get(updates),
        **measure_sizes(best),
    )
    write_record(run, record)
    return True


def record_fit(run: Path, data: Path) -> None:
    """Write the record of a run whose embeddings were fitted to those of another, by what scripts/fit.sh left there.

    Raises:
        SeeError: fairseq-validate printed no perplexity.
    """
    perplexity = float(read_last_result(run / "valid.log")["ppl"])
    record = describe_checkpoint(run, data, "fit")
    if not read_cell(run):
        made = json.loads(read_options(run)["model"]["see_resolved"])["fitted"]
        fit = {"fitted_to": Path(made["to"]).parent.parent.name, "how": made["how"]}
        record = replace(record, config=record.config | fit)
    write_record(run, replace(record, dev_perplexity=perplexity if math.isfinite(perplexity) else None))


def describe_checkpoint(run: Path, data: Path, kind: str = "translation") -> RunRecord:
    """The record of a checkpoint without a training's log, on a folder data-bin."""
    from fairseq_see.models.checkpoint import read_facts

    cfg, checkpoint = read_options(run), run / "checkpoints/checkpoint_best.pt"
    return replace(
        _begin_record(run, kind, cfg),
        data=_describe_text(run, data.resolve().parent, cfg["task"].get("target_lang")),
        updates=read_facts(checkpoint)["updates"],
        checksums={path.name: hash_file(path) for path in sorted(data.glob("dict*.txt"))},
        **(measure_sizes(checkpoint) if cfg["model"].get("see_resolved") else {}),
    )


def record_classifier(run: Path) -> None:
    """Write the record of a classifier that scripts/classify.sh trained."""
    from fairseq_see.models.checkpoint import find_newest, read_facts

    checkpoint, facts = run / "checkpoints/checkpoint_best.pt", find_newest(run / "checkpoints")
    record = replace(
        _begin_record(run, "classification", read_options(run)),
        updates=read_facts(checkpoint)["updates"],
        epochs=float(facts["whole_epochs"]),
        seconds=round(3600 * facts["hours"], 1),
        **measure_sizes(checkpoint),
    )
    write_record(run, record)


def record_measurement(run: Path) -> None:
    """Write RUN/run.json of a language model or classifier, with what fairseq-validate found on the test set."""
    found, record = read_last_result(run / "test.log"), read(run, TRAINED)
    name, value = ("accuracy", found["accuracy"]) if "accuracy" in found else ("perplexity", found["ppl"])
    write(run, replace(record, state="scored", metrics={"test": {name: float(value)}}))


def read_last_result(log: Path) -> dict[str, Any]:
    """The last JSON object that fairseq-validate logged, without the subset before its keys.

    Raises:
        SeeError: there is none.
    """
    found = [*read_log(log)]
    if not found:
        raise SeeError(f"{log} has no result; it may end in an error")
    return {key.partition("_")[2]: value for key, value in found[-1].items()}


def note_replaced(run: Path) -> None:
    """Let RUN/train.json be of the checkpoint that is there: one that replaces the trained one is scored anew."""
    best = run / "checkpoints/checkpoint_best.pt"
    if not best.is_file() or not (run / TRAINED).is_file():
        return
    known = read(run, TRAINED)
    if known.state == "trained" and known.checksums.get(ARCHIVE) != identify(best):
        reason = "the checkpoint was replaced after training"
        write_record(run, RunRecord(known.name, known.kind, config=known.config, reason=reason))


def write_record(run: Path, record: RunRecord) -> None:
    """Write RUN/train.json; of a run outside a table RUN/run.json too, which scoring writes anew."""
    best = run / "checkpoints/checkpoint_best.pt"
    if best.is_file():
        checksums = record.checksums | {"checkpoint": hash_file(best), ARCHIVE: identify(best)}
        record = replace(record, checksums=checksums)
    write(run, record, TRAINED)
    if not (run / "cell.json").is_file():
        write(run, record)


def read_cell(run: Path) -> dict[str, Any]:
    """RUN/cell.json, which the Snakefile writes: what a run is in its table, and whether it is feasible."""
    path = run / "cell.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def read_options(run: Path) -> dict[str, dict[str, Any]]:
    """The options in a run's best checkpoint, by section; a section that it lacks is empty."""
    from fairseq_see.models.checkpoint import load_checkpoint, read_section

    cfg = load_checkpoint(run / "checkpoints/checkpoint_best.pt").get("cfg") or {}
    return {name: read_section(cfg.get(name)) for name in ("model", "common", "task")}


def _begin_record(run: Path, kind: str, config: Mapping[str, Any]) -> RunRecord:
    """What all records have, with what the run is: of its cell, or, outside a table, of its configuration."""
    model = config["model"]
    described = {"method": model.get("see_method"), "ratio": model.get("see_ratio"), "seed": config["common"]["seed"]}
    described = {name: value for name, value in described.items() if value is not None}
    described = read_cell(run).get("config") or described | {"architecture": model["_name"]}
    made: dict[str, Any] = {"commit": find_commit(), "machine": collect_machine(), "versions": collect_versions()}
    return RunRecord(run.resolve().name, kind, config=described, **made)


def _describe_text(run: Path, folder: Path, target: str | None) -> dict[str, Any]:
    """The training text, from what scripts/prepare.sh wrote beside data-bin."""
    corpus = read_cell(run).get("config", {}).get("corpus")
    found: dict[str, Any] = {"name": corpus or folder.name} | ({"target_lang": target} if target else {})
    words = folder / f"tok/train.{target}"
    if words.is_file():
        with words.open("rb") as file:
            found |= {"training_pairs": sum(1 for _ in file), "training_words": str(words)}
    return found


@ends_in_one_line()
def main(what: str, run: str, *more: str) -> None:
    """Write a record."""
    folder = Path(run)
    if what == "fitted":
        record_fit(folder, Path(*more))
    elif what == "classifier":
        record_classifier(folder)
    elif what == "measured":
        record_measurement(folder)
    elif not record_end(folder, int(*more)):
        raise SeeError(f"the time limit stopped {folder}; run again to resume")
    elif (record := read(folder, TRAINED)).state == "failed":
        print(f"{folder}: {record.reason}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
