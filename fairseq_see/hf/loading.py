"""``from_pretrained`` of a compressed model: transformers' own, sharded, in whatever precision, on whatever devices.

While it loads, an embedding has the tensors that are in the files, packed or not; afterwards it gets its own from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.quantizers import HfQuantizer, register_quantizer

from fairseq_see.embeddings import Embedding
from fairseq_see.embeddings.buffers import unpacked_state
from fairseq_see.errors import SeeError
from fairseq_see.hf import surgery
from fairseq_see.hf.saving import NAME, override_methods


@register_quantizer(NAME)
class Loader(HfQuantizer):
    """Puts the embeddings into a stock model that ``from_pretrained`` has built, before it loads the weights."""

    requires_calibration = False

    def validate_environment(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to compress while loading: there are no weights yet that could be fitted."""
        if not self.pre_quantized:
            raise SeeError("load the stock model without a quantization_config, then compress_embeddings(model, ...)")

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> None:
        config = self.quantization_config
        shape = model.get_input_embeddings().weight.shape
        self._embeddings = config.build(*shape)
        # A model without an output layer may have been saved by one that has one.
        output = config.output if model.get_output_embeddings() is not None else "dense"
        if output != "untied":
            self._embeddings.pop("output", None)
        surgery.put(model, self._embeddings["input"], output, self._embeddings.get("output"), config.scale)
        override_methods(model)
        _check_not_offloaded(model, kwargs.get("device_map"))
        saved = _names_in(kwargs.get("checkpoint_files") or ())
        self._contents = {}
        for side, embedding in self._embeddings.items():
            last = surgery.name_of(model, embedding).rpartition(".")[2]
            stored = _stored(embedding, config.embeddings[side].get("tensors"))
            for name in stored if saved else ():
                if not any(f".{each}".endswith(f".{last}.{name}") for each in saved):
                    raise SeeError(f"the model's files have no {last}.{name}; save the model again")
            self._contents[side] = _module_of(stored)
            _exchange_contents(embedding, self._contents[side])
            # For models that initialise ``shared.weight`` by name.
            embedding._matrices.held = torch.empty(shape, device="meta")
        # Of the tensor that keeps those from loading it who know no compressed embeddings.
        name = surgery.name_of(model, self._embeddings["input"]).rpartition(".")[2]
        model._keys_to_ignore_on_load_unexpected.add(rf"(^|\.){name}\.weight$")

    def postprocess_model(self, model: PreTrainedModel, **kwargs: Any) -> None:
        """Leave the model as :func:`compress_embeddings` does: one that can be trained and cast like any other."""
        self.remove_quantization_config(model)
        model.config.quantization_config = self.quantization_config
        for side, embedding in self._embeddings.items():
            loaded = embedding.state_dict(keep_vars=True)
            like = next(tensor for tensor in loaded.values() if tensor.is_floating_point())
            _exchange_contents(embedding, self._contents[side])
            embedding._matrices.held = None
            parameters = dict(embedding.named_parameters())
            try:
                state = unpacked_state({name: tensor.data for name, tensor in loaded.items()})
                state = {name: each.to(like.dtype) if name in parameters else each for name, each in state.items()}
                embedding.load_state_dict(state, assign=True)
            except (RuntimeError, SeeError) as error:
                problem = str(error).splitlines()[-1].strip()
                raise SeeError(
                    f"config.json and the weights are of different models, or damaged ({problem})"
                ) from error
            # Also what no state dict has.
            embedding.to(device=like.device, dtype=like.dtype)

    def is_serializable(self) -> bool:
        """It can be saved."""
        return True

    @property
    def is_trainable(self) -> bool:
        """It can be trained."""
        return True


def _names_in(files: Iterable[str]) -> list[str]:
    """The names of the tensors in safetensors files."""
    names: list[str] = []
    for path in files:
        try:
            with safe_open(path, "pt") as file:
                names += file.keys()
        except SafetensorError as error:
            raise SeeError(f"{path} is damaged or no safetensors file: {error}; save the model again") from error
    return names


def _stored(embedding: Embedding, tensors: dict[str, int | None] | None) -> dict[str, Tensor]:
    """Tensors, without content, of the names and shapes that an embedding has in the files."""
    state = embedding.state_dict()
    try:
        lengths = dict.fromkeys(state) if tensors is None else tensors
        return {
            name: state[name] if length is None else torch.empty(length, dtype=torch.uint8, device="meta")
            for name, length in lengths.items()
        }
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise SeeError(f"config.json has a damaged list of tensors ({error}); save the model again") from error


def _module_of(state: dict[str, Tensor]) -> nn.Module:
    """A module that has this state dict."""
    root = nn.Module()
    for name, tensor in state.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            module._modules.setdefault(part, nn.Module())
            module = module._modules[part]  # type: ignore[assignment]
        if tensor.is_floating_point():
            module.register_parameter(last, nn.Parameter(tensor))
        else:
            module.register_buffer(last, tensor)
    return root


def _exchange_contents(module: nn.Module, other: nn.Module) -> None:
    """The module itself, its hooks and places, stays."""
    for part in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
        module.__dict__[part], other.__dict__[part] = other.__dict__[part], module.__dict__[part]


def _check_not_offloaded(model: PreTrainedModel, device_map: Any) -> None:
    """Refuse an embedding that is fetched for its forward alone: its numbers are also wanted elsewhere, to project."""
    if not isinstance(device_map, dict):
        return
    devices = set(device_map.values())
    offloaded = {"disk", "cpu"} if devices - {"cpu", "disk"} else {"disk"}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Embedding):
            parts = name.split(".")
            prefixes = (".".join(parts[:end]) for end in range(len(parts), -1, -1))
            device = next((device_map[prefix] for prefix in prefixes if prefix in device_map), None)
            if device in offloaded:
                raise SeeError(
                    f"the compressed embedding {name} cannot be offloaded to {device}; give it another device"
                )
