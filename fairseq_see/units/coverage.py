"""What an index covers and what it leaves out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fairseq_see.units.senses import HOW
from fairseq_see.units.words import Word


@dataclass
class Tally:
    """Dictionary entries, and the running tokens they stand for (by the dictionary's counts)."""

    types: int = 0
    tokens: int = 0


@dataclass
class Coverage:
    """Counts over the symbols of a dictionary.

    Attributes:
        symbols: all of them.
        specials: ``<...>``, fillers and language tags; they have no senses, and a morpheme of their own.
        pieces: marked subwords, which were not looked up.
        found: how each of the others, which were looked up, was found: exact, case, lemma or none.
        with_senses: symbols with at least one sense.
        senses_per_word: number of senses kept -> symbols looked up that have so many.
        cut_sememes: sememes after the ``order``-th of a sense that is kept.
        duplicate_senses: senses equal to an earlier one of the same word (once truncated).
        senses_beyond_rank: distinct senses after the ``rank - 1``-th of a word.
        joined_morphemes: words of more than ``order`` morphemes; the last of them are joined to one.
        bucketed_morphemes: morphemes that share hashed units, because the inventory is limited.
        collisions: words that had the units of an earlier word until one of theirs was replaced.
        sharing_pairs: pairs of symbols with a sense in common (before a control exchanges senses).
        true_pairs: those that still have one after the control ``random-senses``; None without it.
        sememes, morphemes: distinct units in use, padding not counted.
        distinct_groups, sense_slots: sense groups stored, and how often words point to one.
    """

    symbols: Tally
    specials: Tally
    pieces: Tally
    found: dict[str, Tally]
    with_senses: Tally
    senses_per_word: Counter[int]
    cut_sememes: int
    duplicate_senses: int
    senses_beyond_rank: int
    joined_morphemes: int
    bucketed_morphemes: int = 0
    collisions: int = 0
    sharing_pairs: int = 0
    true_pairs: int | None = None
    sememes: int = 0
    morphemes: int = 0
    distinct_groups: int = 0
    sense_slots: int = 0

    @classmethod
    def count(cls, words: Sequence[Word], order: int) -> "Coverage":
        """What can be counted of words before their units are numbered."""
        senses = [sense for word in words for sense in word.senses]
        return cls(
            symbols=_count(words),
            specials=_count([word for word in words if word.special]),
            pieces=_count([word for word in words if word.how is None and not word.special]),
            found={how: _count([word for word in words if word.how == how]) for how in HOW},
            with_senses=_count([word for word in words if word.kept]),
            senses_per_word=Counter(len(word.kept) for word in words if word.how is not None),
            cut_sememes=sum(len(sense.cut) for sense in senses if sense.kept),
            duplicate_senses=sum(sense.duplicate_of is not None for sense in senses),
            senses_beyond_rank=sum(sense.beyond_rank for sense in senses),
            joined_morphemes=sum(len(word.morphemes) > order for word in words),
        )

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON takes them."""
        counts = asdict(self)
        counts["senses_per_word"] = {str(senses): n for senses, n in sorted(self.senses_per_word.items())}
        return counts

    def render(self) -> str:
        """The counts as a table to read."""
        shares = {
            "symbols": self.symbols,
            "  specials and fillers": self.specials,
            "  subwords, not looked up": self.pieces,
            "  found as they are": self.found["exact"],
            "  found in lower case": self.found["case"],
            "  found by lemma": self.found["lemma"],
            "  looked up, not found": self.found["none"],
            "with senses": self.with_senses,
        }
        lines = [f"{'':28}{'types':>10}{'':9}{'tokens':>14}"]
        for name, tally in shares.items():
            types, tokens = _percent(tally.types, self.symbols.types), _percent(tally.tokens, self.symbols.tokens)
            lines.append(f"{name:28}{tally.types:>10,} {types:>7} {tally.tokens:>14,} {tokens:>7}")
        lines += ["", "senses kept per word looked up"]
        words = self.senses_per_word.total()
        for senses, n in sorted(self.senses_per_word.items()):
            lines.append(f"  {senses:<26}{n:>10,} {_percent(n, words):>7}")
        lines.append("")
        numbers = {
            "sememes in use": self.sememes,
            "morphemes in use": self.morphemes,
            "distinct sense groups": self.distinct_groups,
            "sense slots": self.sense_slots,
            "pairs sharing a sense": self.sharing_pairs,
            "sememes truncated": self.cut_sememes,
            "duplicate senses dropped": self.duplicate_senses,
            "senses beyond the rank": self.senses_beyond_rank,
            "words with joined morphemes": self.joined_morphemes,
            "morphemes sharing buckets": self.bucketed_morphemes,
            "collisions resolved": self.collisions,
            "true pairs after exchange": self.true_pairs,
        }
        lines += [f"{name:28}{number:>10,}" for name, number in numbers.items() if number is not None]
        return "\n".join(lines)


def _count(words: Sequence[Word]) -> Tally:
    return Tally(len(words), sum(word.count for word in words))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"
