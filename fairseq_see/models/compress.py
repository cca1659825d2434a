"""Other embeddings in a Transformer that is trained already: read its tables, build what is to replace them, save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from fairseq import tasks
from omegaconf import OmegaConf
from torch import Tensor

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.files import replacing
from fairseq_see.models.tables import load_checkpoint, load_embeddings, options_in
from fairseq_see.models.transformer import SEETransformerConfig

# Only where a model started, not what it is; and see_transformer refuses them.
STARTS = ("encoder_embed_path", "decoder_embed_path")


class Side(NamedTuple):
    """One table.

    Attributes:
        embedding: what replaces it, at its own start.
        table: (V, d), float32, as trained.
        counts: (V,), how often the dictionary saw each symbol.
    """

    embedding: Embedding
    table: Tensor
    counts: Tensor


class Exchange:
    """A trained Transformer, stock or of this package, on its way to being a ``see_transformer`` with other embeddings.

    Whoever made it changes the embeddings' parameters, and saves.

    Args:
        checkpoint: its file, which is only read.
        options: the ``see_...`` options of the new embeddings, as of
            :class:`~fairseq_see.models.options.EmbeddingOptions`.
        data: folder of its dictionaries and, for methods that need them, unit indexes (default: where it was trained).

    Attributes:
        sides: ``encoder`` and ``decoder``; the first alone if they share a table.

    Raises:
        SeeError: not such a checkpoint, other dictionaries, or embeddings that cannot be built.
    """

    def __init__(self, checkpoint: Path, options: Mapping[str, Any], data: Path | None = None) -> None:
        self._state = load_checkpoint(checkpoint)
        if "encoder.layers.0.self_attn.k_proj.weight" not in self._state["model"]:
            raise SeeError(f"{checkpoint} is not of fairseq's Transformer, the one model whose tables can be exchanged")
        self._cfg, old = _configurations(self._state, checkpoint, options, data)
        task = _task(self._cfg)
        shared = bool(old.get("share_all_embeddings"))
        tied = shared or bool(old.get("share_decoder_input_output_embed"))
        tables = _tables(self._state, checkpoint, resolved=bool(old.get("see_resolved")))
        dictionaries = {"encoder": task.source_dictionary, "decoder": task.target_dictionary}
        for side, dictionary in dictionaries.items():
            if side in tables and len(tables[side]) != len(dictionary):
                raise SeeError(
                    f"the {side}'s table in {checkpoint} has {len(tables[side]):,} rows, its dictionary in "
                    f"{self._cfg.task.data} {len(dictionary):,}; give the data folder of its training with --data"
                )
        # The tables, and the copy of one that a tied stock decoder saves as its output layer.
        replaced = ("encoder.embed_tokens.", "decoder.embed_tokens.", *(["decoder.output_projection."] * tied))
        self._rest = {name: value for name, value in self._state["model"].items() if not name.startswith(replaced)}
        self._model = self._build(task, checkpoint, replaced)
        self.sides = {
            side: Side(
                getattr(self._model, side).embed_tokens,
                tables["encoder" if shared else side].float(),
                torch.tensor(dictionaries[side].count),
            )
            for side in (["encoder"] if shared else dictionaries)
        }

    def save(self, path: Path) -> None:
        """Write the checkpoint: everything but tables and optimizer as it was."""
        embeddings = {name: value for name, value in self._model.state_dict().items() if ".embed_tokens." in name}
        configuration = OmegaConf.to_container(self._cfg.model, resolve=True, enum_to_str=True)
        state = {
            **self._state,
            "cfg": {**self._state["cfg"], "model": configuration},
            "model": {**self._rest, **embeddings},
        }
        # Its moments are those of other parameters.
        state.pop("last_optimizer_state", None)
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def _build(self, task: Any, checkpoint: Path, replaced: tuple[str, ...]) -> Any:
        """The model, with the rest of its parameters, to be sure that they are all there is."""
        try:
            model = task.build_model(self._cfg.model)
        except SystemExit as end:
            # fairseq's commands know no SeeError, so models end the program.
            if isinstance(end.__cause__, SeeError):
                raise end.__cause__ from None
            raise
        try:
            missing, unexpected = model.load_state_dict(dict(self._rest), strict=False)
        except RuntimeError as error:
            raise SeeError(
                f"{checkpoint} is not of fairseq's Transformer: {str(error).splitlines()[-1].strip()}"
            ) from None
        strange = [*(name for name in missing if not name.startswith(replaced)), *unexpected]
        if strange:
            raise SeeError(f"{checkpoint} is not of fairseq's Transformer: {strange[0]} is in one of them alone")
        return model


def _configurations(
    state: dict[str, Any], checkpoint: Path, options: Mapping[str, Any], data: Path | None
) -> tuple[Any, dict[str, Any]]:
    """Of the new model and its task, and the old model's options, those of nested configurations flattened."""
    cfg = state.get("cfg") or {}
    task, model = cfg.get("task"), cfg.get("model")
    if not isinstance(task, dict) or not model:
        raise SeeError(f"{checkpoint} does not say of what task and model it is; only fairseq 0.12's can be read")
    old = dict(options_in(model))
    for side in ("encoder", "decoder"):
        nested = old.get(side)
        old |= {f"{side}_{name}": value for name, value in (nested if isinstance(nested, dict) else {}).items()}
    known = {field.name for field in fields(SEETransformerConfig) if not field.name.startswith(("_", "see_"))}
    new = {name: old[name] for name in known - set(STARTS) if old.get(name) is not None}
    task = {**task, "data": str(data)} if data else task
    return OmegaConf.create({"task": task, "model": {"_name": "see_transformer", **new, **options}}), old


def _task(cfg: Any) -> Any:
    try:
        return tasks.setup_task(cfg.task)
    except Exception as error:
        # fairseq raises bare Exceptions here.
        raise SeeError(
            f"no dictionaries in {cfg.task.data} ({error}); give the model's data folder with --data"
        ) from error


def _tables(state: dict[str, Any], checkpoint: Path, resolved: bool) -> dict[str, Tensor]:
    """The tables by side; of shared ones it may be the first alone."""
    if resolved:
        return {side: embedding.table().detach() for side, embedding in load_embeddings(checkpoint, state).items()}
    names = {side: f"{side}.embed_tokens.weight" for side in ("encoder", "decoder")}
    for name in names.values():
        if name not in state["model"]:
            raise SeeError(f"{checkpoint} holds no {name}; it must be of an encoder-decoder with embedding tables")
    return {side: state["model"][name] for side, name in names.items()}
