"""A WordNet of a dozen synsets, written in the format of wndb(5WN) by the test."""

from pathlib import Path

import pytest

from experiments.lexicons.wordnet import read_wordnet
from fairseq_see.errors import SeeError

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}

# Name of the synset, kind, words, pointers; the names are the test's own.
SYNSETS = [
    ("entity", "n", ["entity"], []),
    ("animal", "n", ["animal", "beast"], [("@", "entity")]),
    ("canine", "n", ["canine"], [("@", "animal")]),
    ("dog", "n", ["dog", "domestic_dog"], [("@", "canine"), ("@", "animal")]),
    ("cad", "n", ["cad", "dog"], [("@", "entity")]),
    ("speed", "n", ["speed"], [("=", "quick"), ("@", "entity")]),
    ("Paris", "n", ["Paris", "City_of_Light"], [("@i", "entity")]),
    ("chase", "v", ["chase", "dog"], [("@", "follow")]),
    ("follow", "v", ["follow"], [("@", "chase")]),
    ("quick", "a", ["quick"], [("&", "speedy"), ("=", "speed")]),
    ("speedy", "s", ["speedy(p)"], [("&", "quick")]),
    ("alone", "a", ["alone"], []),
    ("quickly", "r", ["quickly"], [("\\", "quick")]),
]
# Sense keys as senseidx(5WN) has them: word, kind, file, id in the file, and a satellite's head.
COUNTS = {"dog%1:05:00::": 42, "dog%2:05:00::": 3, "dog%1:05:01::": 3, "speedy%5:05:00:quick:00": 1}


def write_wordnet(folder: Path) -> Path:
    offsets = {name: f"{1740 + 100 * i:08d}" for i, (name, *_) in enumerate(SYNSETS)}
    kinds = {name: kind for name, kind, *_ in SYNSETS}
    licence = "  1 This software and database is being provided to you\n"
    data = {name: licence for name in FILES.values()}
    senses: dict[tuple[str, str], list[str]] = {}
    used: dict[tuple[str, str], int] = {}
    for name, kind, words, pointers in SYNSETS:
        part = "a" if kind == "s" else kind
        spelled = ""
        for word in words:
            lemma = word.split("(")[0].lower()
            senses.setdefault((part, lemma), []).append(offsets[name])
            spelled += f"{word} {used.get((part, lemma), 0):x} "
            used[part, lemma] = used.get((part, lemma), 0) + 1
        targets = "".join(f"{symbol} {offsets[to]} {kinds[to]} 0000 " for symbol, to in pointers)
        frames = "01 + 02 00 " if kind == "v" else ""
        line = f"{offsets[name]} 05 {kind} {len(words):02x} {spelled}{len(pointers):03d} {targets}{frames}"
        data[FILES[part]] += f"{line}| a gloss | of it  \n"
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in FILES.items():
        (folder / f"data.{name}").write_text(data[name])
        lines = [
            f"{lemma} {part} {len(found)} 2 @ ~ {len(found)} 0 {' '.join(found)}  \n"
            for (other, lemma), found in sorted(senses.items())
            if other == part
        ]
        (folder / f"index.{name}").write_text(licence + "".join(lines))
    (folder / "cntlist.rev").write_text("".join(f"{key} 1 {count}\n" for key, count in sorted(COUNTS.items())))
    return folder


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    return write_wordnet(tmp_path / "dict")


def test_senses_are_paths_upwards(wordnet: Path) -> None:
    senses, dropped = read_wordnet(wordnet, order=3, synsets=100)
    assert dropped == 0
    assert senses.find("canine", "en") == [("canine.n.01", "animal.n.01", "entity.n.01")]
    assert senses.find("Paris", "en") == [("paris.n.01", "entity.n.01")]  # an instance
    assert senses.find("paris", "en") == []  # in WordNet's own spelling only
    assert senses.find("quickly", "en") == [("quickly.r.01", "quick.a.01", "speed.n.01")]
    assert senses.find("speedy", "en") == [("speedy.s.01", "quick.a.01", "speed.n.01")]
    assert senses.find("follow", "en") == [("follow.v.01", "chase.v.01")]  # and not round again
    assert senses.find("alone", "en") == [("alone.a.01",)]
    assert "domestic_dog" not in senses.list_words("en")
    assert senses.find("beast", "en") == senses.find("animal", "en")


def test_the_most_frequent_sense_is_first_across_parts_of_speech(wordnet: Path) -> None:
    """42 for the animal; three each for the verb and the cad, where nouns come first."""
    senses, _ = read_wordnet(wordnet, order=2, synsets=100)
    assert senses.find("dog", "en") == [
        ("dog.n.01", "canine.n.01"),
        ("cad.n.01", "entity.n.01"),
        ("chase.v.01", "follow.v.01"),
    ]
    (wordnet / "cntlist.rev").write_text("dog%2:05:00:: 1 50\ndog%1:05:00:: 1 42\n")
    senses, _ = read_wordnet(wordnet, order=2, synsets=100)
    assert [sense[0] for sense in senses.find("dog", "en")] == ["chase.v.01", "dog.n.01", "cad.n.01"]


def test_only_the_most_general_synsets_are_units(wordnet: Path) -> None:
    """Senses under each: entity 12 (those of quick, speedy and quickly too), speed 4, animal 4, the others fewer."""
    senses, dropped = read_wordnet(wordnet, order=3, synsets=3)
    assert senses.find("dog", "en") == [("animal.n.01", "entity.n.01"), ("entity.n.01",)]
    assert senses.find("quickly", "en") == [("speed.n.01", "entity.n.01")]
    assert senses.find("alone", "en") == senses.find("chase", "en") == []
    assert dropped == 4  # chase, dog and follow as verbs, alone


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("data.noun", None, "apt-get install wordnet-base"),
        ("cntlist.rev", None, r"no .*cntlist\.rev"),
        ("data.verb", "not a line\n", r"data\.verb, line 1: not a line"),
        ("data.verb", "00002440 05 v 02 chase 0 dog 0 001 @\n", r"data\.verb, line 1"),
        ("index.noun", "dog n\n", r"index\.noun, line 1"),
        ("index.noun", "dog n 1 0 1 0 99999999\n", "do not belong together"),
        ("index.adv", "", "do not belong together"),
        ("cntlist.rev", "dog\n", r"cntlist\.rev, line 1"),
    ],
)
def test_other_folders(wordnet: Path, file: str, text: str | None, problem: str) -> None:
    (wordnet / file).unlink()
    if text is not None:
        (wordnet / file).write_text(text)
    with pytest.raises(SeeError, match=problem) as error:
        read_wordnet(wordnet)
    assert "\n" not in str(error.value)
