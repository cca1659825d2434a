"""The ``config.json`` of an exported model or of one converted to CTranslate2, read and written without torch."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError

FORMAT = "fairseq-see export"
# What is written, and what is read; version 1 had no rounded parameters.
VERSION, VERSIONS = 2, (1, 2)
WEIGHTS, CONFIG, CTRANSLATE2 = "model.safetensors", "config.json", "model.bin"
# What a folder that is written over may hold.
OWN_FILES = (CONFIG, WEIGHTS, CTRANSLATE2, "*_vocabulary.json", "dict.txt", "dict.*.txt", "codes.*", "spm.*.model")
# Precisions of parameters. The embeddings' default is the smallest that changes the perplexity of the demonstration
# model by less than 0.5%.
BITS, DEFAULT_BITS, LAYER_BITS = (16, 8, 6, 4), 8, 16
# How JSON names an argparse namespace, which is what fairseq keeps a model's options in that has no dataclass.
NAMESPACE = "argparse.Namespace"


def is_export(path: str | Path) -> bool:
    """Whether a path is meant as an exported model, its folder or the file of its weights, and not as a checkpoint."""
    return Path(path).is_dir() or Path(path).suffix == Path(WEIGHTS).suffix


def read_config(path: str | Path) -> dict[str, Any]:
    """The ``config.json`` of an exported model, named by its folder or its weights.

    SeeError if there is none, or it is another file or of a newer version.
    """
    path = find_folder(path) / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"), object_hook=_revive)
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror}; fairseq-see export writes it") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise SeeError(f"{path} is damaged: {error}; export the model again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise SeeError(f"{path} is not of an exported model; fairseq-see export writes one")
    if config.get("version") not in VERSIONS:
        raise SeeError(f"{path} is of version {config.get('version')}, this fairseq-see reads up to version {VERSION}")
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write ``config.json`` into an existing folder, and read it back; OSError if it is not writable or full."""
    text = json.dumps({"format": FORMAT, "version": VERSION, **config}, default=_to_plain, ensure_ascii=False, indent=1)
    path = folder / CONFIG
    path.write_text(f"{text}\n", encoding="utf-8")
    if path.read_text(encoding="utf-8") != f"{text}\n":
        raise OSError(f"{CONFIG} does not read back as it was written; check the disk")


def find_folder(path: str | Path) -> Path:
    """The folder of an exported model, of which ``path`` is that or its weights."""
    path = Path(path)
    return path.parent if path.name == WEIGHTS else path


def _to_plain(value: Any) -> Any:
    """What JSON has no word for, among what fairseq's checkpoints may hold."""
    if isinstance(value, Namespace):
        return {NAMESPACE: vars(value)}
    if hasattr(value, "item"):  # a number that numpy made
        return value.item()
    raise SeeError(f"the model's configuration holds a {type(value).__name__}, which JSON cannot")


def _revive(value: dict[str, Any]) -> Any:
    return Namespace(**value[NAMESPACE]) if value.keys() == {NAMESPACE} else value
