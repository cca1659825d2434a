import random

import pytest

from fairseq_see.errors import SeeError
from fairseq_see.units.languages import LANGUAGES
from fairseq_see.units.morphology import SEGMENTERS, Morfessor

STEMS = ["walk", "talk", "work", "play", "jump", "help", "call", "look", "kick", "wash"]
WORDS = [stem + ending for stem in STEMS for ending in ("", "s", "ed", "ing", "er")]


@pytest.fixture(scope="module")
def trained() -> Morfessor:
    return Morfessor.train(WORDS)


def test_registry() -> None:
    assert SEGMENTERS["characters"]([], "zh").segment("中国人") == ["中", "国", "人"]
    assert isinstance(SEGMENTERS["morfessor"](["walk"], "en"), Morfessor)
    with pytest.raises(SeeError, match="no words"):
        SEGMENTERS["morfessor"]([], "en")
    assert {language.default_morphology for language in LANGUAGES.values()} <= set(SEGMENTERS)


def test_morphemes_spell_the_word(trained: Morfessor) -> None:
    for word in [*WORDS, "washable", "kicks", "日本", "é", "x", "2017", "don't", "🙂"]:
        assert "".join(trained.segment(word)) == word
    assert trained.segment("walking") == ["walk", "ing"]


def test_unseen_words_are_segmented_by_the_learned_morphemes(trained: Morfessor) -> None:
    model = Morfessor({word: parts for word, parts in trained.segmentations.items() if word != "helping"})
    assert "helping" not in model.segmentations
    assert model.segment("helping") == ["help", "ing"]


@pytest.mark.parametrize(
    ("word", "markers", "spelling"),
    [
        ("Walking", ["<Cap>"], "walking"),
        ("WALKING", ["<CAPS>"], "walking"),
        ("A", ["<Cap>"], "a"),
        ("wAlking", [], "wAlking"),
        ("McDonald", [], "McDonald"),
        ("B2B", ["<CAPS>"], "b2b"),
        ("İ", [], "İ"),  # its lower case is two characters, which would not lead back
        ("straße", [], "straße"),
        ("123", [], "123"),
    ],
)
def test_case(trained: Morfessor, word: str, markers: list[str], spelling: str) -> None:
    morphemes = trained.segment(word)
    assert morphemes[: len(markers)] == markers
    assert "".join(morphemes[len(markers) :]) == spelling


def test_very_long_words_are_segmented_plainly(trained: Morfessor) -> None:
    word = "walking" * 1500
    morphemes = trained.segment(word)
    assert "".join(morphemes) == word
    assert {len(morpheme) for morpheme in morphemes} == {100}
    assert Morfessor.train([*WORDS, word]).segmentations == trained.segmentations


def test_training_is_deterministic_and_leaves_the_global_generator_alone(trained: Morfessor) -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    again = Morfessor.train([*reversed(WORDS), *WORDS, "Walking"])
    assert again.segmentations == trained.segmentations
    assert random.random() == expected
