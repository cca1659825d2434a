"""``from_pretrained`` of a compressed model: transformers' own, sharded, in whatever precision, on whatever devices.

The embeddings read their tensors, packed or not, from the files, and are empty while transformers loads the rest.
"""

from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.quantizers import HfQuantizer, register_quantizer

from fairseq_see.embeddings import Embedding
from fairseq_see.embeddings.buffers import unpack_state
from fairseq_see.errors import SeeError
from fairseq_see.hf import surgery
from fairseq_see.hf.saving import NAME, override_methods


@register_quantizer(NAME)
class Loader(HfQuantizer):
    """Puts the embeddings into a stock model that ``from_pretrained`` has built, before it loads the weights."""

    requires_calibration = False
    is_trainable = True

    def validate_environment(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to compress while loading: there are no weights yet that could be fitted."""
        if not self.pre_quantized:
            raise SeeError("load the stock model without a quantization_config, then compress_embeddings(model, ...)")

    def preprocess_model(self, model: PreTrainedModel, dtype: torch.dtype | None = None, **kwargs: Any) -> None:
        """As the base class; notes the precision and reads the embeddings' tensors."""
        self._dtype = dtype
        # Where transformers builds its models, tensors are on the meta device.
        with torch.device("cpu"):
            self._saved = _read_embeddings(kwargs.get("checkpoint_files") or ())
        super().preprocess_model(model, dtype=dtype, **kwargs)

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
        self._contents = {}
        for side, embedding in self._embeddings.items():
            name = surgery.find_name(model, embedding)
            self._contents[side] = nn.Module()
            _exchange_contents(embedding, self._contents[side])
            # For models that initialise ``shared.weight`` by name.
            embedding._matrices.held = torch.empty(shape, device="meta")
            model._keys_to_ignore_on_load_unexpected.add(rf"(^|\.){name.rpartition('.')[2]}\.")

    def postprocess_model(self, model: PreTrainedModel, **kwargs: Any) -> None:
        """Leave the model as :func:`compress_embeddings` does: one that can be trained and cast like any other."""
        self.remove_quantization_config(model)
        model.config.quantization_config = self.quantization_config
        # Of the parameters that transformers has loaded.
        devices = getattr(model, "hf_device_map", {"": model.device})
        for side, embedding in self._embeddings.items():
            _exchange_contents(embedding, self._contents[side])
            embedding._matrices.held = None
            try:
                state = unpack_state(self._saved[side])
                # Latents that were packed as codes are parameters.
                state |= {name: state[name].float() for name, _ in embedding.named_parameters() if name in state}
                embedding.load_state_dict(state, assign=True)
            except (KeyError, RuntimeError, SeeError) as error:
                problem = str(error).splitlines()[-1].strip()
                raise SeeError(f"config.json and weights are of different models, or damaged ({problem})") from error
            embedding.to(device=_find_device(surgery.find_name(model, embedding), devices), dtype=self._dtype)

    def is_serializable(self) -> bool:
        """It can be saved."""
        return True


def _read_embeddings(files: Any) -> dict[str, dict[str, Tensor]]:
    """The tensors of the compressed embeddings in safetensors files, by side and name."""
    places: dict[str, Any] = {}
    for path in files:
        try:
            file = safe_open(path, "pt")
        except SafetensorError as error:
            raise SeeError(f"{path} is damaged or no safetensors file: {error}; save the model again") from error
        places |= dict.fromkeys(file.keys(), file)
    found = {}
    for prefix in [name.removesuffix("config_version") for name in places if name.endswith(".config_version")]:
        names = [name for name in places if name.startswith(prefix)]
        tensors = {name.removeprefix(prefix): places[name].get_tensor(name) for name in names}
        # Where a stock model has its matrix, there is an empty one (saving.py).
        side = "output" if tensors.pop("weight", None) is None else "input"
        found[side] = tensors
    return found


def _exchange_contents(module: nn.Module, other: nn.Module) -> None:
    """The module itself, its hooks and places, stays."""
    for part in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
        module.__dict__[part], other.__dict__[part] = other.__dict__[part], module.__dict__[part]


def _find_device(name: str, device_map: dict[str, Any]) -> Any:
    parts = name.split(".")
    prefixes = [".".join(parts[:end]) for end in range(len(parts), -1, -1)]
    return next((device_map[prefix] for prefix in prefixes if prefix in device_map), None)


def _check_not_offloaded(model: PreTrainedModel, device_map: Any) -> None:
    """Refuse an embedding that is fetched for its forward alone: its parameters are also needed elsewhere."""
    if not isinstance(device_map, dict):
        return
    offloaded = {"disk", "cpu"} if set(device_map.values()) - {"cpu", "disk"} else {"disk"}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Embedding) and (device := _find_device(name, device_map)) in offloaded:
            raise SeeError(f"the compressed embedding {name} cannot be offloaded to {device}; give it another device")
