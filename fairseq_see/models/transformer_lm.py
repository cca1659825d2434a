"""``see_transformer_lm``: fairseq's Transformer language model with any registered embedding.

Its output is tied to the embedding (``--share-decoder-input-output-embed``), or a matrix of its own; then only the
input is compressed.
"""

from dataclasses import dataclass
from typing import Any, Optional

from fairseq.models import register_model
from fairseq.models.transformer import TransformerConfig
from fairseq.models.transformer_lm import TransformerLanguageModel, TransformerLanguageModelConfig

from fairseq_see.errors import SeeError
from fairseq_see.models.builder import EmbeddingBuilder
from fairseq_see.models.checkpoint import exit_on_error
from fairseq_see.models.options import EmbeddingOptions, declare, refuse_options, register_presets
from fairseq_see.models.transformer import SEETransformerDecoder

UNSUPPORTED = (
    *("adaptive_input", "adaptive_softmax_cutoff", "tie_adaptive_weights", "character_embeddings"),
    # fairseq inserts them while it builds the output matrix, which a tied model of ours has not.
    "base_layers",
)


@dataclass
class SEETransformerLanguageModelConfig(TransformerLanguageModelConfig, EmbeddingOptions):
    """fairseq's options under their usual names, and ours."""

    # fairseq's default is 512, whatever --decoder-embed-dim is.
    decoder_input_dim: Optional[int] = declare(None, "dimension of an embedding (default: --decoder-embed-dim)")
    decoder_output_dim: Optional[int] = declare(None, "dimension before the output layer (default: the same)")


@register_model("see_transformer_lm", dataclass=SEETransformerLanguageModelConfig)
class SEETransformerLanguageModel(TransformerLanguageModel):
    """fairseq's Transformer language model, its token embedding built by ``fairseq_see.embeddings``."""

    @classmethod
    @exit_on_error()
    def build_model(cls, cfg: Any, task: Any) -> "SEETransformerLanguageModel":
        """Build embedding and model; bad input ends the program with one line."""
        refuse_options(cfg, UNSUPPORTED, "see_transformer_lm")
        if cfg.decoder_layers_to_keep:
            cfg.decoder_layers = len(cfg.decoder_layers_to_keep.split(","))
        if cfg.max_target_positions is None:
            cfg.max_target_positions = cfg.tokens_per_sample
        for name in ("decoder_input_dim", "decoder_output_dim"):
            setattr(cfg, name, getattr(cfg, name) or cfg.decoder_embed_dim)
        if cfg.share_decoder_input_output_embed and cfg.decoder_output_dim != cfg.decoder_input_dim:
            raise SeeError(
                "--share-decoder-input-output-embed needs --decoder-output-dim equal to --decoder-input-dim, "
                f"not {cfg.decoder_output_dim} and {cfg.decoder_input_dim}"
            )
        builder = EmbeddingBuilder(cfg, task)
        embedding = builder.build("decoder", task.source_dictionary, cfg.decoder_input_dim)
        builder.record()
        config = TransformerConfig.from_namespace(cfg)
        return cls(SEETransformerDecoder(config, task.target_dictionary, embedding, no_encoder_attn=True))


TINY = {
    **{"decoder_embed_dim": 64, "decoder_ffn_embed_dim": 128, "decoder_layers": 2, "decoder_attention_heads": 2},
    **{"decoder_normalize_before": True, "share_decoder_input_output_embed": True},
}
register_presets("see_transformer_lm", SEETransformerLanguageModelConfig, {"see_transformer_lm_tiny": TINY})
