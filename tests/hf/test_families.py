"""Compress, save, load, materialise and compress again, over families of every kind of tied or shared embeddings."""

import json

import pytest
import torch
import transformers

from fairseq_see.embeddings import Embedding
from fairseq_see.fitting import FitConfig
from fairseq_see.hf import compress_embeddings, materialise

# Values for whichever of these a config has.
SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "embedding_size", "word_embed_proj_dim", "dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers", "n_layers"), 1),
    **dict.fromkeys(("num_attention_heads", "n_head", "num_heads", "n_heads", "num_key_value_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim", "hidden_dim"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 64),
    **{"vocab_size": 96, "head_dim": 8, "d_kv": 8, "rotary_dim": 4, "num_local_experts": 2, "num_experts_per_tok": 1},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "scale_embedding": True},
}
CAUSAL = (
    "Bloom Cohere Falcon GPTJ GPTNeoX Gemma Gemma2 Gemma3 Granite Mamba Mixtral OPT Olmo Phi Qwen2 Qwen3 XGLM "
    "Llama Phi3"
)
MASKED = (
    "Albert Bert Camembert DistilBert Electra MPNet MobileBert ModernBert Nystromformer RoFormer Roberta XLMRoberta"
)
GENERATION = (
    "Bart BigBirdPegasus Blenderbot BlenderbotSmall LED LongT5 M2M100 MBart MT5 PLBart Pegasus SwitchTransformers T5 "
    "UMT5"
)
KINDS = {
    **{name: ("ForCausalLM", {}) for name in CAUSAL.split()},
    **{name: ("ForMaskedLM", {}) for name in MASKED.split()},
    **{name: ("ForConditionalGeneration", {}) for name in GENERATION.split()},
    **{"CTRL": ("LMHeadModel", {}), "GPT2": ("LMHeadModel", {}), "Marian": ("MTModel", {})},
    "Gemma untied": ("ForCausalLM", {"tie_word_embeddings": False}),
    "Marian of two vocabularies": ("MTModel", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 80}),
}


def build_model(kind: str) -> torch.nn.Module:
    """A tiny model of a family, in eval mode, its embeddings and biases random."""
    family, (suffix, others) = kind.split()[0], KINDS[kind]
    config = getattr(transformers, "Gemma3TextConfig" if family == "Gemma3" else f"{family}Config")
    known = vars(config())
    torch.manual_seed(0)
    made = config(**{name: value for name, value in (SIZES | others).items() if name in known or name in others})
    return getattr(transformers, family + suffix)(made).eval()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_round_trips(kind, tmp_path):
    model = build_model(kind)
    batch = {"input_ids": torch.tensor([[5, 6, 7, 8, 9, 10]])}
    if model.config.is_encoder_decoder:
        batch["decoder_input_ids"] = torch.tensor([[2, 6, 7]])

    def check(other: torch.nn.Module, wanted: torch.Tensor, tolerance: float = 1e-3) -> torch.Tensor:
        with torch.no_grad():
            scores = other(**batch).logits
        size = wanted[wanted.isfinite()].abs().max().item()
        torch.testing.assert_close(scores, wanted, atol=tolerance * size, rtol=tolerance)
        return scores

    with torch.no_grad():
        stock = model(**batch).logits
    exact = {"method": "low_rank", "ratio": None, "rank": model.get_input_embeddings().weight.shape[1]}
    wanted = check(compress_embeddings(model, fit=FitConfig(epochs=0), **exact), stock)
    model.save_pretrained(tmp_path / "small")
    again, info = type(model).from_pretrained(tmp_path / "small", output_loading_info=True)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    check(again, wanted, 1e-6)
    again.save_pretrained(tmp_path / "again")
    again = type(model).from_pretrained(tmp_path / "again")
    check(again, wanted, 1e-6)
    materialise(again).save_pretrained(tmp_path / "stock")
    assert "quantization_config" not in json.loads((tmp_path / "stock/config.json").read_text())
    loaded, info = type(model).from_pretrained(tmp_path / "stock", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert not any(isinstance(module, Embedding) for module in loaded.modules())
    check(loaded, wanted)
    # What came from a compressed folder is compressed again, and saved.
    compress_embeddings(again, **exact).save_pretrained(tmp_path / "small")
    check(type(model).from_pretrained(tmp_path / "small"), stock)
