"""``see_transformer``: fairseq's Transformer with any registered embedding on either side.

Encoder and decoder have a matrix each, as in the SEE paper, also where their dictionaries are the same; or they share
it as fairseq's own options choose. A decoder whose output is tied builds its matrix once a forward.
"""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import field, fields, make_dataclass
from typing import Any

import torch
from fairseq.models import register_model
from fairseq.models.transformer import (
    TransformerConfig,
    TransformerDecoderBase,
    TransformerEncoderBase,
    TransformerModelBase,
)
from fairseq.models.transformer.transformer_config import EncDecBaseConfig
from omegaconf import DictConfig, OmegaConf

from fairseq_see.embeddings import Embedding
from fairseq_see.errors import SeeError
from fairseq_see.models.builder import EmbeddingBuilder
from fairseq_see.models.checkpoint import exit_on_error
from fairseq_see.models.options import EmbeddingOptions, refuse_options, register_presets

# fairseq's options that are here to be refused: they would fail far from the cause.
UNSUPPORTED = ("encoder_embed_path", "decoder_embed_path", "adaptive_softmax_cutoff")


def _take_options(config: type, names: Sequence[str], prefix: str = "") -> list[tuple[str, Any, Any]]:
    taken = [option for option in fields(config) if option.name in names]
    return [(prefix + o.name, o.type, field(default=o.default, metadata=dict(o.metadata))) for o in taken]


# fairseq's options under their usual names, and ours. Flat, unlike fairseq's TransformerConfig: a subclass of that
# nested class fails in OmegaConf, and a flat one leaves nothing but plain numbers and strings in checkpoints.
_SIDE = ("embed_dim", "ffn_embed_dim", "layers", "attention_heads", "normalize_before", "learned_pos", "layerdrop")
SEETransformerConfig: Any = make_dataclass(
    "SEETransformerConfig",
    [
        *_take_options(
            TransformerConfig,
            (
                *("activation_fn", "dropout", "attention_dropout", "activation_dropout", "layernorm_embedding"),
                *("share_decoder_input_output_embed", "share_all_embeddings", "no_token_positional_embeddings"),
                *("no_scale_embedding", "checkpoint_activations", "offload_activations", *UNSUPPORTED),
            ),
        ),
        *_take_options(EncDecBaseConfig, (*_SIDE, "embed_path"), "encoder_"),
        *_take_options(EncDecBaseConfig, (*_SIDE, "embed_path"), "decoder_"),
    ],
    bases=(EmbeddingOptions,),
    namespace={"__module__": __name__},
)


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
        """As fairseq's; tied input and output share one reconstructed matrix."""
        if not self.share_input_output_embed or kwargs.get("features_only"):
            return super().forward(*args, **kwargs)
        with self.embed_tokens.hold_table():
            return super().forward(*args, **kwargs)


@register_model("see_transformer", dataclass=SEETransformerConfig)
class SEETransformerModel(TransformerModelBase):
    """fairseq's Transformer, its token embeddings built by ``fairseq_see.embeddings``."""

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """The flat dataclass's options; TransformerModelBase would add those of its nested one."""
        super(TransformerModelBase, cls).add_args(parser)

    @classmethod
    @exit_on_error()
    def build_model(cls, cfg: Any, task: Any) -> "SEETransformerModel":
        """Build embeddings and model; bad input ends the program with one line."""
        _check(cfg, task)
        builder = EmbeddingBuilder(cfg, task)
        source = target = builder.build("encoder", task.source_dictionary, cfg.encoder_embed_dim)
        if not cfg.share_all_embeddings:
            target = builder.build("decoder", task.target_dictionary, cfg.decoder_embed_dim)
        builder.record()
        config = _make_config(cfg, task)
        encoder = TransformerEncoderBase(config, task.source_dictionary, source)
        return cls(config, encoder, SEETransformerDecoder(config, task.target_dictionary, target))


def _check(cfg: Any, task: Any) -> None:
    refuse_options(cfg, UNSUPPORTED, "see_transformer")
    if cfg.share_all_embeddings:
        if task.source_dictionary != task.target_dictionary:
            raise SeeError("--share-all-embeddings needs a joined dictionary (fairseq-preprocess --joined-dictionary)")
        if cfg.encoder_embed_dim != cfg.decoder_embed_dim:
            raise SeeError("--share-all-embeddings needs --encoder-embed-dim equal to --decoder-embed-dim")
    tied = cfg.share_decoder_input_output_embed or cfg.share_all_embeddings
    if not tied and str(cfg.see_inference) == "factored":
        raise SeeError("--see-inference factored saves nothing beside an untied output matrix; tie the decoder")


def _make_config(cfg: Any, task: Any) -> TransformerConfig:
    """fairseq's nested configuration from the flat one."""
    options: Any = OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, DictConfig) else vars(cfg)
    config = TransformerConfig.from_namespace(Namespace(**options))
    config.decoder.input_dim = config.decoder.output_dim = cfg.decoder_embed_dim
    config.max_source_positions, config.max_target_positions = task.max_positions()
    config.share_decoder_input_output_embed |= cfg.share_all_embeddings
    config.checkpoint_activations |= cfg.offload_activations
    return config


def _repeat(**options: Any) -> dict[str, Any]:
    return {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in options.items()}


TIED = {"share_decoder_input_output_embed": True}
# The same for both corpora; what differs is how much dropout their sizes ask for.
PAPER = {**_repeat(embed_dim=512, ffn_embed_dim=1024, layers=6, attention_heads=4), **TIED}
PRESETS: dict[str, dict[str, Any]] = {
    "see_transformer_tiny": {**_repeat(embed_dim=64, ffn_embed_dim=128, layers=2, attention_heads=2), **TIED},
    "see_transformer_iwslt_zh_en": {**PAPER, "dropout": 0.3},
    "see_transformer_wmt_zh_en": {**PAPER, "dropout": 0.1},
}
register_presets("see_transformer", SEETransformerConfig, PRESETS)
