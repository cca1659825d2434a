"""``save_pretrained`` of a compressed model, as it is now: its record, its weights, a model card.

What the embeddings are stands in the model's ``config.json`` as ``quantization_config``. There transformers looks for
what has to be changed in a stock model before its weights are loaded; nothing is quantized here. In the safetensors
files beside it, unit indexes and codes are packed (embeddings/buffers.py), so that they take the bytes that
:meth:`~fairseq_see.embeddings.Embedding.footprint` counts. An empty ``weight`` stands where a stock model has its
matrix: transformers without this package refuses it, and does not begin with random embeddings.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard
from torch import Tensor
from transformers import PreTrainedModel
from transformers.quantizers import register_quantization_config
from transformers.utils.quantization_config import QuantizationConfigMixin

from fairseq_see.embeddings import Embedding, restore
from fairseq_see.embeddings.base import INFERENCE_MODES
from fairseq_see.embeddings.buffers import PACKED_CODES, pack_state
from fairseq_see.embeddings.packing import unpack_codes
from fairseq_see.errors import SeeError
from fairseq_see.hf import surgery
from fairseq_see.hf.resizing import resize

NAME = "fairseq_see"
VERSION = 2
OUTPUTS = ("tied", "untied", "dense")

# In a model card of ours, and in the one that transformers puts above it: both may be written again.
MARK = "<!-- written by fairseq_see -->"
GENERATED = "This model card has been automatically generated."

CARD = """---
library_name: transformers
tags: [fairseq_see, compressed-embeddings]
---
{mark}

# {model} with compressed embeddings

| embedding | method | matrix | compression | bytes here | bytes of a dense matrix |
|---|---|---:|---:|---:|---:|
{rows}

To load it, `pip install 'fairseq_see[hf]'` and

```python
import fairseq_see.hf  # without it, transformers fails for want of {weight}
from {module} import {model}

model = {model}.from_pretrained("FOLDER")
```

`fairseq_see.hf.materialise(model)` makes it a stock model with dense matrices.
"""


@register_quantization_config(NAME)
class CompressionConfig(QuantizationConfigMixin):
    """What the compressed embeddings of a model are: JSON values only; SeeError if they are damaged.

    Args:
        embeddings: ``input``, and ``output`` where the output layer has an embedding of its own, each as
            :meth:`~fairseq_see.embeddings.Embedding.describe` has it, with its ``inference``.
        output: ``tied``, ``untied`` or ``dense``.
        scale: what embeddings that are looked up are multiplied by, or None.
        version: of this record.
    """

    def __init__(
        self,
        embeddings: dict[str, dict[str, Any]] | None = None,
        output: str = "",
        scale: float | None = None,
        version: int = VERSION,
        quant_method: str = NAME,
        **unknown: Any,
    ) -> None:
        if version != VERSION:
            raise SeeError(f"the model is of version {version} of compressed embeddings, this package reads {VERSION}")
        sides: dict[str, dict[str, Any]] = embeddings if isinstance(embeddings, dict) else {}
        described = all(isinstance(each, dict) and each.get("inference") in INFERENCE_MODES for each in sides.values())
        wanted = ["input", "output"] if output == "untied" else ["input"]
        known = output in OUTPUTS and isinstance(scale, float | int | None)
        if unknown or not known or not described or sorted(sides) != wanted:
            raise SeeError("the quantization_config in config.json is damaged; save the model again")
        self.embeddings, self.output, self.scale = sides, output, scale
        self.version, self.quant_method = version, quant_method

    @classmethod
    def describe(cls, model: PreTrainedModel) -> "CompressionConfig":
        """The record of a compressed model as it is now; SeeError if none describes it."""
        embeddings = surgery.get_compressed_embeddings(model)
        described = {side: each.describe() | {"inference": each.inference} for side, each in embeddings.items()}
        return cls(described, surgery.detect_output(model), surgery.find_scale(embeddings["input"]))

    def build(self, rows: int, columns: int) -> dict[str, Embedding]:
        """Embeddings by side, of V x d, whose weights are about to be loaded; SeeError if the record is of others."""
        embeddings = {}
        for side, description in self.embeddings.items():
            shape = f"{description.get('rows')} x {description.get('columns')}"
            if shape != f"{rows} x {columns}":
                raise SeeError(f"config.json has a model of {rows} x {columns} and an {side} embedding of {shape}")
            embeddings[side] = restore(description)
            embeddings[side].inference = description["inference"]
        return embeddings


def override_methods(model: PreTrainedModel) -> None:
    """Give a compressed model its own ``save_pretrained``, ``resize_token_embeddings`` and way to the hub."""
    # No methods: they would be pickled as the class's.
    model.save_pretrained = partial(save, model)
    model._upload_modified_files = partial(_upload, model)
    model.resize_token_embeddings = partial(resize, model)


def save(model: PreTrainedModel, folder: str | Path, *args: Any, **kwargs: Any) -> None:
    """A compressed model's ``save_pretrained``; SeeError, and nothing is written, if no record describes the model."""
    if getattr(model, "_hf_peft_config_loaded", False):
        # Of adapters alone.
        type(model).save_pretrained(model, folder, *args, **kwargs)
        return
    record = CompressionConfig.describe(model)
    given = kwargs.pop("state_dict", None)
    state = dict(model.state_dict() if given is None else given)
    rows, kind = [], type(model)
    for side, embedding in surgery.get_compressed_embeddings(model).items():
        prefix = f"{surgery.find_name(model, embedding)}."
        own = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
        # Values as they were given, which may have been gathered from several processes.
        stored = {name: own.get(name, tensor) for name, tensor in _pack(embedding).items()}
        state |= {prefix + name: tensor for name, tensor in stored.items()}
        rows.append(_describe(side, embedding, stored))
    if not getattr(model.config, "tie_word_embeddings", True):
        # PEFT sets this without undoing other ties, of BERT's biases, which are then looked for when loading.
        state |= {name: state[name].clone() for name in model.all_tied_weights_keys if name in state}
    weight = f"{surgery.find_name(model, model.get_input_embeddings())}.weight"
    state[weight] = torch.empty(0, dtype=torch.uint8)
    model.config.quantization_config = record
    names = {"model": kind.__name__, "module": kind.__module__.partition(".models.")[0], "weight": weight}
    model._card = CARD.format(mark=MARK, rows="\n".join(rows), **names)
    kind.save_pretrained(model, folder, *args, state_dict=state, **kwargs)
    if kwargs.get("is_main_process", True):
        _write_card(model, Path(folder))


def _upload(model: PreTrainedModel, folder: str | Path, *args: Any, **kwargs: Any) -> Any:
    """transformers' method of this name, which all its ways to the hub end in; our card in place of its own."""
    if not getattr(model, "_hf_peft_config_loaded", False):
        _write_card(model, Path(folder))
    return type(model)._upload_modified_files(model, folder, *args, **kwargs)


def _write_card(model: PreTrainedModel, folder: Path) -> None:
    """Write the model card, but not over one that a person wrote; with the tags of the one that was there."""
    path, card = folder / "README.md", ModelCard(model._card)
    if path.exists():
        before = path.read_text(encoding="utf-8")
        if not any(mark in before for mark in (MARK, GENERATED)):
            return
        tags = card.data["tags"]
        tags += [tag for tag in ModelCard(before).data.get("tags") or () if tag not in tags]
    card.save(path)


def _pack(embedding: Embedding) -> dict[str, Tensor]:
    """The state dict with unit indexes and codes packed, but for codes whose latents would not survive it."""
    packed = pack_state(embedding)
    for name, parameter in embedding.named_parameters():
        codes = packed.get(name + PACKED_CODES)
        if codes is not None and not unpack_codes(codes).to(parameter).equal(parameter):
            del packed[name + PACKED_CODES]
            packed[name] = parameter.detach()
    return packed


def _describe(side: str, embedding: Embedding, stored: dict[str, Tensor]) -> str:
    size = sum(tensor.numel() * tensor.element_size() for tensor in stored.values())
    rows, columns = embedding.num_embeddings, embedding.embedding_dim
    dense = rows * columns * next(embedding.parameters()).element_size()
    ratio = f"{embedding.ratio:.2f}x of {'bytes' if embedding.quantised else 'parameters'}"
    return f"| {side} | `{embedding.method}` | {rows:,} x {columns:,} | {ratio} | {size:,} | {dense:,} |"
