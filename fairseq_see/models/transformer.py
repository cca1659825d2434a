"""``see_transformer``: fairseq's Transformer with any registered embedding on either side.

Encoder and decoder own a table each, as in the SEE paper, also where their dictionaries are the same; or they share as
fairseq's own options say. A decoder whose output is tied builds its table once per forward.
"""

from argparse import Namespace
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional

import torch
from fairseq import utils
from fairseq.dataclass import ChoiceEnum
from fairseq.models import register_model, register_model_architecture
from fairseq.models.transformer import (
    TransformerConfig,
    TransformerDecoderBase,
    TransformerEncoderBase,
    TransformerModelBase,
)
from omegaconf import DictConfig, OmegaConf

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.models.builder import EmbeddingBuilder
from fairseq_see.models.checkpoint import exit_on_error
from fairseq_see.models.options import EmbeddingOptions, set_defaults


# Flat, unlike fairseq's TransformerConfig: a subclass of that nested class fails in OmegaConf, and a flat one leaves
# nothing but plain numbers and strings in checkpoints.
@dataclass
class SEETransformerConfig(EmbeddingOptions):
    """fairseq's Transformer options under their usual names, and ours."""

    activation_fn: ChoiceEnum(utils.get_available_activation_fns()) = field(  # type: ignore[valid-type]
        default="relu", metadata={"help": "activation function"}
    )
    dropout: float = field(default=0.1, metadata={"help": "dropout probability"})
    attention_dropout: float = field(default=0.0, metadata={"help": "dropout probability for attention weights"})
    activation_dropout: float = field(default=0.0, metadata={"help": "dropout probability after activation in FFN"})
    encoder_embed_dim: int = field(default=512, metadata={"help": "encoder embedding dimension"})
    encoder_ffn_embed_dim: int = field(default=2048, metadata={"help": "encoder embedding dimension for FFN"})
    encoder_layers: int = field(default=6, metadata={"help": "number of encoder layers"})
    encoder_attention_heads: int = field(default=8, metadata={"help": "number of encoder attention heads"})
    encoder_normalize_before: bool = field(default=False, metadata={"help": "layer norm before each encoder block"})
    encoder_learned_pos: bool = field(default=False, metadata={"help": "learned positional embeddings, encoder"})
    encoder_layerdrop: float = field(default=0.0, metadata={"help": "LayerDrop probability of the encoder"})
    decoder_embed_dim: int = field(default=512, metadata={"help": "decoder embedding dimension"})
    decoder_ffn_embed_dim: int = field(default=2048, metadata={"help": "decoder embedding dimension for FFN"})
    decoder_layers: int = field(default=6, metadata={"help": "number of decoder layers"})
    decoder_attention_heads: int = field(default=8, metadata={"help": "number of decoder attention heads"})
    decoder_normalize_before: bool = field(default=False, metadata={"help": "layer norm before each decoder block"})
    decoder_learned_pos: bool = field(default=False, metadata={"help": "learned positional embeddings, decoder"})
    decoder_layerdrop: float = field(default=0.0, metadata={"help": "LayerDrop probability of the decoder"})
    share_decoder_input_output_embed: bool = field(
        default=False, metadata={"help": "tie the decoder's output projection to its embedding"}
    )
    share_all_embeddings: bool = field(
        default=False, metadata={"help": "one embedding for encoder, decoder and output (needs a joined dictionary)"}
    )
    no_token_positional_embeddings: bool = field(default=False, metadata={"help": "no positional embeddings"})
    layernorm_embedding: bool = field(
        default=False, metadata={"help": "layer norm after embeddings and positions (fairseq's)"}
    )
    no_scale_embedding: bool = field(default=False, metadata={"help": "do not scale embeddings by sqrt(dim)"})
    checkpoint_activations: bool = field(default=False, metadata={"help": "recompute activations in backward"})
    offload_activations: bool = field(default=False, metadata={"help": "checkpoint activations, kept on the CPU"})
    # Present only to be refused in words of ours: fairseq would fail far from the cause.
    encoder_embed_path: Optional[str] = field(default=None, metadata={"help": "not supported"})
    decoder_embed_path: Optional[str] = field(default=None, metadata={"help": "not supported"})
    adaptive_softmax_cutoff: Optional[str] = field(default=None, metadata={"help": "not supported"})


class SEETransformerDecoder(TransformerDecoderBase):
    """Decoder whose output layer may be its embedding, read backwards."""

    embed_tokens: Embedding

    def build_output_projection(self, cfg: Any, dictionary: Any, embed_tokens: Any) -> None:
        """A matrix of its own, unless the output is tied."""
        if not cfg.share_decoder_input_output_embed:
            super().build_output_projection(cfg, dictionary, embed_tokens)

    def output_layer(self, features: torch.Tensor) -> torch.Tensor:
        """Scores of the vocabulary: (..., d) to (..., V)."""
        if self.share_input_output_embed:
            return self.embed_tokens.project(features)
        return super().output_layer(features)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As fairseq's; input and output share one reconstructed table where they are tied and both are there."""
        if not self.share_input_output_embed or kwargs.get("features_only"):
            return super().forward(*args, **kwargs)
        with self.embed_tokens.hold_table():
            return super().forward(*args, **kwargs)


@register_model("see_transformer", dataclass=SEETransformerConfig)
class SEETransformerModel(TransformerModelBase):
    """fairseq's Transformer, its token embeddings built by ``fairseq_see.embeddings``."""

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Options from the flat dataclass; TransformerModelBase would add those of its nested one."""
        super(TransformerModelBase, cls).add_args(parser)

    @classmethod
    def build_model(cls, cfg: Any, task: Any) -> "SEETransformerModel":
        """Build embeddings and model; bad input ends the program with one line."""
        with exit_on_error():
            _check(cfg, task)
            builder = EmbeddingBuilder(cfg, task)
            encoder_embedding = builder.build("encoder", task.source_dictionary, cfg.encoder_embed_dim)
            if cfg.share_all_embeddings:
                decoder_embedding = encoder_embedding
            else:
                decoder_embedding = builder.build("decoder", task.target_dictionary, cfg.decoder_embed_dim)
            builder.record()
        config = _transformer_config(cfg, task)
        encoder = TransformerEncoderBase(config, task.source_dictionary, encoder_embedding)
        decoder = SEETransformerDecoder(config, task.target_dictionary, decoder_embedding)
        return cls(config, encoder, decoder)


def _check(cfg: Any, task: Any) -> None:
    for name in ("encoder_embed_path", "decoder_embed_path", "adaptive_softmax_cutoff"):
        if getattr(cfg, name) is not None:
            raise SeeError(f"--{name.replace('_', '-')} does not go with see_transformer; leave it out")
    tied = cfg.share_decoder_input_output_embed or cfg.share_all_embeddings
    if cfg.share_all_embeddings:
        if task.source_dictionary != task.target_dictionary:
            raise SeeError("--share-all-embeddings needs a joined dictionary (fairseq-preprocess --joined-dictionary)")
        if cfg.encoder_embed_dim != cfg.decoder_embed_dim:
            raise SeeError("--share-all-embeddings needs --encoder-embed-dim equal to --decoder-embed-dim")
    if not tied and str(cfg.see_inference) == "factored":
        raise SeeError("--see-inference factored saves nothing beside an untied output matrix; tie the decoder")


def _transformer_config(cfg: Any, task: Any) -> TransformerConfig:
    """fairseq's nested configuration from the flat one."""
    options: Any = OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, DictConfig) else vars(cfg)
    config = TransformerConfig.from_namespace(Namespace(**options))
    config.decoder.input_dim = config.decoder.output_dim = cfg.decoder_embed_dim
    config.max_source_positions, config.max_target_positions = task.max_positions()
    config.share_decoder_input_output_embed |= cfg.share_all_embeddings
    config.checkpoint_activations |= cfg.offload_activations
    return config


def _both(**options: Any) -> dict[str, Any]:
    return {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in options.items()}


TIED = {"share_decoder_input_output_embed": True}

# The paper's Transformer is the same for both corpora; what differs is how much dropout their sizes ask for.
PRESETS: dict[str, dict[str, Any]] = {
    "see_transformer_tiny": {**_both(embed_dim=64, ffn_embed_dim=128, layers=2, attention_heads=2), **TIED},
    "see_transformer_iwslt_zh_en": {
        **_both(embed_dim=512, ffn_embed_dim=1024, layers=6, attention_heads=4),
        **TIED,
        "dropout": 0.3,
    },
    "see_transformer_wmt_zh_en": {
        **_both(embed_dim=512, ffn_embed_dim=1024, layers=6, attention_heads=4),
        **TIED,
        "dropout": 0.1,
    },
}


for _name, _preset in PRESETS.items():
    register_model_architecture("see_transformer", _name)(
        partial(set_defaults, options=SEETransformerConfig, preset=_preset)
    )
