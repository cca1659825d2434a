"""Words by frequency, counted by hand."""

from experiments.report.bands import NAMES, by_band

FREQUENCIES = {"the": 5000, "a": 1000, "cat": 999, "sat": 10, "mat": 9, "dog": 1}


def test_bands_are_counted_by_hand():
    # "the" twice in the reference and three times in the translation: found twice. "zebra" was never seen.
    found = by_band(["the the the cat dog", "zebra"], ["the cat the mat", "sat zebra"], FREQUENCIES)
    by_name = dict(zip(NAMES, found, strict=True))
    numbers = {name: (band.references, band.hypotheses, band.found) for name, band in by_name.items()}
    assert numbers == {
        "never": (1, 1, 1),
        "1-9": (1, 1, 0),
        "10-99": (1, 0, 0),
        "100-999": (1, 1, 1),
        "1,000 or more": (2, 3, 2),
    }
    assert by_name["1,000 or more"].f1 == 2 * 100 * (2 / 3 * 1) / (2 / 3 + 1)
    assert by_name["10-99"].f1 == 0


def test_words_of_other_sentences_do_not_count():
    bands = by_band(["cat", "dog"], ["dog", "cat"], FREQUENCIES)
    assert all(band.found == 0 for band in bands)
    assert bands[0].f1 is None
