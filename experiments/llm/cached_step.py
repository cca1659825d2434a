"""Long work in steps, each with a JSON file: a step whose file is there is not done again."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError
from fairseq_see.io import write_json


def once(path: Path, make: Callable[[], Any]) -> Any:
    """What the JSON file ``path`` says; made and written first if there is none."""
    if not path.is_file():
        write_json(path, make())
    return json.loads(path.read_text(encoding="utf-8"))


def check_settings(where: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the settings that something was made with, as JSON has them, with those that are asked for.

    A setting that is a file may be an object with its ``path`` and whatever tells its content.

    Raises:
        SeeError: one of ``now`` is another; it is named as an option.
    """
    for name, value in now.items():
        if before.get(name) != value:
            raise SeeError(
                f"{where} was made with --{name.replace('_', '-')} {_shown(before.get(name))}, not {_shown(value)}; "
                "choose another folder"
            )


def _shown(value: Any) -> str:
    return f"{value['path']} (another content)" if isinstance(value, dict) else str(value)
