"""A trained model as it is shipped: a folder that ``fairseq-see export`` writes, read here without fairseq.

    model.safetensors   the weights in half precision or rounded to integers (packing.py): NAME.packed and NAME.scales;
                        a unit index as one uint8 tensor (UnitIndex.pack)
    config.json         what the embeddings are, the configuration that fairseq builds the model from, and how raw text
                        becomes its tokens (fairseq_see/export_config.py)
    dict.LANG.txt       fairseq's dictionaries: a token's id is its line, after <s>, <pad>, </s> and <unk>
    codes.LANG          BPE codes of the source language; or spm.LANG.model, its sentencepiece model

Tensors that are equal are stored once. The metadata of the safetensors file has an entry ``shared``, JSON that maps the
names of the others to those of the stored ones; it is the only entry, because their order would be left to chance.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import PACKED_CODES, SCALES, unpack_state
from fairseq_see.embeddings.packing import count_rounded_bytes, pack_codes, round_rows
from fairseq_see.embeddings.registry import restore, upgrade
from fairseq_see.errors import SeeError
from fairseq_see.export_config import CONFIG, WEIGHTS, find_folder, read_config, write_config
from fairseq_see.io import check_finite, check_written, write_tensors


def load(folder: str | Path, side: str = "encoder") -> Embedding:
    """A trained embedding, in eval mode and float32, ready for ``lookup`` and ``project``.

    Args:
        folder: what ``fairseq-see export`` wrote.
        side: ``encoder`` or ``decoder``; the same where the model shares them.

    Raises:
        SeeError: another folder, a damaged one, or a model without such a side.
    """
    config = read_config(folder)
    state = select_weights(side, read_weights(folder, side))
    if not state:
        raise SeeError(f"{folder} has no embedding of a side {side!r}; it is encoder or decoder")
    try:
        # A model that shares one matrix describes it once.
        embeddings = read_descriptions(config["embeddings"])
        embedding = restore(embeddings.get(side) or embeddings["encoder"])
        embedding.load_state_dict(state)
    except (KeyError, TypeError, AttributeError, RuntimeError, SeeError) as error:
        raise SeeError(
            f"{folder}: {CONFIG} does not describe the {side}'s embedding ({error}); export the model again"
        ) from error
    return embedding.eval()


def read_descriptions(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Descriptions of a model's embeddings by side, from its record, which may be one of version 0.1."""
    sides: dict[str, dict[str, Any]] = {side: record[side] for side in ("encoder", "decoder") if side in record}
    if "request" not in record or all("config" in description for description in sides.values()):
        return sides
    return {side: upgrade(record["request"]["method"], description) for side, description in sides.items()}


def find_embedding(side: str, names: Iterable[str]) -> str:
    """The module of a side's embedding, among the names of a state dict: ``SIDE.embed_tokens``, or deeper (RoBERTa)."""
    for name in names:
        module, found, _ = name.partition(".embed_tokens.")
        if found and f"{module}.".startswith(f"{side}."):
            return f"{module}.embed_tokens"
    return f"{side}.embed_tokens"


def select_weights(side: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a side's embedding, out of that of its model; empty if it has none."""
    prefix = f"{find_embedding(side, state)}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def read_weights(path: str | Path, prefix: str = "") -> dict[str, Tensor]:
    """The state dict of an exported model, its unit indexes unpacked; only names with ``prefix`` are read.

    ``path`` is its folder or its ``model.safetensors``; SeeError if it is missing, another kind of file or damaged.
    """
    path = find_folder(path) / WEIGHTS
    try:
        with safe_open(path, "pt") as file:
            names = {name: name for name in file.keys()}  # noqa: SIM118 - not a mapping
            names |= json.loads((file.metadata() or {}).get("shared", "{}"))
            state = {name: file.get_tensor(kept) for name, kept in names.items() if name.startswith(prefix)}
        return unpack_state(state)
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror or error}") from error
    except SeeError as error:
        raise SeeError(f"{path}: {error}") from error
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise SeeError(f"{path} is damaged or no safetensors file: {error}; export the model again") from error


def write(
    folder: Path, state: dict[str, Tensor], config: dict[str, Any], bits: int = 16, layer_bits: int = 16
) -> dict[str, Tensor]:
    """Write weights and configuration into an existing folder.

    Args:
        folder: where; OSError if it is not writable or full.
        state: the state dict of the model, unit indexes packed; SeeError if a value is not finite in half precision.
        config: ``embeddings`` and what else a reader may need.
        bits: of the embeddings' parameters.
        layer_bits: of all others.

    Returns:
        the tensors as they are stored, equal ones once.
    """
    check_finite(state)
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        width = bits if ".embed_tokens." in name else layer_bits
        if value.is_floating_point() and count_rounded_bytes(value.shape, width) < 2 * value.numel():
            codes, scales = round_rows(value, width)
            weights[name + PACKED_CODES] = pack_codes(codes.flatten(0, -2), 2**width - 1)
            weights[name + SCALES] = scales.half()
        else:
            weights[name] = value.half() if value.is_floating_point() else value
    stored: dict[str, Tensor] = {}
    first: dict[Any, str] = {}
    shared: dict[str, str] = {}
    # In an order of its own, so that the same model gives the same bytes; and the encoder's before the decoder's.
    for name, tensor in sorted(weights.items(), reverse=True):
        if not tensor.isfinite().all():
            raise SeeError(f"{name} has values that half precision cannot hold, above 65,504")
        content = hashlib.sha256(tensor.contiguous().numpy().tobytes()).digest()
        kept = first.setdefault((tensor.dtype, tensor.shape, content), name)
        if kept == name:
            stored[name] = tensor.clone(memory_format=torch.contiguous_format)
        else:
            shared[name] = kept
    write_tensors(folder / WEIGHTS, stored, {"shared": json.dumps(shared)})
    check_written(folder / WEIGHTS, stored, load_file(folder / WEIGHTS))
    sizes = {"bits": bits, "layer_bits": layer_bits, "bytes": sum(tensor.nbytes for tensor in stored.values())}
    write_config(folder, config | sizes)
    return stored
