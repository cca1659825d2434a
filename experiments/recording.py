"""RUN/train.json of a training that ended, of a fit or of a classifier; scripts/score.sh goes on from it.

python -m experiments.recording end RUN STATUS
python -m experiments.recording fitted RUN DATA
python -m experiments.recording classifier RUN
python -m experiments.recording measured RUN
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from experiments.checkpoints import find_newest, identify, is_complete, read_facts
from experiments.progress import read_log
from experiments.run_record import (
    RunRecord,
    checksum,
    collect_machine,
    collect_versions,
    commit,
    measure_sizes,
    read_curve,
    write,
)
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import read_lines, write_json

ARCHIVE = "checkpoint_archive"
"""Name of a quick checksum of the checkpoint, beside its sha256."""

# Overrides that a record's config has, that follow from the seed, or that are paths.
_ELSEWHERE = {
    *("model.see_method", "model.see_ratio", "model.see_args.vectors", "model.see_index", "common.seed"),
    *("criterion.teacher", "checkpoint.finetune_from_model", "task.source_lang", "task.target_lang"),
}


def end(run: Path, status: int) -> bool:
    """Write the record of a training that ended.

    A training that diverged is a result: its record has the reason.

    Returns:
        Whether the training is complete; if not, the time limit stopped it.

    Raises:
        SeeError: it failed.
    """
    run = run.resolve()
    settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))
    config = settings["config"]
    options = yaml.safe_load((run / "training.yaml").read_text(encoding="utf-8"))
    facts = find_newest(run / "checkpoints")
    record = RunRecord(
        run.name,
        kind="language_model" if config["task"]["_name"] == "language_modeling" else "translation",
        config=read_cell(run).get("config") or _described(config),
        overrides={key: value for key, value in settings["overrides"].items() if key not in _ELSEWHERE},
        data=_data_of(run, Path(options["task"]["data"]).parent, config["task"].get("target_lang")),
        commit=commit(),
        machine=collect_machine(),
        versions=collect_versions(),
        curve=read_curve(run / "train.log") if (run / "train.log").is_file() else [],
        checksums=settings["data"],
    )
    if status:
        last = [line for line in read_lines(run / "fairseq.log") if line.strip()][-1:] or ["it printed nothing"]
        if not last[0].startswith("FloatingPointError"):
            raise SeeError(f"training ended with status {status}: {last[0]}; see {run / 'fairseq.log'}")
        write_record(run, replace(record, state="failed", reason=f"diverged: {last[0].partition(': ')[2]}"))
        return True
    if not is_complete(facts, config["optimization"]) and 0 < options["optimization"]["stop_time_hours"] <= facts.get(
        "hours", 0.0
    ):
        return False
    best = run / "checkpoints/checkpoint_best.pt"
    if not best.is_file():
        raise SeeError(f"no {best}: the training was never validated")
    perplexities = {int(updates): perplexity for updates, perplexity in record.curve}
    scored = read_facts(best)
    write_record(
        run,
        replace(
            record,
            updates=scored["updates"],
            epochs=max((float(line.get("update", 0)) for line in read_log(run / "train.log")), default=None),
            seconds=round(3600 * facts["hours"], 1),
            dev_perplexity=_finite(perplexities.get(scored["updates"])),
            curve=[point for point in record.curve if math.isfinite(point[1])],
            **measure_sizes(best),
        ),
    )
    return True


def fitted(run: Path, data: Path) -> None:
    """Write the record of a run whose embeddings were fitted to those of another, by what scripts/fit.sh left there.

    Raises:
        SeeError: fairseq-validate printed no perplexity.
    """
    from fairseq_see.models.checkpoint import load_checkpoint, options_in

    run = run.resolve()
    checkpoint = run / "checkpoints/checkpoint_best.pt"
    valid = last_json(run / "valid.log")
    cfg = options_in(load_checkpoint(checkpoint)["cfg"])
    described = _described({name: options_in(cfg[name]) for name in ("model", "common")})
    made = json.loads(options_in(cfg["model"])["see_resolved"])["fitted"]
    described |= {"fitted_to": Path(made["to"]).parent.parent.name, "how": made["how"]}
    record = RunRecord(
        run.name,
        kind="fit",
        config=read_cell(run).get("config") or described,
        data=_data_of(run, data.parent, options_in(cfg["task"]).get("target_lang")),
        commit=commit(),
        machine=collect_machine(),
        versions=collect_versions(),
        dev_perplexity=_finite(float(valid["ppl"])),
        updates=read_facts(checkpoint)["updates"],
        checksums={path.name: checksum(path) for path in sorted(run.glob("dict*.txt"))},
        **measure_sizes(checkpoint),
    )
    write_record(run, record)


def classifier(run: Path) -> None:
    """Write the record of a classifier that scripts/classify.sh trained."""
    from fairseq_see.models.checkpoint import load_checkpoint, options_in

    run = run.resolve()
    checkpoint = run / "checkpoints/checkpoint_best.pt"
    cfg = options_in(load_checkpoint(checkpoint)["cfg"])
    facts = find_newest(run / "checkpoints")
    record = RunRecord(
        run.name,
        kind="classification",
        config=_described({name: options_in(cfg[name]) for name in ("model", "common")}),
        commit=commit(),
        machine=collect_machine(),
        versions=collect_versions(),
        updates=read_facts(checkpoint)["updates"],
        epochs=float(facts["whole_epochs"]),
        seconds=round(3600 * facts["hours"], 1),
        **measure_sizes(checkpoint),
    )
    write_record(run, record)


def measured(run: Path) -> None:
    """Write RUN/run.json of a language model or classifier, with what fairseq-validate found on the test set."""
    found, record = last_json(run / "test.log"), _record_of(run)
    name, value = ("accuracy", found["accuracy"]) if "accuracy" in found else ("perplexity", found["ppl"])
    write(run, replace(record, state="scored", metrics={"test": {name: float(value)}}))


def last_json(log: Path) -> dict[str, Any]:
    """The last JSON object that fairseq-validate logged, behind date and level, without the subset before its keys.

    Raises:
        SeeError: there is none.
    """
    for line in reversed(read_lines(log)):
        _, brace, rest = line.partition("{")
        if brace and rest.endswith("}"):
            try:
                return {key.partition("_")[2]: value for key, value in json.loads(brace + rest).items()}
            except ValueError:
                continue
    raise SeeError(f"{log} has no result; see what it says")


def note_replaced(run: Path) -> None:
    """Let RUN/train.json be of the checkpoint that is there: one that replaces the trained one is scored anew."""
    best = run / "checkpoints/checkpoint_best.pt"
    if not best.is_file() or not (run / "train.json").is_file():
        return
    known = _record_of(run)
    if known.state == "trained" and known.checksums.get(ARCHIVE) != identify(best):
        reason = "the checkpoint was replaced after training"
        write_record(run, RunRecord(known.name, known.kind, config=known.config, reason=reason))


def write_record(run: Path, record: RunRecord) -> None:
    """Write RUN/train.json; of a run outside a table RUN/run.json too, which scoring writes anew."""
    best = run / "checkpoints/checkpoint_best.pt"
    if best.is_file():
        checksums = record.checksums | {"checkpoint": checksum(best), ARCHIVE: identify(best)}
        record = replace(record, checksums=checksums)
    write_json(run / "train.json", asdict(record))
    if not (run / "cell.json").is_file():
        write(run, record)


def read_cell(run: Path) -> dict[str, Any]:
    """RUN/cell.json, which the Snakefile writes: what a run is in its table, and whether it is feasible."""
    path = run / "cell.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _record_of(run: Path) -> RunRecord:
    return RunRecord(**json.loads((run / "train.json").read_text(encoding="utf-8")))


def _described(config: dict[str, Any]) -> dict[str, Any]:
    """What a run outside a table is, from its configuration."""
    model = config["model"]
    described = {"method": model.get("see_method"), "ratio": model.get("see_ratio"), "seed": config["common"]["seed"]}
    return {name: value for name, value in described.items() if value is not None} | {"architecture": model["_name"]}


def _data_of(run: Path, folder: Path, target: str | None) -> dict[str, Any]:
    """The training text, from what scripts/prepare.sh wrote beside data-bin."""
    corpus = read_cell(run).get("config", {}).get("corpus")
    found: dict[str, Any] = {"name": corpus or folder.name} | ({"target_lang": target} if target else {})
    words = folder / f"tok/train.{target}"
    if words.is_file():
        with words.open("rb") as file:
            found |= {"training_pairs": sum(1 for _ in file), "training_words": str(words)}
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def main() -> int:
    """Write a record."""
    parser = argparse.ArgumentParser(prog="python -m experiments.recording", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    parts: dict[str, Callable[..., Any]] = {"classifier": classifier, "measured": measured}
    for name in ("end", "fitted", *parts):
        commands.add_parser(name).add_argument("run", type=Path)
    commands.choices["end"].add_argument("status", type=int)
    commands.choices["fitted"].add_argument("data", type=Path)
    args = parser.parse_args()
    with ends_in_one_line():
        if args.command in parts:
            parts[args.command](args.run)
        elif args.command == "fitted":
            fitted(args.run, args.data)
        elif not end(args.run, args.status):
            raise SeeError(f"the time limit stopped {args.run}; run again to resume")
        elif _record_of(args.run).state == "failed":
            print(f"{args.run}: {_record_of(args.run).reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
