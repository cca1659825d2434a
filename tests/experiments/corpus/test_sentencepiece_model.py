from itertools import pairwise

import pytest

from experiments.corpus import sentencepiece_model
from fairseq_see.errors import SeeError
from fairseq_see.text import load_subwords
from tests.helpers import ROOT


def words_of(name: str, lines: int = 2000) -> list[str]:
    """English of the demonstration corpus, with a space before every mark, as Moses would write it."""
    with open(ROOT / f"data/{name}", encoding="utf-8") as file:
        text = [line.strip() for line, _ in zip(file, range(lines), strict=False)]
    return [line.replace(".", " .").replace(",", " ,").replace("?", " ?") for line in text]


@pytest.fixture(scope="module")
def english() -> list[str]:
    return words_of("train.en")


@pytest.fixture(scope="module")
def model(english: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("subwords") / "spm.en.model"
    path.write_bytes(sentencepiece_model.learn(english, 800, "en"))
    return str(path)


def joined(line: str) -> str:
    """As fairseq does it for ``--remove-bpe sentencepiece``."""
    return line.replace(" ", "").replace("▁", " ").strip()


def test_joining_the_subwords_gives_the_words(english: list[str], model: str) -> None:
    lines = [*english, "", "it ' s « 1/2 ﬁne » … Ｙｅｓ ，"]
    encode = load_subwords(model, "sentencepiece")
    assert [joined(" ".join(encode(line))) for line in lines[:-1]] == lines[:-1]
    # Nothing is normalised, nothing unknown is passed on.
    last = encode(lines[-1])
    assert not any("Ｙ" in subword or "Y" in subword for subword in last) and "<unk>" in last


def test_the_model_has_the_size_asked_for_and_no_symbols_of_fairseq(english: list[str], model: str) -> None:
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=model)
    spelled = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    assert len(set(spelled)) == 800 + 1
    assert [piece for piece in spelled if piece.startswith("<")] == ["<unk>"]
    assert {piece for piece in load_subwords(model, "sentencepiece")(" ".join(english))} <= set(spelled)


def test_frequent_words_are_subwords_though_a_space_follows_them_everywhere(english: list[str], model: str) -> None:
    """In the text as it stands, "this" is no candidate, and sentencepiece would segment it into "thi s"."""
    frequent = ["this", "that", "yesterday", "because"]
    assert all(f" {word} " in f" {' '.join(english)} " for word in frequent)
    assert load_subwords(model, "sentencepiece")(" ".join(frequent)) == [f"▁{word}" for word in frequent]


def test_words_are_rearranged_but_neither_lost_nor_added() -> None:
    lines = ["b a b", "", *["a c"] * 50]
    arranged = list(sentencepiece_model._group_words(lines))
    assert sorted(" ".join(arranged).split()) == sorted(" ".join(lines).split())
    assert all(len(set(line.split())) == 1 for line in arranged)
    assert all(before.split()[0] <= after.split()[0] for before, after in pairwise(arranged))


def test_the_same_words_give_the_same_bytes_whatever_their_order(english: list[str]) -> None:
    assert sentencepiece_model.learn(english[:500], 300, "en") == sentencepiece_model.learn(english[499::-1], 300, "en")


def test_rare_chinese_characters_are_left_out_and_english_ones_are_not() -> None:
    text = ["中 国 人"] * 1000 + ["鼱"]
    for language, known in (("zh", False), ("en", True)):
        assert ("鼱".encode() in sentencepiece_model.learn(text, 6 + known, language)) is known


@pytest.mark.parametrize(
    ("size", "beyond", "message"),
    [
        (50_000, 1, "too small for {} subwords; the largest"),
        (5, -1, "too many characters for {} subwords; the smallest"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_the_one_that_does(english, size, beyond, message) -> None:
    with pytest.raises(SeeError, match=message.format(size)) as error:
        sentencepiece_model.learn(english, size, "en")
    limit = int(str(error.value).split()[-1])
    assert sentencepiece_model.learn(english, limit, "en")
    with pytest.raises(SeeError, match=f"size is {limit}$"):
        sentencepiece_model.learn(english, limit + beyond, "en")


def test_a_text_without_words_is_refused_in_one_line() -> None:
    with pytest.raises(SeeError, match="cannot learn from the en text") as error:
        sentencepiece_model.learn([""], 5, "en")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"the 7\n"])
def test_what_is_no_model_is_refused(tmp_path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "m").write_bytes(content)
    with pytest.raises(SeeError, match="no sentencepiece model"):
        load_subwords(tmp_path / "m", "sentencepiece")
