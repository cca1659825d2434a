"""How a compressed model is saved and loaded: by transformers' own ``save_pretrained`` and ``from_pretrained``.

What the embeddings are stands in the model's ``config.json`` as ``quantization_config``. There transformers looks for
what has to be changed in a stock model before its weights are loaded, sharded, in whatever precision and on whatever
devices; nothing is quantized here. The weights, the unit index among them, are in the safetensors files beside it.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from fairseq_see.embeddings import Embedding, restore
from fairseq_see.errors import SeeError
from fairseq_see.hf import surgery

NAME = "fairseq_see"
VERSION = 2


@register_quantization_config(NAME)
class CompressionConfig(QuantizationConfigMixin):
    """What the compressed embeddings of a model are: JSON values only.

    Args:
        embeddings: ``input``, and ``output`` where the output layer has an embedding of its own, each as
            :meth:`~fairseq_see.embeddings.Embedding.describe` has it.
        output: ``tied``, ``untied`` or ``dense``.
        inference: ``cached`` or ``factored``.
        scale: what rows that are looked up are multiplied by, or None.
        version: of this record.

    Raises:
        SeeError: it is of another version.
    """

    def __init__(
        self,
        embeddings: dict[str, dict[str, Any]],
        output: str,
        inference: str = "cached",
        scale: float | None = None,
        version: int = VERSION,
        quant_method: str = NAME,
    ) -> None:
        if version != VERSION:
            raise SeeError(f"the model is of version {version} of compressed embeddings, this package reads {VERSION}")
        self.quant_method = quant_method
        self.embeddings = embeddings
        self.output = output
        self.inference = inference
        self.scale = scale
        self.version = version

    @classmethod
    def of(cls, embeddings: dict[str, Embedding], output: str, scale: float | None) -> CompressionConfig:
        """The record of embeddings by side."""
        described = {side: embedding.describe() for side, embedding in embeddings.items()}
        return cls(described, output, embeddings["input"].inference, scale)

    def build(self) -> dict[str, Embedding]:
        """Embeddings by side whose weights are about to be loaded."""
        embeddings = {side: restore(description) for side, description in self.embeddings.items()}
        for embedding in embeddings.values():
            embedding.inference = self.inference
        return embeddings


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
        embeddings = config.build()
        # A model without an output layer may have been saved by one that has one.
        output = config.output if model.get_output_embeddings() is not None else "dense"
        own = embeddings.get("output") if output == "untied" else None
        surgery.put(model, embeddings["input"], output, own, config.scale)
        _check_not_offloaded(model, kwargs.get("device_map"))

    def postprocess_model(self, model: PreTrainedModel, **kwargs: Any) -> None:
        """Leave the model as :func:`compress_embeddings` does: one that can be trained and cast like any other."""
        self.remove_quantization_config(model)
        model.config.quantization_config = self.quantization_config

    def is_serializable(self) -> bool:
        """It can be saved."""
        return True

    @property
    def is_trainable(self) -> bool:
        """It can be trained."""
        return True


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
