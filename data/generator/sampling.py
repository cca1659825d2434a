"""Random choices, usage counts and the held-out word pairs."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lexicon import Entry

E = TypeVar("E", bound=Entry)
T = TypeVar("T")

WordPair = tuple[str, str]


def stable_fraction(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone, unlike Python's salted hash()."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class Impossible(Exception):
    """Raised by a rule that finds no fitting words; the caller tries another sentence."""


class Sampler:
    """Chooses words: a mild power law for realism, with a push towards words that are still too rare.

    The words and pairs of the sentence under construction are only added to the counts when the
    sentence is accepted, so a rejected attempt leaves no trace.
    """

    def __init__(self, seed: int, floor: int, held_out_share: float, boosts: Mapping[str, float] | None = None) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.floor = floor
        self.held_out_share = held_out_share
        self.counts: Counter[str] = Counter()
        self.boosts = boosts or {}
        self._weights: dict[str, float] = {}
        self._held_out: dict[WordPair, bool] = {}
        self.words: list[str] = []
        self.pairs: list[WordPair] = []

    def start(self) -> None:
        self.words, self.pairs = [], []

    def commit(self) -> None:
        self.counts.update(self.words)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        if not options:
            raise Impossible
        return options[self.rng.randrange(len(options))]

    def variant(self, usual: T, *others: T) -> T:
        """Free variation: mostly the usual form, now and then another that means the same."""
        return self.choice(others) if others and self.chance(0.15) else usual

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        return self.rng.choices([item for item, _ in options], [weight for _, weight in options])[0]

    def word(self, entries: Sequence[E]) -> E:
        """Draws an entry and notes its use."""
        if not entries:
            raise Impossible
        rare = [entry for entry in entries if self.counts[entry.key] < self.floor]
        if rare and self.chance(0.85):
            entry = self.choice(rare)
        else:
            entry = self.rng.choices(entries, self._weights_of(entries))[0]
        self.words.append(entry.key)
        return entry

    def is_rare(self, key: str) -> bool:
        return self.counts[key] < self.floor and "|" in key

    def note_pair(self, head: Entry, noun: Entry) -> None:
        self.pairs.append((head.zh, noun.zh))

    def held_out(self, pair: WordPair) -> bool:
        """Whether training must not see this (verb, object) or (adjective, noun) pair."""
        known = self._held_out.get(pair)
        if known is None:
            known = stable_fraction(f"pair {self.seed} {pair[0]} {pair[1]}") < self.held_out_share
            self._held_out[pair] = known
        return known

    @property
    def held_out_pairs(self) -> list[WordPair]:
        return [pair for pair in self.pairs if self.held_out(pair)]

    def _weights_of(self, entries: Sequence[E]) -> list[float]:
        known = self._weights
        return [known.get(entry.key) or self._weight(entry) for entry in entries]

    def _weight(self, entry: Entry) -> float:
        known = self._weights.get(entry.key)
        if known is None:
            # Rank-free power law: the fraction is uniform, so the weights follow u ** -0.4.
            known = (0.02 + stable_fraction(f"weight {entry.key}")) ** -0.4 * self.boosts.get(entry.key, 1.0)
            self._weights[entry.key] = known
        return known
