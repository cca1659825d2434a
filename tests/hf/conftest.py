"""Real but tiny models of five families, built from their configurations, and tokenizers trained here."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tokenizers import (
    BertWordPieceTokenizer,
    ByteLevelBPETokenizer,
    SentencePieceUnigramTokenizer,
    Tokenizer,
    decoders,
    models,
    normalizers,
    trainers,
)
from transformers import (
    BertForMaskedLM,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    T5ForConditionalGeneration,
)

from fairseq_see.hf import build_index, compress_embeddings
from fairseq_see.units import Senses

TEXT = [
    "The river runs past the old bank, and the bank lends money to the farmers.",
    "Farmers plant trees near the river; their children play under the trees.",
    "A teacher reads a long book to the children while the rain falls.",
    "Unfriendly dogs bark at the teacher's friendly cat in the garden.",
    "The farmer sells bread, milk and eggs at the market every Friday morning.",
    "Café owners drink coffee — naïve, perhaps — and talk about the weather: 20°C!",
    "She plays the piano; he replays the recording and rewrites the songs.",
]
SENSES = {
    "en": {
        "bank": [("institution", "finance"), ("land", "water", "edge")],
        "river": [("water", "flow")],
        "money": [("wealth", "finance")],
        "tree": [("plant", "tall")],
        "book": [("publication", "text"), ("reserve", "plan")],
        "teacher": [("human", "teach")],
        "child": [("human", "young")],
        "dog": [("animal", "young")],
        "garden": [("land", "plant")],
        "the": [("function",)],
    }
}
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 64}
T5 = {"num_layers": 2, "num_heads": 4, "d_model": 32, "d_ff": 64, "d_kv": 8, "decoder_start_token_id": 0}
MODELS = {
    "phi3": (Phi3ForCausalLM, LAYERS | {"tie_word_embeddings": False}),
    "llama": (LlamaForCausalLM, LAYERS | {"tie_word_embeddings": False}),
    "llama-tied": (LlamaForCausalLM, LAYERS | {"tie_word_embeddings": True}),
    "gpt2": (GPT2LMHeadModel, {"n_layer": 2, "n_head": 4, "n_embd": 32}),
    "bert": (BertForMaskedLM, LAYERS),
    "t5": (T5ForConditionalGeneration, T5),
}
# Of see.
SMALL = {"ratio": None, "vectors": 2}


def train_byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2's."""
    made, end = ByteLevelBPETokenizer(), "<|endoftext|>"
    made.train_from_iterator(TEXT * 3, 400, special_tokens=[end], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, bos_token=end, eos_token=end, pad_token=end)


def train_unigram() -> PreTrainedTokenizerFast:
    """As T5's, which sentencepiece trains."""
    made, special = SentencePieceUnigramTokenizer(), ["<pad>", "</s>", "<unk>"]
    made.train_from_iterator(TEXT * 3, 120, special_tokens=special, unk_token="<unk>", show_progress=False)
    names = dict(zip(("pad_token", "eos_token", "unk_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, **names)


def train_byte_fallback() -> PreTrainedTokenizerFast:
    """As Llama 2's and Phi-3's: BPE over words that begin with a mark, and bytes for what it does not know."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    made.train_from_iterator([f"▁{word}" for line in TEXT * 3 for word in line.split()], trainer)
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def train_word_piece() -> PreTrainedTokenizerFast:
    """As BERT's."""
    made = BertWordPieceTokenizer()
    special = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(TEXT * 3, 200, special_tokens=special, show_progress=False)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, **names)


TOKENIZERS = dict.fromkeys(("llama", "llama-tied", "gpt2"), train_byte_level)
TOKENIZERS |= {"phi3": train_byte_fallback, "bert": train_word_piece, "t5": train_unigram}


def make_tiny(family: str, rows: int = 408) -> torch.nn.Module:
    """A model of a family with random weights, in eval mode: two layers, d = 32, ``rows`` tokens."""
    kind, sizes = MODELS[family]
    torch.manual_seed(0)
    model = kind(kind.config_class(vocab_size=rows, pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes))
    if family == "bert":
        torch.nn.init.normal_(model.cls.predictions.bias)
    return model.eval()


def compute_logits(model: torch.nn.Module, batch: dict) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch).logits


def make_batch(tokenizer: PreTrainedTokenizerFast) -> dict:
    """Inputs of two sentences, and labels."""
    made = tokenizer(TEXT[:2], return_tensors="pt", padding=True, return_token_type_ids=False)
    return {**made, "labels": made["input_ids"].clone()}


def count_rows(tokenizer: PreTrainedTokenizerFast) -> int:
    """Embeddings of a model, padded as models pad theirs to a multiple."""
    return -(-(len(tokenizer) + 1) // 8) * 8


@pytest.fixture(scope="session")
def senses() -> Senses:
    return Senses(SENSES, "a test's")


@pytest.fixture(scope="session")
def tokenizers() -> dict:
    """Family -> its tokenizer."""
    made = {make: make() for make in set(TOKENIZERS.values())}
    return {family: made[make] for family, make in TOKENIZERS.items()}


@pytest.fixture(scope="session")
def indexes(tokenizers, senses) -> dict:
    """Family -> its unit index, which has some embeddings more than the tokenizer has tokens."""
    options = {"language": "en", "order": 2, "rank": 3}
    made = {each: build_index(each, count_rows(each), senses, **options) for each in set(tokenizers.values())}
    return {family: made[tokenizer] for family, tokenizer in tokenizers.items()}


@pytest.fixture(params=MODELS)
def family(request) -> str:
    return request.param


@pytest.fixture
def model(family, tokenizers):
    """A tiny stock model."""
    return make_tiny(family, count_rows(tokenizers[family]))


@pytest.fixture
def batch(family, tokenizers) -> dict:
    return make_batch(tokenizers[family])


@pytest.fixture
def small(indexes):
    """Compresses a tiny model of a family by see."""

    def make(family: str, **options) -> torch.nn.Module:
        index = indexes[family]
        return compress_embeddings(make_tiny(family, index.num_words), index=index, **SMALL, **options)

    return make
