from fairseq_see.units import Senses, Vocabulary, build_index
from fairseq_see.units.inspection import describe, find_symbols
from fairseq_see.units.morphology import Characters, Morfessor, Segmenter
from fairseq_see.units.senses import SelectedSense, select


def test_select_by_hand() -> None:
    senses = [("a", "b", "c"), ("a", "b"), ("d",), ("e",), ("a", "b", "x"), ("e", "f"), ("e",)]
    assert select(senses, order=2, rank=3) == [
        SelectedSense(("a", "b"), ("c",), None, False),
        SelectedSense(("a", "b"), (), 1, False),
        SelectedSense(("d",), (), None, False),
        SelectedSense(("e",), (), None, True),
        SelectedSense(("a", "b"), ("x",), 1, False),
        SelectedSense(("e", "f"), (), None, True),
        SelectedSense(("e",), (), 4, False),
    ]
    assert [sense.kept for sense in select(senses, order=2, rank=3)] == [True, False, True, *[False] * 4]
    assert not any(sense.kept for sense in select(senses, order=2, rank=1))


def test_describe(senses: Senses) -> None:
    power = describe("Power", senses, order=3, rank=3)
    assert (power.language, power.match.form, power.match.how) == ("en", "power", "case")
    assert [sense.kept for sense in power.senses] == [True, True, False, False, False]
    assert describe("打", senses, 3, 5).language == "zh"
    assert describe("打", senses, 3, 5, language="en").senses == []


def test_find_symbols_are_what_the_index_holds(senses: Senses) -> None:
    words = Vocabulary(("<s>", "<pad>", "</s>", "<unk>", "power", "power@@", "打"), (1,) * 7)
    segmenters: dict[str, Segmenter] = {"zh": Characters(), "en": Morfessor({"power": ("pow", "er")})}
    index, _ = build_index(words, senses, segmenters)
    word, piece = find_symbols("power", words, index)
    assert (word.id, word.symbol, word.morphemes) == (4, "power", ("pow", "er", "<pad:3>"))
    assert word.senses == [sense.sememes for sense in describe("power", senses, 3, 5).senses if sense.kept]
    assert (piece.id, piece.symbol, piece.senses, piece.morphemes) == (5, "power@@", [], ("pow", "er", "@@"))
    assert find_symbols("nothing", words, index) == []
