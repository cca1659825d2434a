"""What scripts/train.sh does before and after fairseq-hydra-train: one configuration, safe resuming, one record.

    python -m experiments.training begin CONFIG DATA RUN [KEY=VALUE ...]
    python -m experiments.training end RUN STATUS
    python -m experiments.training fitted RUN DATA
    python -m experiments.training classifier RUN
    python -m experiments.training measured RUN

``begin`` writes RUN/training.yaml, which fairseq-hydra-train then reads, and ends with status 3 if nothing is left to
train. ``end`` writes RUN/train.json, from which scripts/score.sh goes on, and ``fitted`` that of scripts/fit.sh.
"""

import argparse
import json
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

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
from fairseq_see.io import read_lines, replacing, write_json

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
NOTHING_LEFT = 3
"""Status of ``begin`` where nothing is left to train, and of ``end`` where the time limit stopped a training."""

# Where a run is and how long it may take distinguish no run from another.
_PLACES = (("common", "user_dir"), ("task", "data"), ("checkpoint", "save_dir"), ("optimization", "stop_time_hours"))
# Overrides that a record's config has, that follow from the seed, or that are paths.
_ELSEWHERE = {
    *("model.see_method", "model.see_ratio", "model.see_args.vectors", "model.see_index", "common.seed"),
    *("criterion.teacher", "checkpoint.finetune_from_model", "task.source_lang", "task.target_lang"),
}
# What fairseq needs to close a training down: validation, checkpoint.
_CLOSING_SECONDS = 30


def compose(config: str, overrides: Sequence[str]) -> dict[str, Any]:
    """A configuration of configs/, or of a file, with overrides and fairseq's own defaults.

    Raises:
        SeeError: there is no such configuration, or an override does not fit it.
    """
    logging.disable(logging.INFO)
    from fairseq.dataclass.configs import FairseqConfig
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    path = Path(config) if config.endswith(".yaml") else CONFIGS / f"{config}.yaml"
    if not path.is_file():
        raise SeeError(f"no configuration {path}")
    ConfigStore.instance().store(name="fairseq", node=FairseqConfig)
    try:
        with initialize_config_dir(str(path.resolve().parent), version_base="1.3"):
            composed = compose(path.stem, list(overrides), return_hydra_config=False)
        return OmegaConf.to_container(composed, resolve=True, enum_to_str=True)  # type: ignore[return-value]
    except (HydraException, OmegaConfBaseException) as error:
        reasons = [str(part).splitlines()[0] for part in (error, error.__cause__) if part]
        raise SeeError(f"{path.name}: {' '.join(reasons)}; +KEY=VALUE adds an option that it lacks") from error


def begin(config: str, data: Path, run: Path, overrides: Sequence[str], deadline: float | None = None) -> bool:
    """Make a run's folder ready for fairseq-hydra-train; what a killed training left half-written goes.

    Args:
        config: a name in configs/, or the path of a YAML.
        data: a folder data-bin.
        run: the run's folder.
        overrides: of the configuration, KEY=VALUE.
        deadline: when the training must have ended (``time.time()``).

    Returns:
        Whether anything is left to train.

    Raises:
        SeeError: there is no training data, the folder has checkpoints of another training, or the time is up.
    """
    data, run = data.resolve(), run.resolve()
    if not [*data.glob("train*.bin")] or not [*data.glob("dict*.txt")]:
        raise SeeError(f"no dictionary or no training data in {data}; scripts/prepare.sh makes both")
    cell = _cell_of(run)
    if cell.get("infeasible"):
        _write(run, RunRecord(run.name, config=cell["config"], state="infeasible", reason=cell["infeasible"]))
        return False
    composed = compose(config, overrides)
    composed["common"]["user_dir"] = str(CONFIGS.parent / "fairseq_see")
    composed["task"]["data"] = str(data)
    composed["checkpoint"]["save_dir"] = str(run / "checkpoints")
    settings = {
        "config": {name: _without_places(name, section) for name, section in composed.items()},
        "overrides": dict(_as_pair(item) for item in overrides),
        "data": _checksums(data, composed),
    }
    checkpoints = run / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    for left in [*checkpoints.glob("*.tmp"), *run.glob(".*.json.*")]:
        left.unlink()
    whole = _repair(checkpoints)
    if whole:
        known = json.loads((run / "settings.json").read_text(encoding="utf-8"))
        _check_same(run, known, settings)
    else:
        for name in ("train.log", "fairseq.log", "train.json", "run.json"):
            (run / name).unlink(missing_ok=True)
        write_json(run / "settings.json", settings)
    for dictionary in data.glob("dict*.txt"):
        shutil.copy(dictionary, run)
    if whole and _is_complete(whole, composed["optimization"]):
        return False
    if deadline is not None:
        left_hours = (deadline - time.time() - _CLOSING_SECONDS) / 3600
        if left_hours <= 0:
            raise SeeError(f"the time limit is reached before {run.name}; run again to resume")
        composed["optimization"]["stop_time_hours"] = whole.get("hours", 0.0) + left_hours
    _write_config(run, composed)
    return True


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
    facts = _newest(run / "checkpoints")
    record = RunRecord(
        run.name,
        kind="language_model" if config["task"]["_name"] == "language_modeling" else "translation",
        config=_cell_of(run).get("config") or _described(config),
        overrides={key: value for key, value in settings["overrides"].items() if key not in _ELSEWHERE},
        data=_data_of(Path(options["task"]["data"]).parent, config["task"].get("target_lang")),
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
        _write(run, replace(record, state="failed", reason=f"diverged: {last[0].partition(': ')[2]}"))
        return True
    if not _is_complete(facts, config["optimization"]) and 0 < options["optimization"]["stop_time_hours"] <= facts.get(
        "hours", 0.0
    ):
        return False
    best = run / "checkpoints/checkpoint_best.pt"
    if not best.is_file():
        raise SeeError(f"no {best}: the training was never validated")
    perplexities = {int(updates): perplexity for updates, perplexity in record.curve}
    scored = _facts(best)
    _write(
        run,
        replace(
            record,
            updates=scored["updates"],
            epochs=max((float(line.get("update", 0)) for line in read_log(run / "train.log")), default=None),
            seconds=round(3600 * facts["hours"], 1),
            dev_perplexity=_finite(perplexities.get(scored["updates"])),
            curve=[point for point in record.curve if math.isfinite(point[1])],
            checksums=record.checksums | {"checkpoint": checksum(best)},
            **(measure_sizes(best) if record.kind == "translation" else {}),
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
    record = RunRecord(
        run.name,
        kind="fit",
        config=_cell_of(run).get("config") or _described({name: options_in(cfg[name]) for name in ("model", "common")}),
        data=_data_of(data.parent, options_in(cfg["task"]).get("target_lang")),
        commit=commit(),
        machine=collect_machine(),
        versions=collect_versions(),
        dev_perplexity=_finite(float(valid["ppl"])),
        updates=_facts(checkpoint)["updates"],
        checksums={path.name: checksum(path) for path in sorted(run.glob("dict*.txt"))}
        | {"checkpoint": checksum(checkpoint)},
        **measure_sizes(checkpoint),
    )
    _write(run, record)


def classifier(run: Path) -> None:
    """Write the record of a classifier that scripts/classify.sh trained."""
    from fairseq_see.models.checkpoint import load_checkpoint, options_in

    run = run.resolve()
    checkpoint = run / "checkpoints/checkpoint_best.pt"
    cfg = options_in(load_checkpoint(checkpoint)["cfg"])
    facts = _newest(run / "checkpoints")
    record = RunRecord(
        run.name,
        kind="classification",
        config=_described({name: options_in(cfg[name]) for name in ("model", "common")}),
        commit=commit(),
        machine=collect_machine(),
        versions=collect_versions(),
        updates=_facts(checkpoint)["updates"],
        epochs=float(facts["whole_epochs"]),
        seconds=round(3600 * facts["hours"], 1),
        checksums={"checkpoint": checksum(checkpoint)},
        **measure_sizes(checkpoint),
    )
    _write(run, record)


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


def _write(run: Path, record: RunRecord) -> None:
    """Write RUN/train.json; of a run outside a table RUN/run.json too, which scoring writes anew."""
    write_json(run / "train.json", asdict(record))
    if not (run / "cell.json").is_file():
        write(run, record)


def _write_config(run: Path, composed: dict[str, Any]) -> None:
    """One file for fairseq-hydra-train; RUN/train.log gets a JSON object a line.

    (fairseq's own --log-file opens the file once more in every epoch, until no file can be opened.)
    """
    message = {"class": "logging.FileHandler", "formatter": "message", "filename": str(run / "train.log")}
    hydra = {
        "run": {"dir": str(run)},
        "job": {"chdir": False},
        "output_subdir": None,
        "job_logging": {
            "formatters": {"message": {"format": "%(message)s"}},
            "handlers": {"json": message, "file": {"delay": True}},
            "loggers": {"fairseq.logging.progress_bar": {"handlers": ["json"]}},
            "root": {"handlers": ["console"]},
        },
    }
    with replacing(run / "training.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(composed | {"hydra": hydra}, sort_keys=False), encoding="utf-8")


def _as_pair(override: str) -> tuple[str, str]:
    key, equals, value = override.partition("=")
    if not equals:
        raise SeeError(f"{override}: overrides are written KEY=VALUE")
    return key.lstrip("+"), value


def _without_places(name: str, section: Any) -> Any:
    if not isinstance(section, dict):
        return section
    return {key: value for key, value in section.items() if (name, key) not in _PLACES}


def _check_same(run: Path, known: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise SeeError if the checkpoints are of another training."""
    for part in ("config", "data"):
        before, after = (_flat(settings[part]) for settings in (known, now))
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                what = f"{key} {before.get(key)}, not {after.get(key)}" if part == "config" else f"another {key}"
                raise SeeError(f"{run} was trained with {what}; choose another folder, or remove it")


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    flat = {}
    for key, item in value.items():
        flat.update({f"{key}.{k}": v for k, v in item.items()} if isinstance(item, dict) else {key: item})
    return flat


def _checksums(data: Path, composed: dict[str, Any]) -> dict[str, str]:
    """sha256 of dictionaries, of the training data and of the unit indexes that the model reads."""
    import hashlib

    found = {path.name: checksum(path) for path in sorted(data.glob("dict*.txt"))}
    parts = {"data": sorted(data.glob("train*.bin"))}
    if composed["model"].get("see_method", "dense") != "dense":
        folders = [data / part for part in str(composed["model"].get("see_index") or data).split(":")]
        indexes = [path for part in folders for path in (sorted(part.glob("dict*.see")) if part.is_dir() else [part])]
        parts["index"] = [path for path in indexes if path.is_file()]
    for name, paths in parts.items():
        joint = hashlib.sha256("".join(map(checksum, paths)).encode()).hexdigest()
        found |= {name: joint} if paths else {}
    return found


def _facts(checkpoint: Path) -> dict[str, Any]:
    """Updates, whole epochs and hours of training of a checkpoint.

    Raises:
        SeeError: it is damaged.
    """
    from fairseq_see.models.checkpoint import load_checkpoint, updates_of

    state = load_checkpoint(checkpoint)
    extra = state.get("extra_state") or {}
    return {
        "updates": updates_of(state),
        # At the end of an epoch fairseq stores the next one, at its beginning.
        "whole_epochs": (extra.get("train_iterator") or {}).get("epoch", 1) - 1,
        "hours": extra.get("previous_training_time", 0.0) / 3600,
    }


def _newest(checkpoints: Path) -> dict[str, Any]:
    """The facts of the whole checkpoint with the most updates; empty without one."""
    found: dict[str, Any] = {}
    for path in checkpoints.glob("checkpoint*.pt"):
        try:
            facts = _facts(path) | {"path": path}
        except SeeError:
            continue
        # Of equal ones the last, which fairseq would load.
        if not found or (facts["updates"], path.stem == "checkpoint_last") > (
            found["updates"],
            found["path"].stem == "checkpoint_last",
        ):
            found = facts
    return found


def _repair(checkpoints: Path) -> dict[str, Any]:
    """Let checkpoint_last.pt be the newest whole checkpoint; it is a copy that a kill may have truncated."""
    last, newest = checkpoints / "checkpoint_last.pt", _newest(checkpoints)
    if newest and newest["path"] != last:
        print(f"{last} is incomplete; resuming from {newest['path'].name}", file=sys.stderr)
        with replacing(last) as temporary:
            shutil.copyfile(newest["path"], temporary)
    elif not newest:
        for path in checkpoints.glob("checkpoint*.pt"):
            path.unlink()
    return newest


def _is_complete(facts: dict[str, Any], optimization: dict[str, Any]) -> bool:
    """Whether a training has all its updates or epochs; fairseq would do one update more before it looks."""
    updates, epochs = optimization.get("max_update") or 0, optimization.get("max_epoch") or 0
    return bool(facts) and (0 < updates <= facts["updates"] or 0 < epochs <= facts["whole_epochs"])


def _record_of(run: Path) -> RunRecord:
    return RunRecord(**json.loads((run / "train.json").read_text(encoding="utf-8")))


def _cell_of(run: Path) -> dict[str, Any]:
    """RUN/cell.json, which the Snakefile writes: what a run is in its table, and whether it is feasible."""
    path = run / "cell.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _described(config: dict[str, Any]) -> dict[str, Any]:
    """What a run outside a table is, from its configuration."""
    model = config["model"]
    described = {"method": model.get("see_method"), "ratio": model.get("see_ratio"), "seed": config["common"]["seed"]}
    return {name: value for name, value in described.items() if value is not None} | {"architecture": model["_name"]}


def _data_of(folder: Path, target: str | None) -> dict[str, Any]:
    """The training text, from what scripts/prepare.sh wrote beside data-bin."""
    found: dict[str, Any] = {"name": folder.name} | ({"target_lang": target} if target else {})
    words = folder / f"tok/train.{target}"
    if words.is_file():
        with words.open("rb") as file:
            found |= {"training_pairs": sum(1 for _ in file), "training_words": str(words)}
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def main() -> int:
    """Make a run ready, or write its record."""
    parser = argparse.ArgumentParser(prog="python -m experiments.training", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    beginning = commands.add_parser("begin")
    beginning.add_argument("config")
    beginning.add_argument("data", type=Path)
    beginning.add_argument("run", type=Path)
    beginning.add_argument("overrides", nargs="*")
    ending = commands.add_parser("end")
    ending.add_argument("run", type=Path)
    ending.add_argument("status", type=int)
    for name in ("classifier", "measured"):
        commands.add_parser(name).add_argument("run", type=Path)
    fitting = commands.add_parser("fitted")
    fitting.add_argument("run", type=Path)
    fitting.add_argument("data", type=Path)
    args = parser.parse_args()
    with ends_in_one_line():
        if args.command == "fitted":
            fitted(args.run, args.data)
            return 0
        if args.command in ("classifier", "measured"):
            (classifier if args.command == "classifier" else measured)(args.run)
            return 0
        if args.command == "begin":
            limit = os.environ.get("SEE_DEADLINE")
            left = begin(args.config, args.data, args.run, args.overrides, float(limit) if limit else None)
            # A training that was killed after its last checkpoint has no record yet.
            if not left and not (args.run / "train.json").is_file():
                end(args.run, 0)
            return 0 if left else NOTHING_LEFT
        complete = end(args.run, args.status)
        if complete and _record_of(args.run).state == "failed":
            print(f"{args.run}: {_record_of(args.run).reason}", file=sys.stderr)
        elif not complete:
            raise SeeError(f"the time limit stopped {args.run}; run again to resume")
    return 0


if __name__ == "__main__":
    sys.exit(main())
