"""How well words are translated, by how often training saw them.

A word of a reference is found if the translation of its sentence has it too, at most as often as it has it (BLEU's
clipped unigrams). F1 of a band takes recall over the band's words of the references and precision over those of the
translations, over the whole test set. It is compare-mt's word accuracy (Neubig et al. 2019). Words are those of the
target side after tokenisation, before BPE, with case; their frequency is that of the training text's target side.
BLEU itself has no bands: its n-grams are of words of several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Lowest training count of each band.
LIMITS = (0, 1, 10, 100, 1000)
NAMES = ("never", "1-9", "10-99", "100-999", "1,000 or more")


@dataclass(frozen=True)
class Band:
    """Words of one band: in the references, in the translations, and found."""

    references: int
    hypotheses: int
    found: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision, in percent; None where the references have no such words."""
        return 200 * self.found / (self.references + self.hypotheses) if self.references else None


def by_band(hypotheses: Iterable[str], references: Iterable[str], frequencies: Mapping[str, int]) -> list[Band]:
    """Count words in each band.

    Args:
        hypotheses: lines of words with spaces between.
        references: as many lines.
        frequencies: how often training has each word; 0 for those that are not in it.

    Returns:
        a band for each of NAMES.
    """
    counts = [[0, 0, 0] for _ in LIMITS]
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        ours, theirs = Counter(hypothesis.split()), Counter(reference.split())
        for column, words in enumerate((theirs, ours, ours & theirs)):
            for word, count in words.items():
                counts[_band(frequencies.get(word, 0))][column] += count
    return [Band(*row) for row in counts]


def _band(frequency: int) -> int:
    return max(number for number, limit in enumerate(LIMITS) if frequency >= limit)
