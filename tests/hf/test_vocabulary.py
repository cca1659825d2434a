"""Tokens of the three kinds of tokenizers as symbols, and the units that an index gives them."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from fairseq_see.errors import SeeError
from fairseq_see.hf import build_index, extend_index, read_vocabulary


def make_tokenizer(tokens: list[str], model=models.BPE, **special: str) -> PreTrainedTokenizerFast:
    """A tokenizer whose vocabulary is a list."""
    vocabulary = {token: i for i, token in enumerate(tokens)}
    made = Tokenizer(model(vocabulary, []) if model is models.BPE else model(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


def name_units(index, row: int) -> tuple[list[list[str]], list[str]]:
    """Names of a row's sememes, sense by sense, and of its morphemes; padding left out."""
    slots = index.sense_groups[index.sense_offsets[row] : index.sense_offsets[row + 1]]
    senses = [[index.sememes[i] for i in index.groups[slot]] for slot in slots]
    morphemes = [index.morphemes[i] for i in index.word_morphemes[row]]
    real = [[name for name in names if not name.startswith("<pad:")] for names in (*senses, morphemes)]
    return real[:-1], real[-1]


BYTES = ["<|end|>", "Ġbank", "bank", "Ġthe", "ing", "Ċ", "ĠĠ", "ä", "Ġä", "Ġä½ł", "Ã©", "Ġ", "<div>"]
PIECES = ["<unk>", "▁bank", "bank", "▁the", "ing", "<0x0A>", "▁▁", "▁", "▁你", "é", "</s>"]
WORDS = ["[PAD]", "[unused0]", "bank", "##bank", "the", "##ing", "##", "[UNK]"]


@pytest.mark.parametrize(
    ("tokens", "special", "symbols", "kinds"),
    [
        (
            BYTES,
            {"eos_token": "<|end|>"},
            ["<|end|>", "▁bank", "bank", "▁the", "ing", "Ċ", "ĠĠ", "<0xE4>", "<0x20E4>", "▁你", "é", "▁", "<div>"],
            {"word": 3, "subword": 7, "byte": 2, "special": 1, "unused": 1},
        ),
        (
            PIECES,
            {"unk_token": "<unk>", "eos_token": "</s>"},
            PIECES,
            {"word": 4, "subword": 4, "byte": 1, "special": 2, "unused": 1},
        ),
        (
            WORDS,
            {"pad_token": "[PAD]", "unk_token": "[UNK]"},
            ["<[PAD]>", "madeupword0001", "▁bank", "bank", "▁the", "ing", "▁##", "<[UNK]>"],
            {"word": 3, "subword": 2, "byte": 0, "special": 2, "unused": 2},
        ),
    ],
    ids=["bytes", "sentencepiece", "wordpiece"],
)
def test_symbols(tokens, special, symbols, kinds):
    model = models.WordPiece if "[UNK]" in tokens else models.BPE
    vocabulary, counted = read_vocabulary(make_tokenizer(tokens, model, **special), len(tokens) + 1)
    last = f"madeupword{len(tokens):04d}"
    assert [*symbols, last] == list(vocabulary.symbols)
    assert counted == kinds


def test_words_take_senses_and_other_subwords_do_not(senses):
    for tokens, model in ((BYTES, models.BPE), (PIECES, models.BPE), (WORDS, models.WordPiece)):
        tokenizer = make_tokenizer(tokens, model, **({"unk_token": "[UNK]"} if model is models.WordPiece else {}))
        options = {"language": "en", "morphology": {"en": "characters"}}
        index = build_index(tokenizer, len(tokens), senses, **options)
        subword = "##bank" if model is models.WordPiece else "bank"
        word = tokens[[token.strip("Ġ▁") == "bank" for token in tokens].index(True)]
        assert name_units(index, tokens.index(word))[0] == [["institution", "finance"], ["land", "water", "edge"]]
        assert name_units(index, tokens.index(subword))[0] == []
        # The mark distinguishes the subword from the word, and both share the rest.
        assert name_units(index, tokens.index(word))[1] != name_units(index, tokens.index(subword))[1]
        index = build_index(tokenizer, len(tokens), senses, piece_senses=True, **options)
        assert len(name_units(index, tokens.index(subword))[0]) == 2


def test_added_tokens_are_words_as_they_are_written(senses):
    tokenizer = make_tokenizer(BYTES, eos_token="<|end|>")
    tokenizer.add_tokens(["garden"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["[tool call]"]})
    vocabulary, _ = read_vocabulary(tokenizer)
    assert vocabulary.symbols[-2:] == ("▁garden", "<[tool_call]>")


def test_counts_order_the_units(tokenizers, senses):
    tokenizer = tokenizers["bert"]
    rows = len(tokenizer)
    # As count_tokens gives them.
    counts = torch.ones(rows, dtype=torch.long)
    counts[tokenizer.convert_tokens_to_ids("bank")] = 10**6
    index = build_index(tokenizer, rows, senses, counts=counts, language="en", order=3)
    assert set(index.sememes[3:8]) == {"institution", "finance", "land", "water", "edge"}


def test_impossible_shapes(tokenizers, indexes):
    with pytest.raises(SeeError, match="ids up to 199, the model 100 embeddings"):
        read_vocabulary(tokenizers["bert"], 100)
    with pytest.raises(SeeError, match=r"the tokenizer is a str; give what .* AutoTokenizer\.from_pretrained returns"):
        read_vocabulary("bert-base-uncased")
    with pytest.raises(SeeError, match="the tokenizer is a str"):
        extend_index(indexes["bert"], "bert-base-uncased")
    with pytest.raises(SeeError, match="counts for 3 ids"):
        read_vocabulary(tokenizers["bert"], counts=[1, 2, 3])


def test_senses_from_a_file(tokenizers, senses, tmp_path):
    senses.save(tmp_path / "senses.tsv")
    index = build_index(tokenizers["bert"], senses=tmp_path / "senses.tsv", language="en")
    assert index.provenance["senses"].startswith("senses.tsv (sha256 ")
