"""Checkpoints of a training: which one it is, whether anything is left to train."""

import hashlib
from pathlib import Path
from typing import Any
from zipfile import ZipFile


def identify(checkpoint: Path) -> str:
    """A short checksum of a checkpoint, from those inside its archive; it follows the content, not the date."""
    with ZipFile(checkpoint) as archive:
        parts = sorted(f"{item.filename} {item.CRC:x}" for item in archive.infolist())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_complete(facts: dict[str, Any], optimization: dict[str, Any]) -> bool:
    """Whether a training has all its updates or epochs; fairseq would do one update more before it looks."""
    updates, epochs = optimization.get("max_update") or 0, optimization.get("max_epoch") or 0
    return bool(facts) and (0 < updates <= facts["updates"] or 0 < epochs <= facts["whole_epochs"])
