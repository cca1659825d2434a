"""fairseq's checkpoints: loaded safely, and what they hold of ours."""

import argparse
import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fairseq_see.embeddings import Embedding, exported, restore
from fairseq_see.errors import SeeError
from fairseq_see.export_config import is_export, read_config
from fairseq_see.io import check_finite, check_written, replace_file

# torch >= 2.6 loads checkpoints with weights_only=True. Stock fairseq checkpoints hold an argparse namespace, and
# numbers (the best validation loss, say) that numpy made: harmless data, named here one by one instead of switching
# safety off.
_NUMPY_CORE = getattr(np, "_core", None) or np.core
torch.serialization.add_safe_globals(
    [
        argparse.Namespace,
        _NUMPY_CORE.multiarray.scalar,
        _NUMPY_CORE.multiarray._reconstruct,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "uint8", "bool")},
    ]
)

# Among the extra state of a checkpoint that fairseq-see average wrote: of how many it is the mean.
AVERAGED = "see_averaged"


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the program with one line if bad input is the reason, also of an error that fairseq raises in its place."""
    try:
        yield
    except Exception as error:
        reason: BaseException | None = error
        while reason is not None and not isinstance(reason, SeeError):
            reason = reason.__cause__ or reason.__context__
        if reason is None:
            raise
        raise SystemExit(f"error: {reason}") from reason


def load_embeddings(checkpoint: str | Path, state: dict[str, Any] | None = None) -> dict[str, Embedding]:
    """The trained embeddings of a checkpoint by side, ``encoder`` and ``decoder``, in eval mode, without the model.

    ``state`` is what :func:`load_checkpoint` returned for it, if that has been called already. SeeError if it is no
    readable checkpoint, or not of a model of this package.
    """
    state = state or load_checkpoint(checkpoint)
    text = read_section((state.get("cfg") or {}).get("model")).get("see_resolved")
    if not text:
        raise SeeError(
            f"{checkpoint} does not hold a model with an embedding of fairseq_see; fairseq-see compress gives it one"
        )
    embeddings = {}
    for side, description in exported.read_descriptions(json.loads(text)).items():
        embeddings[side] = restore(description).eval()
        embeddings[side].load_state_dict(exported.select_weights(side, state["model"]))
    return embeddings


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """A fairseq checkpoint as saved, mapped into memory, through torch's safe loading; or a model that was exported.

    SeeError if it is missing, truncated, or has objects that safe loading refuses.
    """
    if is_export(path):
        config = read_config(path)
        if "embeddings" not in config:
            raise SeeError(f"{path} is a model that was converted to CTranslate2; give the one that it was made of")
        read_section(config["cfg"]["model"])["see_resolved"] = json.dumps(config["embeddings"], sort_keys=True)
        return make_state(config["cfg"], exported.read_weights(path), config["num_updates"])
    try:
        with open(path, "rb") as file:
            whole = zipfile.is_zipfile(file)
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror}") from error
    if not whole:
        raise SeeError(f"{path} is not a whole checkpoint: truncated, or another file than PyTorch 1.6 and newer save")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        # torch raises RuntimeError, OSError, UnpicklingError and others for what is one case to the user.
        raise SeeError(f"{path} is not a whole checkpoint that loads safely: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict) or "model" not in state:
        raise SeeError(f"{path} is not a fairseq checkpoint")
    return state


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write a checkpoint in place of what was there, and read it back.

    SeeError if the folder is not writable or full, or a weight of ``state["model"]`` is NaN or infinite.
    """
    check_finite(state["model"])
    with replace_file(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:
            # Torch has no other name for a full disk.
            raise OSError(f"{str(error).splitlines()[0]}; is the disk full?") from error
        written = torch.load(temporary, map_location="cpu", weights_only=True, mmap=True)
        check_written(Path(path), state["model"], written["model"])


def hash_weights(model: Mapping[str, torch.Tensor]) -> str:
    """One value for all weights of a state dict, in the precision that they have."""
    digest = hashlib.sha256()
    for name, value in model.items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_section(section: Any) -> dict[str, Any]:
    """A section of a checkpoint's configuration, to be read and changed.

    It is a dictionary, or a namespace of all options where a model has no dataclass; one that is missing is empty.
    """
    return vars(section) if isinstance(section, argparse.Namespace) else section or {}


def make_state(cfg: dict[str, Any], model: dict[str, torch.Tensor], updates: int) -> dict[str, Any]:
    """A checkpoint with nothing for resuming in it, in the form that fairseq loads."""
    return {
        "args": None,
        "cfg": cfg,
        "model": model,
        "optimizer_history": [{"optimizer_name": None, "lr_scheduler_state": {}, "num_updates": updates}],
        "extra_state": {"train_iterator": {"epoch": 1}},
    }


def count_updates(state: dict[str, Any]) -> int:
    """Updates that a model had seen when its checkpoint was saved."""
    history = state.get("optimizer_history") or [{}]
    return history[-1].get("num_updates", 0)


def read_facts(checkpoint: Path) -> dict[str, Any]:
    """Updates, whole epochs and hours of training of a checkpoint; SeeError if it is damaged."""
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
        # Out of fairseq's way, and not deleted: another version or program may be able to read them.
        for path in checkpoints.glob("checkpoint*.pt"):
            path.rename(path.with_suffix(".pt.unreadable"))
    return newest
