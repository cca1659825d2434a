"""Controls differ from the real index in what they take away, and in nothing else."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_see.units import Senses, UnitIndex, Vocabulary, build_index
from fairseq_see.units.controls import SMALLEST_BAND, find_frequency_bands, shuffle_senses
from fairseq_see.units.morphology import Characters
from fairseq_see.units.senses import select
from fairseq_see.units.vocabulary import SPECIALS
from fairseq_see.units.words import Word
from tests.unit.units.conftest import zipfian

SEGMENTERS = {"zh": Characters(), "en": Characters()}


def built(control: str | None = None, seed: int = 1, **options: int) -> UnitIndex:
    return build_index(*zipfian(), SEGMENTERS, language="en", control=control, seed=seed, **options)[0]


def senses_of(index: UnitIndex) -> list[tuple[tuple[str, ...], ...]]:
    words = map(index.read_senses, range(index.num_words))
    return [tuple(tuple(index.sememes[unit] for unit in sense) for sense in senses) for senses in words]


def sharers(index: UnitIndex) -> set[tuple[int, int]]:
    words = [set(senses) for senses in senses_of(index)]
    return {(i, j) for i, j in combinations(range(len(words)), 2) if words[i] & words[j]}


@given(st.lists(st.integers(0, 10_000), max_size=400))
def test_bands_are_of_like_frequency_or_as_small_as_may_be(counts: list[int]) -> None:
    bands = find_frequency_bands(counts)
    order = [position for band in bands for position in band]
    assert sorted(order) == list(range(len(counts)))
    assert [counts[position] for position in order] == sorted(counts, reverse=True)
    for band in bands[:-1]:
        assert len(band) >= SMALLEST_BAND
        largest = counts[band[0]]
        assert len(band) == SMALLEST_BAND or 2 * counts[band[-1]] > largest or 2 * counts[band[SMALLEST_BAND]] > largest
    assert len(bands) == 1 or not counts or len(bands[-1]) >= SMALLEST_BAND


def test_random_senses_are_others_of_like_frequency() -> None:
    vocabulary, _ = zipfian()
    index, control = built(), built("random-senses")
    real, random = senses_of(index), senses_of(control)
    with_senses = [row for row, senses in enumerate(real) if senses]
    assert [row for row, senses in enumerate(random) if senses] == with_senses
    assert not any(vocabulary.symbols[row].endswith("@@") for row in with_senses)
    bands = find_frequency_bands([vocabulary.counts[row] for row in with_senses])
    assert len(bands) >= 3
    for band in bands:
        rows = [with_senses[position] for position in band]
        assert Counter(real[row] for row in rows) == Counter(random[row] for row in rows)
    # Senses that are not its own may be equal to them by chance.
    assert sum(real[row] == random[row] for row in with_senses) < 0.02 * len(with_senses)
    # The control costs as much.
    np.testing.assert_array_equal(control.word_morphemes, index.word_morphemes)
    assert set(control.sememes) == set(index.sememes) and len(control.groups) == len(index.groups)
    assert abs(len(control.pack()) / len(index.pack()) - 1) < 0.02
    assert control.fingerprint == built("random-senses").fingerprint != built("random-senses", 2).fingerprint


def test_coverage_reports_how_many_pairs_are_left() -> None:
    _, coverage = build_index(*zipfian(), SEGMENTERS, language="en", control="random-senses")
    real, random = sharers(built()), sharers(built("random-senses"))
    assert (coverage.sharing_pairs, coverage.true_pairs) == (len(real), len(real & random))
    assert "true pairs after exchange" in coverage.render()
    _, coverage = build_index(*zipfian(), SEGMENTERS, language="en")
    assert "true pairs" not in coverage.render()


def test_languages_do_not_exchange_senses() -> None:
    words = [
        Word(1, False, language, "exact", select([(name,)], 3, 5), [name])
        for language, names in (("en", "abc"), ("zh", "甲乙丙"))
        for name in names
    ]
    result = [word.kept for word in shuffle_senses(words, seed=1)]
    assert sorted(result[:3]) == [[(name,)] for name in "abc"]
    assert all(kept != word.kept for kept, word in zip(result, words, strict=True))


def test_no_lemmas_takes_the_senses_that_only_a_lemma_has() -> None:
    senses = Senses({"en": {"ability": [("ability",)], "power": [("strength",)]}, "zh": {"能力": [("ability",)]}})
    words = ("ability", "Power", "abilities", "Abilities", "能力", "unknown")
    vocabulary = Vocabulary((*SPECIALS, *words), (1,) * (len(SPECIALS) + len(words)))
    (real, _), (control, coverage) = (
        build_index(vocabulary, senses, SEGMENTERS, control=name) for name in (None, "no-lemmas")
    )
    ability, strength = (("ability", "<pad:2>", "<pad:3>"),), (("strength", "<pad:2>", "<pad:3>"),)
    assert senses_of(real)[4:] == [ability, strength, ability, ability, ability, ()]
    assert senses_of(control)[4:] == [ability, strength, (), (), ability, ()]
    np.testing.assert_array_equal(control.word_morphemes, real.word_morphemes)
    assert [coverage.found[how]["types"] for how in ("exact", "case", "lemma", "none")] == [2, 1, 0, 3]


@pytest.mark.parametrize("limit", [None, 50])
def test_no_morphemes_are_arbitrary_codes_of_as_many_units(limit: int | None) -> None:
    vocabulary, senses = zipfian()
    (real, _), (control, _) = (
        build_index(vocabulary, senses, SEGMENTERS, language="en", max_morphemes=limit, control=name)
        for name in (None, "no-morphemes")
    )
    assert len(control.morphemes) == len(real.morphemes) and control.sememes == real.sememes
    assert senses_of(control) == senses_of(real)
    np.testing.assert_array_equal(control.word_morphemes[:4], real.word_morphemes[:4])
    codes = control.word_morphemes[4:]
    assert all(control.morphemes[unit].startswith("<code:") for unit in np.unique(codes))
    use = np.bincount(codes.ravel())[7:]
    # Equal by one, but for the few words that had another's code.
    assert use.min() >= 1 and use.max() - use.min() <= 3
    rows = [(*code, senses) for code, senses in zip(codes.tolist(), senses_of(control)[4:], strict=True)]
    assert len(set(rows)) == len(rows)
    # Words of the same beginning share it no more often than others.
    first = [symbol[:1] for symbol in vocabulary.symbols[4:]]
    pairs = [(first[i] == first[j], codes[i, 0] == codes[j, 0]) for i, j in combinations(range(300), 2)]
    rates = [np.mean([equal for same, equal in pairs if same is kind]) for kind in (True, False)]
    assert abs(rates[0] - rates[1]) < 0.5 * rates[1]


def test_a_symbol_cannot_pass_for_a_code() -> None:
    words = Vocabulary(("<s>", "<pad>", "</s>", "<unk>", "<code:1>", "ab", "<code:1>x"), (1,) * 7)
    index, _ = build_index(words, None, SEGMENTERS, language="en", order=2, control="no-morphemes")
    assert "\\<code:1>" in index.morphemes and len(np.unique(index.word_morphemes, axis=0)) == 7


def test_provenance_is_not_the_identity() -> None:
    without = built("no-senses", 7)
    assert without.provenance == {"senses": "none", "morphemes": "en: characters", "control": "no-senses"}
    assert len(without.groups) == len(without.sense_groups) == 0 and len(without.sememes) == 3
    source = {"senses": "unnamed", "morphemes": "en: characters"}
    assert built().provenance == source
    assert built("random-senses", 7).provenance == {**source, "control": "random-senses", "seed": 7}
    plain, _ = build_index(zipfian()[0], None, SEGMENTERS, language="en", piece_senses=True)
    assert plain.provenance == {"senses": "none", "morphemes": "en: characters"}
    assert plain.fingerprint == without.fingerprint
