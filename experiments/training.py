"""What scripts/train.sh does before fairseq-hydra-train: one configuration with every option, and safe resuming.

    python -m experiments.training CONFIG DATA RUN [KEY=VALUE ...]

RUN/training.yaml is what fairseq-hydra-train then reads. Status 3 means that nothing is left to train.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from experiments.checkpoints import is_complete
from experiments.recording import TRAINED, read_cell, record_end, write_record
from experiments.run_record import RunRecord, flatten, hash_file
from fairseq_see.embeddings import find_class
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replace_file, write_json

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
NOTHING_LEFT = 3

# Where a run is and how long it may take distinguish no run from another.
_PLACES = (("common", "user_dir"), ("task", "data"), ("checkpoint", "save_dir"), ("optimization", "stop_time_hours"))
# What fairseq needs to close a training down: validation, checkpoint.
_CLOSING_SECONDS = 30


def compose(config: str, overrides: Sequence[str]) -> dict[str, Any]:
    """A configuration of configs/, or of a file, with overrides and fairseq's own defaults.

    Raises:
        SeeError: there is no such configuration, or an override does not fit it.
    """
    path = Path(config) if config.endswith(".yaml") else CONFIGS / f"{config}.yaml"
    if not path.is_file():
        raise SeeError(f"no configuration {path}")
    logging.disable(logging.INFO)
    from fairseq.dataclass.configs import FairseqConfig
    from hydra import compose, initialize_config_dir, version
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    ConfigStore.instance().store(name="fairseq", node=FairseqConfig)
    try:
        with initialize_config_dir(str(path.resolve().parent), version_base="1.3"):
            composed = compose(path.stem, list(overrides), return_hydra_config=False)
        return OmegaConf.to_container(composed, resolve=True, enum_to_str=True)  # type: ignore[return-value]
    except (HydraException, OmegaConfBaseException) as error:
        reasons = [str(part).splitlines()[0] for part in (error, error.__cause__) if part]
        raise SeeError(f"{path.name}: {' '.join(reasons)}; +KEY=VALUE adds an option that it lacks") from error
    finally:
        # fairseq's own use of Hydra fails in a process in which another version's behaviour was asked for.
        version.setbase("1.1")
        logging.disable(logging.NOTSET)


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
    cell = read_cell(run)
    if cell.get("infeasible"):
        write_record(run, RunRecord(run.name, config=cell["config"], state="infeasible", reason=cell["infeasible"]))
        return False
    composed = compose(config, overrides)
    composed["common"]["user_dir"] = str(CONFIGS.parent / "fairseq_see")
    composed["task"]["data"] = str(data)
    composed["checkpoint"]["save_dir"] = str(run / "checkpoints")
    chosen = deepcopy(composed)
    for section, key in _PLACES:
        chosen[section].pop(key, None)
    settings = {
        "config": chosen,
        "overrides": {key.lstrip("+"): value for key, _, value in (item.partition("=") for item in overrides)},
        "data": _hash_inputs(data, composed),
    }
    checkpoints = run / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    for left in [*checkpoints.glob("*.tmp"), *run.glob(".*.json.*")]:
        left.unlink()
    from fairseq_see.models.checkpoint import read_facts, repair

    whole = repair(checkpoints)
    hours = whole.get("hours", 0.0)
    if whole:
        known = json.loads((run / "settings.json").read_text(encoding="utf-8"))
        _check_same(run, known, settings)
    else:
        for name in ("train.log", "fairseq.log", TRAINED, "run.json"):
            (run / name).unlink(missing_ok=True)
        if source := composed["checkpoint"]["finetune_from_model"]:
            hours = read_facts(Path(source))["hours"]
        # fairseq counts on from the hours of the checkpoint that it fine-tunes.
        write_json(run / "settings.json", settings | {"hours_before": hours})
    for dictionary in data.glob("dict*.txt"):
        shutil.copy(dictionary, run)
    if whole and is_complete(whole, composed["optimization"]):
        return False
    if deadline is not None:
        left_hours = (deadline - time.time() - _CLOSING_SECONDS) / 3600
        if left_hours <= 0:
            raise SeeError(f"the time limit is reached before {run.name}; run again to resume")
        composed["optimization"]["stop_time_hours"] = hours + left_hours
    _write_config(run, composed)
    return True


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
    with replace_file(run / "training.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(composed | {"hydra": hydra}, sort_keys=False), encoding="utf-8")


def _check_same(run: Path, known: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise SeeError if the checkpoints are of another training."""
    for part in ("config", "data"):
        before, after = (flatten(settings[part]) for settings in (known, now))
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                what = f"{key} {before.get(key)}, not {after.get(key)}" if part == "config" else f"another {key}"
                raise SeeError(f"{run} was trained with {what}; choose another folder, or remove it")


def _hash_inputs(data: Path, composed: dict[str, Any]) -> dict[str, str]:
    """sha256 of dictionaries, of the training data and of the unit indexes that the model reads."""
    found = {path.name: hash_file(path) for path in sorted(data.glob("dict*.txt"))}
    parts = {"data": sorted(data.glob("train*.bin"))}
    if find_class(composed["model"].get("see_method") or "dense").uses_index:
        folders = [data / part for part in str(composed["model"].get("see_index") or data).split(":")]
        indexes = [path for part in folders for path in (sorted(part.glob("dict*.see")) if part.is_dir() else [part])]
        parts["index"] = [path for path in indexes if path.is_file()]
    for name, paths in parts.items():
        joint = hashlib.sha256("".join(map(hash_file, paths)).encode()).hexdigest()
        found |= {name: joint} if paths else {}
    return found


@ends_in_one_line()
def main(config: str, data: str, run: str, *overrides: str) -> int:
    """Make a run ready to be trained; return whether nothing is left to train, as a status."""
    folder, limit = Path(run), os.environ.get("SEE_DEADLINE")
    if begin(config, Path(data), folder, overrides, float(limit) if limit else None):
        return 0
    # A training that was killed after its last checkpoint has no record yet.
    if not (folder / TRAINED).is_file():
        record_end(folder, 0)
    return NOTHING_LEFT


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
