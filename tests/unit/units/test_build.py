import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairseq_see.errors import SeeError
from fairseq_see.units import Senses, UnitIndex, Vocabulary, build_index
from fairseq_see.units.morphology import Characters, Morfessor, Segmenter, train_segmenters
from tests.unit.units.conftest import zipfian

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
ENGLISH = Morfessor(
    {"power": ("power",), "powerful": ("power", "ful"), "able": ("able",), "abcd": ("a", "b", "c", "d")}
)
SEGMENTERS: dict[str, Segmenter] = {"zh": Characters(), "en": ENGLISH}


def vocabulary(**counts: int) -> Vocabulary:
    return Vocabulary(SPECIALS + tuple(counts), (1,) * 4 + tuple(counts.values()))


def senses_of(index: UnitIndex, word: int) -> list[list[str]]:
    return [[index.sememes[i] for i in sense] for sense in index.read_senses(word)]


def morphemes_of(index: UnitIndex, word: int) -> list[str]:
    return [index.morphemes[i] for i in index.word_morphemes[word]]


def test_an_index_worked_out_by_hand(senses: Senses) -> None:
    words = vocabulary(**{"power": 10, "POWERFUL": 1, "gossip": 5, "abcd": 2, "able@@": 3, "madeupword0000": 0})
    index, coverage = build_index(words, senses, SEGMENTERS, order=3, rank=3, language="en")

    # power: 4 sememes are truncated to 3, sense 3 then repeats sense 1, senses 4 and 5 are beyond rank 3.
    power = ["Power|势力", "politics|政", "group|群体"]
    assert senses_of(index, 4) == [power, ["Ability|能力", "human|人", "<pad:3>"]]
    assert senses_of(index, 5) == []
    assert senses_of(index, 6) == [["talk|谈话", "unimportant|不重要", "<pad:3>"]]
    assert [senses_of(index, word) for word in (0, 1, 2, 3, 7, 8, 9)] == [[]] * 7
    assert morphemes_of(index, 0) == ["<s>", "<pad:2>", "<pad:3>"]
    assert morphemes_of(index, 4) == ["power", "<pad:2>", "<pad:3>"]
    assert morphemes_of(index, 5) == ["<CAPS>", "power", "ful"]
    assert morphemes_of(index, 7) == ["a", "b", "cd"]
    assert morphemes_of(index, 8) == ["able", "@@", "<pad:3>"]
    assert morphemes_of(index, 9) == ["madeupword0000", "<pad:2>", "<pad:3>"]

    # By running tokens, equals by name; "gossip" is segmented by the Viterbi algorithm, whatever it gives.
    assert index.sememes[:5] == ("<pad:1>", "<pad:2>", "<pad:3>", "Ability|能力", "Power|势力")
    assert index.sememes[5:] == ("group|群体", "human|人", "politics|政", "talk|谈话", "unimportant|不重要")
    gossip = [name for name in morphemes_of(index, 6) if not name.startswith("<pad")]
    assert index.morphemes[:7] == ("<pad:1>", "<pad:2>", "<pad:3>", *SPECIALS)
    # Never used, so it comes last: the first units are those that own most vectors.
    assert index.morphemes[-1] == "madeupword0000"
    rest = {"power": 11, "<CAPS>": 1, "ful": 1, "a": 2, "b": 2, "cd": 2, "able": 3, "@@": 3}
    for name in gossip:
        rest[name] = rest.get(name, 0) + 5
    assert index.morphemes[7:-1] == tuple(sorted(rest, key=lambda name: (-rest[name], name)))
    assert (index.order, index.rank, index.dictionary) == (3, 3, words.hash)

    counts = coverage.to_dict()
    assert counts == json.loads(json.dumps(counts))
    types = {"symbols": (10, 25), "specials": (5, 4), "subwords": (1, 3), "with_senses": (2, 15)}
    assert {name: tuple(counts[name].values()) for name in types} == types
    assert counts["found"]["exact"] == {"types": 2, "tokens": 15}
    assert counts["found"]["none"] == {"types": 2, "tokens": 3}
    assert counts["senses_per_word"] == {"0": 2, "1": 1, "2": 1}
    assert (counts["sememes"], counts["morphemes"]) == (7, len(index.morphemes) - 3)
    assert (counts["distinct_groups"], counts["sense_slots"]) == (3, 3)
    assert (counts["truncated_sememes"], counts["duplicate_senses"], counts["senses_beyond_rank"]) == (1, 2, 2)
    assert counts["collisions"] == counts["bucketed_morphemes"] == 0
    assert re.search(r"^with senses +2 +20.0% +15 +60.0%$", coverage.render(), re.M)
    assert re.search(r"^sememes truncated +1$", coverage.render(), re.M)


def test_marked_subwords_get_senses_only_if_asked(senses: Senses) -> None:
    words = vocabulary(**{"power@@": 2, "er": 1})
    index, coverage = build_index(words, senses, SEGMENTERS, language="en")
    assert senses_of(index, 4) == []
    assert len(senses_of(index, 5)) == 1  # the last subword of a word looks like a word
    assert coverage.subwords == {"types": 1, "tokens": 2}
    index, coverage = build_index(words, senses, SEGMENTERS, language="en", piece_senses=True)
    assert len(senses_of(index, 4)) == 4
    assert coverage.subwords["types"] == 0
    assert coverage.found["exact"]["types"] == 2


def test_sentencepiece(senses: Senses) -> None:
    """What has no mark goes on with a word, in Chinese too; a mark alone and a byte are no words."""
    words = vocabulary(**{"▁power": 1, "power": 1, "▁中国": 1, "中国": 1, "▁able": 1, "▁": 1, "<0xE4>": 1, "▁<unk>": 1})
    index, coverage = build_index(words, senses, SEGMENTERS)
    assert [len(senses_of(index, word)) for word in range(4, 12)] == [4, 0, 1, 0, 0, 0, 0, 0]
    assert morphemes_of(index, 4) == ["power", "<pad:2>", "<pad:3>"]
    assert morphemes_of(index, 5) == ["power", "##", "<pad:3>"]
    assert morphemes_of(index, 7) == ["中", "国", "##"]
    assert morphemes_of(index, 9) == ["▁", "<pad:2>", "<pad:3>"]
    assert morphemes_of(index, 10) == ["<0xE4>", "<pad:2>", "<pad:3>"]
    assert morphemes_of(index, 3) != morphemes_of(index, 11)
    assert (coverage.subwords["types"], coverage.specials["types"]) == (3, 5)

    index, coverage = build_index(words, senses, SEGMENTERS, piece_senses=True)
    assert [len(senses_of(index, word)) for word in range(4, 12)] == [4, 4, 1, 1, 0, 0, 0, 0]
    assert coverage.subwords["types"] == 1


def test_equal_words_become_unique(senses: Senses) -> None:
    """A symbol that overwrites fairseq's own is in the dictionary twice, as may be a word."""
    words = Vocabulary((*SPECIALS, "power", "<unk>", "power", "power"), (1,) * 8)
    index, coverage = build_index(words, senses, SEGMENTERS, language="en")
    assert [morphemes_of(index, word) for word in range(3, 8)] == [
        ["<unk>", "<pad:2>", "<pad:3>"],
        ["power", "<pad:2>", "<pad:3>"],
        ["<unk>", "<pad:2>", "<same:1>"],
        ["power", "<pad:2>", "<same:1>"],
        ["power", "<pad:2>", "<same:2>"],
    ]
    assert coverage.collisions == 3


def test_limited_inventories() -> None:
    """3,600 words of 60 characters: padding, specials and characters are 67 units."""
    characters = [chr(0x4E00 + i) for i in range(60)]
    words = vocabulary(**{a + b: 5000 - 60 * i - j for i, a in enumerate(characters) for j, b in enumerate(characters)})
    for limit, buckets in ((60, 6), (66, 6), (67, 0), (100, 0)):
        index, coverage = build_index(words, None, SEGMENTERS, language="zh", max_morphemes=limit)
        assert len(index.morphemes) == min(limit, 67)
        assert coverage.bucketed_morphemes == (67 - limit + buckets if buckets else 0)
        assert len(np.unique(index.word_morphemes, axis=0)) == len(words)
        assert morphemes_of(index, 4) == ["一", "一", "<pad:3>"]  # the most frequent is never shared
    with pytest.raises(SeeError, match="too few morphemes to distinguish all words"):
        build_index(words, None, SEGMENTERS, language="zh", max_morphemes=20)


def test_order_and_rank_up_to_their_limits(senses: Senses) -> None:
    index, _ = build_index(vocabulary(power=1), senses, SEGMENTERS, language="en", order=16, rank=100)
    assert index.groups.shape[1] == 16
    assert len(senses_of(index, 4)) == 5  # nothing is truncated now, so no sense of power repeats another
    index, _ = build_index(vocabulary(power=1), senses, SEGMENTERS, language="en", order=2, rank=1)
    assert len(index.sense_groups) == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"order": 1}, "order 1 is out of range; choose 2 to 16"),
        ({"rank": 101}, "rank 101"),
        ({"language": "French"}, "'French' is not a language code"),
        ({"max_morphemes": 7, "language": "zh"}, "7 morphemes are too few"),
        ({"control": "no-sememes"}, "unknown control"),
        ({"seed": -1}, "negative"),
    ],
)
def test_bad_arguments(senses: Senses, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(SeeError, match=problem):
        build_index(vocabulary(power=1), senses, SEGMENTERS, **{"language": "en", **options})


PROGRAM = """
import sys
import fairseq_see.units.inspection, fairseq_see.units.morphology
from fairseq_see.units import Senses, Vocabulary, build_index
from fairseq_see.units.morphology import Characters, Morfessor
assert not {"torch", "fairseq", "morfessor", "simplemma", "jieba", "rich"} & set(sys.modules)
words = ["power", "powers", "gossip", "Gossip", "打", "中国", "er", "po@@", "打@@", "IT"]
words = Vocabulary(("<s>", "<pad>", "</s>", "<unk>", *words), (1,) * 14)
senses = Senses.load(sys.argv[1])
segmenters = {"zh": Characters(), "en": Morfessor.train({"power", "powers", "gossip", "gossiping"})}
for limit in (None, 20):
    index, coverage = build_index(words, senses, segmenters, max_morphemes=limit)
    index.save(f"{sys.argv[2]}.{limit}")
    print(index.fingerprint, coverage.to_dict())
assert not {"torch", "fairseq"} & set(sys.modules)
"""


def test_a_new_process_loads_little_and_gives_the_same_bytes_with_any_hash_seed(lexicon: Path, tmp_path: Path) -> None:
    runs = []
    for seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", PROGRAM, str(lexicon), str(tmp_path / seed)]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        runs.append([done.stdout, *((tmp_path / f"{seed}.{limit}").read_bytes() for limit in (None, 20))])
    assert runs[0] == runs[1]


TAGS = ("[de_DE]", "__en__", "__en_dae__", "[zh]")


def test_language_tags_have_a_morpheme_of_their_own_and_no_senses() -> None:
    words = Vocabulary((*SPECIALS, "power", *TAGS, "[CLS]"), (1, 1, 1, 1, 9, 5, 0, 0, 0, 1))
    senses = Senses({"en": {word: [("human",)] for word in words.symbols}})
    index, coverage = build_index(words, senses, {"en": Characters()}, language="en")
    assert [morphemes_of(index, row)[0] for row in range(5, 9)] == list(TAGS)
    assert [len(senses_of(index, row)) for row in range(4, 10)] == [1, 0, 0, 0, 0, 1]
    assert morphemes_of(index, 9)[:2] == ["[", "C"]
    assert coverage.specials["types"] == 8
    # They are in every sentence, whatever their count: after fairseq's own symbols, before the rest.
    assert index.morphemes[3:11] == (*SPECIALS, *TAGS)


@pytest.mark.parametrize("known", [(), ("<mask>",), ("[fr_XX]",)])
@pytest.mark.parametrize("added", [("[de_DE]", "[en_XX]"), ("__de__", "__en__", "<mask>")])
def test_what_tasks_add_gets_the_units_of_a_dictionary_that_has_it(
    known: tuple[str, ...], added: tuple[str, ...]
) -> None:
    added = tuple(symbol for symbol in added if symbol not in known)
    words, senses = zipfian(100)
    words = Vocabulary((*words.symbols, *known), (*words.counts, *(1 for _ in known)))
    longer = Vocabulary((*words.symbols, *added), (*words.counts, *(1 for _ in added)))
    index, expected = (build_index(each, senses, SEGMENTERS, language="en")[0] for each in (words, longer))
    assert index.adapt(words) is index
    assert index.adapt(longer).fingerprint == expected.fingerprint
    for symbols in ((*words.symbols, "mask"), longer.symbols[::-1], words.symbols[:-1]):
        with pytest.raises(SeeError, match="built for another dictionary"):
            index.adapt(Vocabulary(symbols, (1,) * len(symbols)))


def test_languages_of_one_script_share_morphemes_and_are_looked_up_in_each() -> None:
    senses = Senses({"en": {"power": [("strength",)], "Haus": [("wrong",)]}, "de": {"Haus": [("house",)]}})
    words = vocabulary(power=3, Haus=2, Häuser=1, powers=1, дом=1)
    segmenters = train_segmenters(words, "de,en,ru", progress=lambda message: None)
    assert segmenters["de"] is segmenters["en"] and segmenters["de"] is not segmenters["ru"]
    index, coverage = build_index(words, senses, segmenters, language="de,en,ru")
    names = [[sense[0] for sense in senses_of(index, row)] for row in range(4, 9)]
    assert names == [["strength"], ["house"], ["house"], ["strength"], []]
    assert [coverage.found[how]["types"] for how in ("exact", "lemma", "none")] == [2, 2, 1]
    assert index.provenance["morphemes"] == "de: morfessor, en: morfessor, ru: morfessor"
    with pytest.raises(SeeError, match="de and en have one script: give them one morphology"):
        train_segmenters(words, "de,en", {"en": "characters"})
