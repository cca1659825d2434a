"""Checkpoints of a training that may have been killed: which is whole, how far it is, whether anything is left."""

import hashlib
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file


def identify(checkpoint: Path) -> str:
    """A short checksum of a checkpoint, from those inside its archive; it follows the content, not the date."""
    with ZipFile(checkpoint) as archive:
        parts = sorted(f"{item.filename} {item.CRC:x}" for item in archive.infolist())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_facts(checkpoint: Path) -> dict[str, Any]:
    """Updates, whole epochs and hours of training of a checkpoint.

    Raises:
        SeeError: it is damaged.
    """
    from fairseq_see.models.checkpoint import count_updates, load_checkpoint

    state = load_checkpoint(checkpoint)
    extra = state.get("extra_state") or {}
    return {
        "updates": count_updates(state),
        # At the end of an epoch fairseq stores the next one, at its beginning.
        "whole_epochs": (extra.get("train_iterator") or {}).get("epoch", 1) - 1,
        "hours": extra.get("previous_training_time", 0.0) / 3600,
    }


def find_newest(checkpoints: Path) -> dict[str, Any]:
    """The facts of the whole checkpoint with the most updates, with its ``path``; empty without one."""
    found: list[dict[str, Any]] = []
    for path in checkpoints.glob("checkpoint*.pt"):
        with suppress(SeeError):
            found.append(read_facts(path) | {"path": path})
    # Of equal ones the last, which fairseq would load.
    return max(found, key=lambda facts: (facts["updates"], facts["path"].stem == "checkpoint_last"), default={})


def repair(checkpoints: Path) -> dict[str, Any]:
    """Let checkpoint_last.pt be the newest whole checkpoint; it is a copy that a kill may have truncated."""
    last, newest = checkpoints / "checkpoint_last.pt", find_newest(checkpoints)
    if newest and newest["path"] != last:
        print(f"{last} is incomplete; resuming from {newest['path'].name}", file=sys.stderr)
        with replace_file(last) as temporary:
            shutil.copyfile(newest["path"], temporary)
    elif not newest:
        for path in checkpoints.glob("checkpoint*.pt"):
            path.unlink()
    return newest


def is_complete(facts: dict[str, Any], optimization: dict[str, Any]) -> bool:
    """Whether a training has all its updates or epochs; fairseq would do one update more before it looks."""
    updates, epochs = optimization.get("max_update") or 0, optimization.get("max_epoch") or 0
    return bool(facts) and (0 < updates <= facts["updates"] or 0 < epochs <= facts["whole_epochs"])
