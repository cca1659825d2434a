"""Where a training with the Trainer goes on."""

from __future__ import annotations

import json
from pathlib import Path


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that is whole: its last file, the state of the trainer, can be read."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(checkpoint)
    return None
