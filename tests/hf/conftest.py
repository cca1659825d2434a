"""Real but tiny models of five families, built from their configurations, and tokenizers trained here."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from fairseq_see.hf import build_index
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
FAMILIES = ("phi3", "llama", "llama-tied", "gpt2", "bert", "t5")
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}


def byte_level(size: int = 400) -> PreTrainedTokenizerFast:
    """As GPT-2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, pad_token=end)


def unigram(size: int = 120) -> PreTrainedTokenizerFast:
    """As T5's, which sentencepiece trains."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def byte_fallback(size: int = 400) -> PreTrainedTokenizerFast:
    """As Llama 2's and Phi-3's: BPE over words that begin with a mark, and bytes for what it does not know."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    words = [f"▁{word}" for line in TEXT * 3 for word in line.split()]
    tokenizer.normalizer, kept = None, tokenizer.normalizer
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.normalizer = kept
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def word_piece(size: int = 200) -> PreTrainedTokenizerFast:
    """As BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


TOKENIZERS = {"phi3": byte_fallback, "llama": byte_level, "llama-tied": byte_level, "gpt2": byte_level}
TOKENIZERS |= {"bert": word_piece, "t5": unigram}


def tiny(family: str, rows: int) -> torch.nn.Module:
    """A model of a family with random weights, in eval mode: two layers, d = 32, ``rows`` tokens."""
    common = {"vocab_size": rows, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 64}
    torch.manual_seed(0)
    if family == "phi3":
        model = Phi3ForCausalLM(Phi3Config(**common, **layers, tie_word_embeddings=False))
    elif family.startswith("llama"):
        model = LlamaForCausalLM(LlamaConfig(**common, **layers, tie_word_embeddings=family == "llama-tied"))
    elif family == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(**common, n_layer=2, n_head=4, n_embd=32))
    elif family == "bert":
        model = BertForMaskedLM(BertConfig(**common, **layers))
        torch.nn.init.normal_(model.cls.predictions.bias)
    else:
        model = T5ForConditionalGeneration(
            T5Config(**common, num_layers=2, num_heads=4, d_model=32, d_ff=64, d_kv=8, decoder_start_token_id=0)
        )
    return model.eval()


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
    """Family -> the unit index of its table, which has some rows more than the tokenizer has tokens."""
    made = {}
    for tokenizer in {id(t): t for t in tokenizers.values()}.values():
        made[id(tokenizer)] = build_index(tokenizer, rows_for(tokenizer), senses, language="en", order=2, rank=3)
    return {family: made[id(tokenizer)] for family, tokenizer in tokenizers.items()}


def rows_for(tokenizer: PreTrainedTokenizerFast) -> int:
    """Rows of a table, padded as models pad theirs to a multiple."""
    return -(-(len(tokenizer) + 1) // 8) * 8


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture
def model(family, tokenizers):
    """A tiny stock model."""
    return tiny(family, rows_for(tokenizers[family]))


@pytest.fixture
def batch(family, tokenizers) -> dict:
    """Inputs of two sentences, and labels."""
    return batch_for(family, tokenizers[family])


def batch_for(family: str, tokenizer: PreTrainedTokenizerFast) -> dict:
    made = tokenizer(TEXT[:2], return_tensors="pt", padding=True, return_token_type_ids=False)
    return {**made, "labels": made["input_ids"].clone()}
