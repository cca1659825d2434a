"""Long work in steps, each with a JSON file: a step whose file is there is not done again."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError
from fairseq_see.io import write_json


def load_or_make(path: Path, make: Callable[[], Any]) -> Any:
    """The content of the JSON file ``path``; made and written first if there is none."""
    if not path.is_file():
        write_json(path, make())
    return json.loads(path.read_text(encoding="utf-8"))


def check_settings(where: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise SeeError if something was made with other settings, which it names as options, than those of now."""
    for name, value in now.items():
        if before.get(name) != value:
            option = f"--{name.replace('_', '-')}"
            raise SeeError(f"{where} was made with {option} {before.get(name)}, not {value}; choose another folder")
