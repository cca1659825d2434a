"""From options to embeddings: plan and build them, or restore what a checkpoint says they were."""

from __future__ import annotations

import json
import logging
import math
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary
from omegaconf import DictConfig, open_dict

from fairseq_see.embeddings import Embedding, build, embedding_class, exported, options_of, training_options
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

# Options that reach the method by their own name; the others are handled here.
METHOD_OPTIONS = ("ratio", "m", "whole_m", "share", "head", "order", "rank", "layernorm", "bias", "init")

# Among the extra state of a checkpoint that fairseq-see average wrote: of how many it is the mean.
AVERAGED = "see_averaged"


class Tables:
    """Builds the embeddings of one model, and records what they came to in its configuration.

    The record, ``see_resolved``, is saved in the checkpoint: a model loaded or resumed from it is built without
    planning and without reading the index file.

    Args:
        cfg: the model's configuration, with the fields of :class:`~fairseq_see.models.options.EmbeddingOptions`; a
            namespace if the model declares its options in ``add_args``.
        task: the fairseq task, asked for its data folder and languages.
    """

    def __init__(self, cfg: Any, task: Any) -> None:
        self.cfg = cfg
        self.task = task
        self.request = {name: _plain(getattr(cfg, f"see_{name}")) for name in ("method", *METHOD_OPTIONS)}
        self.resumed = None if cfg.see_resolved else _checkpoint_to_resume(cfg)
        known = cfg.see_resolved or (self.resumed and _resolved_in(load_checkpoint(self.resumed)))
        self.known: dict[str, Any] | None = json.loads(known) if known else None
        self.resolved: dict[str, Any] = {"request": self.request}
        if self.resumed and self.known:
            self._check_request(self.known["request"])

    def build(self, side: str, dictionary: Dictionary, dim: int) -> Embedding:
        """The embedding of one side, ``encoder`` or ``decoder``, for all symbols of its dictionary."""
        index_path = self._index_path(side)
        size, pad = len(dictionary), dictionary.pad()
        if self.known is not None:
            if side not in self.known:
                raise SeeError(f"the {side} has no table of its own in the trained model; give --share-all-embeddings")
            trained = self.known[side]
            rows, columns = trained["rows"], trained["columns"]
            # Some methods read rows by something else than their number, so that weights of another size fit, too.
            if (rows, columns) != (size, dim):
                raise SeeError(
                    f"the {side}'s table was trained as {rows:,} x {columns}, not {size:,} x {dim}; "
                    "give the dictionary and the options of its training"
                )
            settings = trained["settings"]
            if self.resumed and index_path.is_file():
                self._check_index(index_path, dictionary, settings)
            embedding = embedding_class(self.known["request"]["method"]).restore(size, dim, pad, settings)
        else:
            self._check_trainable()
            embedding = build(self.request["method"], size, dim, pad, **self._options(index_path, dictionary))
        embedding.inference = str(self.cfg.see_inference)
        self.resolved[side] = {"rows": size, "columns": dim, "padding": pad, "settings": embedding.settings()}
        parameters, disk = embedding.footprint()
        logger.info(
            f"{side} embedding: {embedding.method}, {parameters:,} parameters for {size:,} x {dim} "
            f"({embedding.ratio:.2f}x), {disk:,} bytes in half precision with the index"
        )
        return embedding

    def record(self) -> None:
        """Write what was built into the configuration that fairseq saves."""
        text = json.dumps(self.known or self.resolved, sort_keys=True)
        # fairseq hands a merged copy of the model's configuration to build_model; the one it saves hangs on the root.
        root = _root(self.cfg)
        for cfg in (self.cfg, root.get("model") if root is not None else None):
            if isinstance(cfg, DictConfig):
                with open_dict(cfg):
                    cfg.see_resolved = text
            elif cfg is not None:
                cfg.see_resolved = text

    def _check_trainable(self) -> None:
        method = self.request["method"]
        if embedding_class(method).quantised and _is_to_train(self.cfg):
            raise SeeError(
                f"{method!r} is made of a trained table, not trained: fairseq-see fit CHECKPOINT --see-method {method}"
            )

    def _options(self, index_path: Path, dictionary: Dictionary) -> dict[str, Any]:
        options = {name: self.request[name] for name in METHOD_OPTIONS}
        options["m"] = _parse_m(options["m"])
        cls = embedding_class(self.request["method"])
        if _is_to_train(self.cfg):
            options = training_options(cls, options)
        if "index" in options_of(cls):
            if not index_path.is_file():
                raise SeeError(f"no unit index at {index_path}; build it with fairseq-see index, or give --see-index")
            options["index"] = _load_index(index_path, dictionary)
        return options

    def _index_path(self, side: str) -> Path:
        given = self.cfg.see_index
        paths = [Path(path) for path in given.split(os.pathsep)] if given else [Path(self._data_folder())]
        if len(paths) > 2:
            raise SeeError(f"--see-index takes at most two files, SOURCE{os.pathsep}TARGET, not {len(paths)}")
        path = paths[-1 if side == "decoder" else 0]
        # Lists of runs name indexes so: data and list can be moved, to another machine too.
        if not path.exists() and (beside := Path(self._data_folder()) / path).exists():
            path = beside
        if path.is_dir():
            language = getattr(self._task_options(), "source_lang" if side == "encoder" else "target_lang", None)
            return path / (f"dict.{language}.see" if language else "dict.see")
        return path

    def _data_folder(self) -> str:
        return str(self._task_options().data).split(os.pathsep)[0]

    def _task_options(self) -> Any:
        # language_modeling, a task of fairseq's older kind, has its options elsewhere.
        return self.task.cfg or self.task.args

    def _check_request(self, trained: dict[str, Any]) -> None:
        for name, value in self.request.items():
            if value != trained.get(name):
                raise SeeError(
                    f"{self.resumed} was trained with --see-{name.replace('_', '-')} {trained.get(name)}, not {value}; "
                    "give the same option to resume, or another --save-dir to start anew"
                )

    def _check_index(self, path: Path, dictionary: Dictionary, settings: dict[str, Any]) -> None:
        trained = settings.get("shape", {}).get("fingerprint")
        if trained is not None and _load_index(path, dictionary).fingerprint != trained:
            raise SeeError(f"{self.resumed} was trained with another unit index than {path}; resume with the old one")


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the program with one line if what is asked for cannot be built."""
    try:
        yield
    except SeeError as error:
        raise SystemExit(f"error: {error}") from error


def load_embeddings(checkpoint: str | Path, state: dict[str, Any] | None = None) -> dict[str, Embedding]:
    """The trained embeddings of a checkpoint by side, ``encoder`` and ``decoder``, without the rest of the model.

    Args:
        checkpoint: its file.
        state: what :func:`load_checkpoint` returned for it, if that has been called already.

    Raises:
        SeeError: not a readable checkpoint, or not one of a model of this package.
    """
    state = state or load_checkpoint(checkpoint)
    text = _resolved_in(state)
    if not text:
        raise SeeError(f"{checkpoint} does not hold a model with an embedding of fairseq_see")
    resolved = json.loads(text)
    cls = embedding_class(resolved["request"]["method"])
    embeddings = {}
    for side in ("encoder", "decoder"):
        if side not in resolved:
            continue
        table = resolved[side]
        embeddings[side] = cls.restore(table["rows"], table["columns"], table["padding"], table["settings"])
        embeddings[side].load_state_dict(exported.weights_of(side, state["model"]))
    return embeddings


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """A fairseq checkpoint as saved, mapped into memory, through torch's safe loading; or a model that was exported.

    Raises:
        SeeError: missing, truncated, or with objects that safe loading refuses.
    """
    if exported.is_export(path):
        config = exported.read_config(path)
        options_in(config["cfg"]["model"])["see_resolved"] = json.dumps(config["embeddings"], sort_keys=True)
        return slim_state(config["cfg"], exported.read_weights(path), config["num_updates"])
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror}") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        # torch raises RuntimeError, OSError, UnpicklingError and others for what is one case to the user.
        raise SeeError(f"{path} is not a whole checkpoint that loads safely: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict) or "model" not in state:
        raise SeeError(f"{path} is not a fairseq checkpoint")
    return state


def options_in(section: Any) -> dict[str, Any]:
    """A section of a checkpoint's configuration, to be read and changed.

    It is a dictionary, or a namespace of all options where a model has no dataclass; one that is missing is empty.
    """
    return vars(section) if isinstance(section, Namespace) else section or {}


def slim_state(cfg: dict[str, Any], model: dict[str, torch.Tensor], updates: int) -> dict[str, Any]:
    """A checkpoint with nothing for resuming in it, in the form that fairseq loads."""
    return {
        "args": None,
        "cfg": cfg,
        "model": model,
        "optimizer_history": [{"optimizer_name": None, "lr_scheduler_state": {}, "num_updates": updates}],
        "extra_state": {"train_iterator": {"epoch": 1}},
    }


def updates_of(state: dict[str, Any]) -> int:
    """Updates that a model had seen when its checkpoint was saved."""
    history = state.get("optimizer_history") or [{}]
    return history[-1].get("num_updates", 0)


def _plain(value: Any) -> Any:
    """A choice as the string it stands for; fairseq makes enumerations of them."""
    return value.value if isinstance(value, Enum) else value


def _load_index(path: Path, dictionary: Dictionary) -> UnitIndex:
    return UnitIndex.load(path).for_dictionary(Vocabulary(tuple(dictionary.symbols), tuple(dictionary.count)))


def _parse_m(text: str | None) -> float | tuple[float, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in str(text).split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(1 <= number < math.inf for number in numbers):
        raise SeeError(f"--see-m is one number of at least 1 or two, SEMEMES,MORPHEMES; not {text!r}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _root(cfg: Any) -> Any:
    """The whole configuration that a model's hangs on, or None."""
    return cfg._get_parent() if isinstance(cfg, DictConfig) else None


def _is_to_train(cfg: Any) -> bool:
    """Whether the model is built to be trained: fairseq-see fit has no options of checkpoints."""
    return _checkpoint_options(cfg) is not None


def _checkpoint_options(cfg: Any) -> Any:
    """Where the trainer of this model reads and writes checkpoints; None if nobody is about to train it."""
    # A namespace has the options of all that fairseq does, those of checkpoints among them.
    if isinstance(cfg, Namespace):
        return cfg
    root = _root(cfg)
    return None if root is None else root.get("checkpoint")


def _checkpoint_to_resume(cfg: Any) -> Path | None:
    """The checkpoint that the trainer is about to load into this model, if any."""
    checkpoint = _checkpoint_options(cfg)
    if checkpoint is None:
        return None
    last = Path(checkpoint.save_dir) / "checkpoint_last.pt"
    # The order in which fairseq looks: an interrupted run goes on from its last checkpoint, whatever it started from.
    start = getattr(checkpoint, "continue_once", None) or checkpoint.finetune_from_model
    if checkpoint.restore_file != "checkpoint_last.pt":
        path = Path(checkpoint.restore_file)
    elif start and not last.is_file():
        path = Path(start)
    else:
        path = last
    if path.is_dir():
        raise SeeError(f"{path} is a folder, which fairseq does not start from; give the model.safetensors in it")
    return path if path.is_file() else None


def _resolved_in(state: dict[str, Any]) -> str | None:
    """What a checkpoint says its embeddings came to, or None."""
    return options_in((state.get("cfg") or {}).get("model")).get("see_resolved")
