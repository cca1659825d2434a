import hashlib
from pathlib import Path

import pytest

from fairseq_see.errors import SeeError
from fairseq_see.units import Vocabulary


def load(folder: Path, text: str) -> Vocabulary:
    path = folder / "dict.en.txt"
    path.write_text(text, encoding="utf-8")
    return Vocabulary.load(path)


def test_ids_are_those_of_fairseq(tmp_path: Path) -> None:
    vocabulary = load(tmp_path, "the 7\npow@@ 3\n<unk> 2 #fairseq:overwrite\nmadeupword0000 0\n")
    assert vocabulary.symbols == ("<s>", "<pad>", "</s>", "<unk>", "the", "pow@@", "<unk>", "madeupword0000")
    assert vocabulary.counts == (1, 1, 1, 1, 7, 3, 2, 0)
    assert len(vocabulary) == 8


def test_hash_is_of_the_symbols_alone(tmp_path: Path) -> None:
    vocabulary = load(tmp_path, "the 7\n中 3\n")
    expected = hashlib.sha256("<s>\n<pad>\n</s>\n<unk>\nthe\n中".encode()).hexdigest()
    assert vocabulary.hash == expected
    assert load(tmp_path, "the 1\n中 1\n").hash == expected
    assert load(tmp_path, "中 3\nthe 7\n").hash != expected


@pytest.mark.parametrize(
    ("lines", "scheme", "splits"),
    [
        ("power 1", "plain", {"power": ("power", ""), "er@@": ("er@@", ""), "▁er": ("▁er", "")}),
        (
            "power@@ 1",
            "bpe",
            {"power@@": ("power", "@@"), "er": ("er", ""), "@@": ("@@", ""), "@@@@": ("@@", "@@"), "▁": ("▁", "")},
        ),
        (
            "▁power 1\n▁ 1\ner@@ 1",
            "sentencepiece",
            {"▁power": ("power", ""), "er": ("er", "##"), "▁": ("", "▁"), "<unk>": ("<unk>", "")},
        ),
    ],
)
def test_schemes(tmp_path: Path, lines: str, scheme: str, splits: dict[str, tuple[str, str]]) -> None:
    vocabulary = load(tmp_path, lines + "\n")
    assert vocabulary.scheme == scheme
    assert {token: vocabulary.split(token) for token in splits} == splits


@pytest.mark.parametrize(("subwords", "scheme"), [(1, "plain"), (20, "sentencepiece")])
def test_a_stray_mark_makes_no_scheme(tmp_path: Path, subwords: int, scheme: str) -> None:
    """One in a dictionary of whole words; and few in one of Chinese subwords, which nobody split into words before."""
    marked = "".join(f"▁{number} 1\n" for number in range(subwords))
    vocabulary = load(tmp_path, marked + "".join(f"词{number} 1\n" for number in range(900)))
    assert vocabulary.scheme == scheme
    assert vocabulary.split("词7") == ("词7", "" if scheme == "plain" else "##")


def test_specials(tmp_path: Path) -> None:
    vocabulary = load(tmp_path, "the 1\n")
    specials = "<s> <pad> </s> <unk> <2zh> <mask> <0xE4> madeupword0007 [de_DE] [zh] __en__"
    assert all(map(vocabulary.is_special, specials.split()))
    text = "the,<,>,<>,< a>,<<,madeupword,a<s>,▁<s>,▁,[CLS],[a],__init__,["
    assert not any(map(vocabulary.is_special, text.split(",")))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("the 7\nof\n", "line 2: expected '<token> <count>', found 'of'"),
        ("the seven\n", "line 1"),
        ("the 1_000\n", "line 1"),
        ("the -1\n", "line 1"),
        ("the 7\nof 3\nthe 2\n", "line 3: duplicate token 'the'"),
        ("<pad> 7\n", "line 1: duplicate token '<pad>'"),
        ("", "is empty"),
        ("x" * 500 + "\n", "line 1"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SeeError) as error:
        load(tmp_path, text)
    assert problem in str(error.value)
    assert len(str(error.value)) < 300
