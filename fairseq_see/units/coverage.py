"""What an index covers and what it leaves out, counted while it is built."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from fairseq_see.units.senses import HOW


@dataclass
class Tally:
    """Dictionary entries, and the running tokens they stand for (by the dictionary's counts)."""

    types: int = 0
    tokens: int = 0

    def add(self, count: int) -> None:
        """One more type that occurs ``count`` times."""
        self.types += 1
        self.tokens += count


@dataclass
class Coverage:
    """Counts over the symbols of a dictionary.

    Attributes:
        symbols: all of them.
        specials: ``<...>`` and fillers; they have no senses, and a morpheme of their own.
        pieces: marked pieces of words, which were not looked up.
        found: how each of the others, which were looked up, was found: exact, case, lemma or none.
        with_senses: symbols with at least one sense.
        senses_per_word: number of senses kept -> symbols looked up that have so many.
        sememes, morphemes: distinct units in use, padding not counted.
        distinct_groups, sense_slots: sense groups stored, and how often words point to one.
        sharing_pairs: pairs of symbols with a sense in common (before a control exchanges senses).
        true_pairs: those that still have one after the control ``random-senses``; None without it.
        cut_sememes: sememes after the ``order``-th of a sense that is kept.
        duplicate_senses: senses equal to an earlier one of the same word (once cut).
        senses_beyond_rank: distinct senses after the ``rank - 1``-th of a word.
        joined_morphemes: words of more than ``order`` morphemes; the last of them are joined to one.
        bucketed_morphemes: morphemes that share hashed units, because the inventory is limited.
        collisions: words that had the units of an earlier word until one of theirs was replaced.
    """

    symbols: Tally = field(default_factory=Tally)
    specials: Tally = field(default_factory=Tally)
    pieces: Tally = field(default_factory=Tally)
    found: dict[str, Tally] = field(default_factory=lambda: {how: Tally() for how in HOW})
    with_senses: Tally = field(default_factory=Tally)
    senses_per_word: Counter[int] = field(default_factory=Counter)
    sememes: int = 0
    morphemes: int = 0
    distinct_groups: int = 0
    sense_slots: int = 0
    sharing_pairs: int = 0
    true_pairs: int | None = None
    cut_sememes: int = 0
    duplicate_senses: int = 0
    senses_beyond_rank: int = 0
    joined_morphemes: int = 0
    bucketed_morphemes: int = 0
    collisions: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON takes them."""
        counts = asdict(self)
        counts["senses_per_word"] = {str(senses): n for senses, n in sorted(self.senses_per_word.items())}
        return counts

    def render(self) -> str:
        """The counts as a table to read."""
        shares = [
            ("symbols", self.symbols),
            ("  specials and fillers", self.specials),
            ("  pieces, not looked up", self.pieces),
            ("  found as they are", self.found["exact"]),
            ("  found in lower case", self.found["case"]),
            ("  found by lemma", self.found["lemma"]),
            ("  looked up, not found", self.found["none"]),
            ("with senses", self.with_senses),
        ]
        lines = [f"{'':28}{'types':>10}{'':9}{'tokens':>14}"]
        for name, tally in shares:
            types, tokens = _percent(tally.types, self.symbols.types), _percent(tally.tokens, self.symbols.tokens)
            lines.append(f"{name:28}{tally.types:>10,} {types:>7} {tally.tokens:>14,} {tokens:>7}")
        lines += ["", "senses kept per word looked up"]
        words = self.senses_per_word.total()
        for senses, n in sorted(self.senses_per_word.items()):
            lines.append(f"  {senses:<26}{n:>10,} {_percent(n, words):>7}")
        lines.append("")
        numbers = [
            ("sememes in use", self.sememes),
            ("morphemes in use", self.morphemes),
            ("distinct sense groups", self.distinct_groups),
            ("sense slots", self.sense_slots),
            ("pairs sharing a sense", self.sharing_pairs),
            ("sememes cut from senses", self.cut_sememes),
            ("duplicate senses dropped", self.duplicate_senses),
            ("senses beyond the rank", self.senses_beyond_rank),
            ("words with joined morphemes", self.joined_morphemes),
            ("morphemes sharing buckets", self.bucketed_morphemes),
            ("collisions resolved", self.collisions),
        ]
        if self.true_pairs is not None:
            numbers.append(("true pairs after exchange", self.true_pairs))
        lines += [f"{name:28}{number:>10,}" for name, number in numbers]
        return "\n".join(lines)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"
