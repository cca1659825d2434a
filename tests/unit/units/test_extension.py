"""Words added to an index: by the names of units, in ids that stay."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex, Vocabulary
from fairseq_see.units.extension import extend_index, name_units, restore_segmenters
from fairseq_see.units.languages import parse_languages


def index_of(words: list[tuple[list[tuple[str, str]], tuple[str, str]]]) -> UnitIndex:
    """The index of words given as senses, and morphemes, by name."""
    padding = ("<pad:1>", "<pad:2>")
    sememes = list(dict.fromkeys([*padding, *(name for senses, _ in words for group in senses for name in group)]))
    morphemes = list(dict.fromkeys([*padding, *(name for _, names in words for name in names)]))
    groups = list(dict.fromkeys(group for senses, _ in words for group in senses))
    slots = [groups.index(group) for senses, _ in words for group in senses]
    return UnitIndex(
        2,
        3,
        tuple(sememes),
        tuple(morphemes),
        np.array([[sememes.index(name) for name in group] for group in groups], np.int32).reshape(-1, 2),
        np.cumsum([0, *(len(senses) for senses, _ in words)]).astype(np.int32),
        np.array(slots, np.int32),
        np.array([[morphemes.index(name) for name in names] for _, names in words], np.int32),
        dictionary=str(len(words)),
    )


KNOWN = [
    ([], ("<s>", "<pad:2>")),
    ([("land", "plant")], ("garden", "<pad:2>")),
    ([("water", "flow"), ("land", "water")], ("river", "bank")),
    ([], ("madeupword0003", "<pad:2>")),
]


def units(index: UnitIndex, word: int) -> tuple[list[list[str]], list[str]]:
    senses = [[index.sememes[i] for i in sense] for sense in index.read_senses(word)]
    return senses, [index.morphemes[i] for i in index.word_morphemes[word]]


def test_words_are_made_of_units_that_exist():
    added = [
        ([("flow", "land"), ("money", "land")], ("bank", "garden")),
        ([], ("garden", "er")),
        ([("land", "plant")], ("garden", "<pad:2>")),
    ]
    # The longer index counts other units first, so that its ids are others.
    longer = index_of([*KNOWN[:3], *added, ([], ("er", "er"))][::-1][::-1])
    index = index_of(KNOWN)
    found = extend_index(index, longer, [3])
    assert (found.sememes, found.morphemes, found.dictionary) == (index.sememes, index.morphemes, longer.dictionary)
    assert [units(found, word) for word in range(3)] == [units(index, word) for word in range(3)]
    # A group that no word had; the one with an unknown sememe is left out.
    assert units(found, 3) == ([["flow", "land"]], ["bank", "garden"])
    senses, morphemes = units(found, 4)
    assert not senses and morphemes[0] == "garden" and morphemes[1] in ("garden", "river", "bank")
    # It would have been the word garden.
    senses, morphemes = units(found, 5)
    assert senses == [["land", "plant"]] and morphemes[0] == "garden" and morphemes[1] in ("garden", "river", "bank")
    assert found.num_words == 7


def test_more_words_than_units_for_one_place():
    """Of three morphemes that may be shared there are nine pairs."""
    index = index_of(KNOWN)
    for number in (6, 12):
        added = [([], ("garden", f"er{i}")) for i in range(number)]
        longer = index_of([*KNOWN, *added])
        if number > 9:
            with pytest.raises(SeeError, match="too few morphemes to distinguish all words"):
                extend_index(index, longer)
        else:
            words = extend_index(index, longer).word_morphemes[len(KNOWN) :].tolist()
            assert len({tuple(word) for word in words}) == number


def test_nothing_new():
    index = index_of(KNOWN)
    assert extend_index(index, index).fingerprint == index.fingerprint


def test_a_model_s_index_gets_the_names_of_its_file():
    file = replace(index_of(KNOWN), provenance={"morphemes": "en: characters"})
    model = UnitIndex.unpack(extend_index(file, index_of([*KNOWN, ([], ("river", "bank"))])).pack())
    named = name_units(model, file)
    assert (named.sememes, named.provenance, named.num_words) == (file.sememes, file.provenance, 5)
    assert units(named, 2) == units(file, 2)
    plain = name_units(UnitIndex.unpack(file.drop_senses().pack()), file)
    assert (len(plain.sememes), plain.morphemes) == (2, file.morphemes)
    for other in (index_of(KNOWN[:3]), index_of([*KNOWN[:2], ([], ("river", "garden")), KNOWN[3]])):
        with pytest.raises(SeeError, match="not the one that the model was trained with"):
            name_units(model, other)


def test_new_words_are_segmented_into_the_morphemes_of_the_others():
    words = Vocabulary(("<s>", "Walking", "walked", "talk@@", "talks", "ab@@", "打人"), (1,) * 7)
    row = [("<s>", "<pad:2>", "<pad:3>"), ("<Cap>", "walk", "ing"), ("walk", "ed", "<pad:3>")]
    row += [("talk", "@@", "<pad:3>"), ("talk", "s", "<pad:3>"), ("<rest:1>", "@@", "<pad:3>"), ("打", "人", "<pad:3>")]
    names = tuple(dict.fromkeys(["<pad:1>", "<pad:2>", "<pad:3>", *chain(*row)]))
    index = UnitIndex(
        *(3, 1, names[:3], names, np.zeros((0, 3), np.int32), np.zeros(8, np.int32), np.zeros(0, np.int32)),
        np.array([[names.index(name) for name in each] for each in row], np.int32),
        dictionary=words.hash,
        provenance={"morphemes": "zh: characters, en: morfessor"},
    )
    segmenters = restore_segmenters(index, words, parse_languages("zh,en"))
    assert segmenters["zh"].segment("人打") == ["人", "打"]
    assert segmenters["en"].segmentations == {
        "walking": ("walk", "ing"), "walked": ("walk", "ed"), "talks": ("talk", "s"),
    }  # fmt: skip
    assert segmenters["en"].segment("Talking") == ["<Cap>", "talk", "ing"]
