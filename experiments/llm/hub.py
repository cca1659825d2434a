"""Models and data sets, from Hugging Face's hub or its cache."""

from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError

OFFLINE = "without a network it must be in the cache (HF_HOME)"


def load_model(kind: Any, name: str | Path, **options: Any) -> Any:
    """``kind.from_pretrained(name)``, of an auto class of transformers; SeeError if there is no such model."""
    try:
        return kind.from_pretrained(name, **options)
    except SeeError:
        raise
    except Exception as error:  # transformers raises errors of many kinds here
        what = "give a name on the Hub, or a folder with a model and its tokenizer"
        raise SeeError(f"cannot load {name}: {_find_first_line(error)}; {what}; {OFFLINE}") from error


def load_split(name: str, part: str | None, split: str) -> Any:
    """A split of a data set; SeeError if it is neither in the cache nor within reach."""
    from datasets import load_dataset

    try:
        return load_dataset(name, part, split=split)
    except Exception as error:  # so does datasets
        otherwise = f"{OFFLINE}, or give its files with --data (docs/hugging-face.md)"
        raise SeeError(f"cannot get {part or split} of {name}: {_find_first_line(error)}; {otherwise}") from error


def _find_first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
