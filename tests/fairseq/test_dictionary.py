"""fairseq's own dictionaries, and the symbols that its tasks add to them."""

from pathlib import Path

import pytest
from fairseq.data import Dictionary
from fairseq.data.multilingual.multilingual_utils import augment_dictionary

from fairseq_see.units import UnitIndex, Vocabulary, build_index
from fairseq_see.units.morphology import Characters


@pytest.fixture
def dictionary(tmp_path: Path) -> Dictionary:
    (tmp_path / "dict.en.txt").write_text(
        "the 7\npow@@ 3\n# 5\n<unk> 2 #fairseq:overwrite\n\u00a0x 1\n中 1\n", encoding="utf-8"
    )
    return Dictionary.load(str(tmp_path / "dict.en.txt"))


def test_read_as_fairseq_reads_it(dictionary: Dictionary, tmp_path: Path) -> None:
    read = Vocabulary.load(tmp_path / "dict.en.txt")
    assert read == Vocabulary(tuple(dictionary.symbols), tuple(dictionary.count))


@pytest.mark.parametrize(("style", "tags"), [("mbart", ["[de_DE]", "[en]", "<mask>"]), ("multilingual", ["__de_DE__"])])
def test_tags_of_multilingual_tasks_get_units(
    dictionary: Dictionary, tmp_path: Path, style: str, tags: list[str]
) -> None:
    index, _ = build_index(Vocabulary.load(tmp_path / "dict.en.txt"), None, {"en": Characters()}, language="en")
    index.save(tmp_path / "dict.en.see")
    augment_dictionary(dictionary, ["de_DE", "en"], style, ["main"])
    longer = Vocabulary(tuple(dictionary.symbols), tuple(dictionary.count))
    found = UnitIndex.load(tmp_path / "dict.en.see").adapt(longer)
    found.validate()
    names = {longer.symbols[row]: found.morphemes[found.word_morphemes[row, 0]] for row in range(10, len(longer))}
    assert set(tags) <= set(names) and all(symbol == name for symbol, name in names.items())
