"""Any registered embedding in a model that fairseq brings along, or in one of your own.

A model fits if its encoder and its decoder look tokens up in ``embed_tokens``. The matrices that it builds are replaced
before anything is trained; resuming and generating then work as with ``see_transformer``. README.md has an example.
"""

from argparse import ArgumentParser, Namespace
from typing import Any

import torch
from fairseq.dataclass.utils import gen_parser_from_dataclass
from torch import nn

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.models.builder import EmbeddingBuilder
from fairseq_see.models.checkpoint import exit_on_error
from fairseq_see.models.options import EmbeddingOptions, refuse_options, set_defaults

# What fairseq's models do to the matrices of their own, which are thrown away.
UNSUPPORTED = ("encoder_embed_path", "decoder_embed_path", "encoder_freeze_embed", "decoder_freeze_embed")


def add_embedding_options(parser: ArgumentParser) -> None:
    """Add the ``--see-...`` options to those of a model that declares its own in ``add_args``.

    Without defaults, so that an architecture can preset them; :func:`replace_embeddings` knows the defaults.
    """
    gen_parser_from_dataclass(parser, EmbeddingOptions(), delete_default=True)


@exit_on_error()
def replace_embeddings(model: Any, args: Any, task: Any) -> Any:
    """Give a model that has just been built the embeddings that the ``--see-...`` options ask for.

    An output layer that is tied to the decoder's matrix stays tied: one that holds the same matrix is replaced, and one
    that reads ``embed_tokens.weight``, as that of fairseq's LSTM, finds it. Embeddings that are shared stay shared.
    Bad input ends the program with one line.

    Args:
        model: a fairseq encoder-decoder.
        args: its configuration as given to ``build_model``; what was built is recorded there.
        task: the fairseq task.

    Returns:
        the model.
    """
    refuse_options(args, UNSUPPORTED, "--see-method")
    if isinstance(args, Namespace):
        set_defaults(args, EmbeddingOptions)
    builder = EmbeddingBuilder(args, task)
    stock = {side: getattr(model, side).embed_tokens for side in ("encoder", "decoder")}
    built: dict[nn.Module, Embedding] = {}
    for side, old in stock.items():
        half = getattr(model, side)
        if old not in built:
            built[old] = builder.build(side, half.dictionary, old.embedding_dim)
        half.embed_tokens = built[old]
        _tie(half, old.weight, built[old])
    held = {id(parameter) for parameter in model.parameters()}
    if any(id(old.weight) in held for old in stock.values()):
        raise SeeError("this model ties its output in a way that cannot be replaced; leave it untied")
    builder.record()
    return model


class TiedOutput(nn.Module):
    """An output layer without parameters of its own: (..., d) -> (..., V), the scores of all embeddings."""

    def __init__(self, embedding: Embedding) -> None:
        super().__init__()
        # The method, not the module: a state dict would hold the embedding twice.
        self.project = embedding.project

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of every token."""
        return self.project(hidden)


def _tie(half: nn.Module, weight: nn.Parameter, embedding: Embedding) -> None:
    """Replace the layers whose matrix is ``weight``."""
    for parent in list(half.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and layer.weight is weight and layer.bias is None:
                setattr(parent, name, TiedOutput(embedding))
