"""``see_roberta``: fairseq's RoBERTa with any registered embedding, for masked language models and classifiers.

The output of a masked language model is tied to the embedding, or a matrix of its own (``--untie-weights-roberta``);
then only the input is compressed. A classifier of sentences does not use it, and trains without building the matrix.
"""

from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from typing import Any

import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.models import FairseqEncoder, register_model, register_model_architecture
from fairseq.models.roberta import RobertaEncoder, RobertaLMHead, RobertaModel
from fairseq.models.roberta.model import base_architecture
from fairseq.modules import LayerNorm
from omegaconf import OmegaConf, open_dict
from torch import nn

from fairseq_see.embeddings import Embedding
from fairseq_see.models.builder import EmbeddingBuilder
from fairseq_see.models.checkpoint import exit_on_error
from fairseq_see.models.options import EmbeddingOptions, set_defaults
from fairseq_see.models.replace import TiedOutput, add_embedding_options


class SEERobertaLMHead(RobertaLMHead):
    """Head of a masked language model whose output is its embedding, read backwards."""

    def __init__(self, embedding: Embedding, activation_fn: str) -> None:
        # Not RobertaLMHead's, which needs a matrix.
        nn.Module.__init__(self)
        dim = embedding.embedding_dim
        self.dense = nn.Linear(dim, dim)
        self.activation_fn = utils.get_activation_fn(activation_fn)
        self.layer_norm = LayerNorm(dim)
        self.project = TiedOutput(embedding)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    def forward(self, features: torch.Tensor, masked_tokens: torch.Tensor | None = None, **unused: Any) -> torch.Tensor:
        """Scores of the vocabulary, (..., d) to (..., V); of the masked tokens alone where those are given."""
        if masked_tokens is not None:
            features = features[masked_tokens, :]
        return self.project(self.layer_norm(self.activation_fn(self.dense(features)))) + self.bias


class SEERobertaEncoder(RobertaEncoder):
    """Encoder and head around an embedding that is given."""

    def __init__(self, args: Any, dictionary: Dictionary, embedding: Embedding) -> None:
        # Not RobertaEncoder's, which builds a matrix of its own.
        FairseqEncoder.__init__(self, dictionary)
        self.args = args
        if args.encoder_layers_to_keep:
            args.encoder_layers = len(args.encoder_layers_to_keep.split(","))
        self.tied = not args.untie_weights_roberta
        self.sentence_encoder = self.build_encoder(args, dictionary, embedding)
        self.lm_head = (
            SEERobertaLMHead(embedding, args.activation_fn)
            if self.tied
            else RobertaLMHead(args.encoder_embed_dim, len(dictionary), args.activation_fn)
        )

    def forward(self, src_tokens: torch.Tensor, features_only: bool = False, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's; tied input and output share one reconstructed matrix."""
        with self.sentence_encoder.embed_tokens.hold_table() if self.tied and not features_only else nullcontext():
            return super().forward(src_tokens, features_only, *args, **kwargs)


@register_model("see_roberta")
class SEERobertaModel(RobertaModel):
    """fairseq's RoBERTa, its token embedding built by ``fairseq_see.embeddings``."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """fairseq's options and ours."""
        RobertaModel.add_args(parser)
        add_embedding_options(parser)

    @classmethod
    @exit_on_error()
    def build_model(cls, args: Any, task: Any) -> "SEERobertaModel":
        """Build embedding and model; bad input ends the program with one line."""
        with open_dict(args) if OmegaConf.is_config(args) else nullcontext():
            set_defaults(args, EmbeddingOptions)
            if getattr(args, "max_positions", None) is None:
                args.max_positions = getattr(args, "tokens_per_sample", None) or task.max_positions()
            base_architecture(args)
            builder = EmbeddingBuilder(args, task)
            embedding = builder.build("encoder", task.source_dictionary, args.encoder_embed_dim)
            builder.record()
            return cls(args, SEERobertaEncoder(args, task.source_dictionary, embedding))


TINY = {"encoder_embed_dim": 64, "encoder_ffn_embed_dim": 128, "encoder_layers": 2, "encoder_attention_heads": 2}

register_model_architecture("see_roberta", "see_roberta")(base_architecture)


@register_model_architecture("see_roberta", "see_roberta_tiny")
def preset_tiny(args: Namespace) -> None:
    """For tests."""
    for name, value in TINY.items():
        setattr(args, name, getattr(args, name, value))
    base_architecture(args)
