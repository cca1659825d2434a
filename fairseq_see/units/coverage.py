"""What an index covers and what it leaves out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fairseq_see.units.senses import HOW
from fairseq_see.units.words import Word

# Dictionary entries as "types", and as "tokens" what they stand for in running text, by the dictionary's counts.
Tally = dict[str, int]


def _declare(label: str, default: int | None = 0) -> Any:
    return field(default=default, metadata={"label": label})


@dataclass
class Coverage:
    """Counts over the symbols of a dictionary; the others are named as they are printed.

    Attributes:
        symbols: all of them.
        specials: ``<...>``, fillers and language tags; they have no senses, and a morpheme of their own.
        subwords: marked subwords, which were not looked up.
        found: how each of the others, which were looked up, was found: exact, case, lemma or none.
        with_senses: symbols with at least one sense.
        senses_per_word: number of senses kept -> symbols looked up that have so many.
        sharing_pairs: pairs of symbols with a sense in common (before a control exchanges senses).
        true_pairs: those that still have one after the control ``random-senses``; None without it.
    """

    symbols: Tally
    specials: Tally
    subwords: Tally
    found: dict[str, Tally]
    with_senses: Tally
    senses_per_word: Counter[int]
    sememes: int = _declare("sememes in use")
    morphemes: int = _declare("morphemes in use")
    distinct_groups: int = _declare("distinct sense groups")
    sense_slots: int = _declare("sense slots")
    sharing_pairs: int = _declare("pairs sharing a sense")
    truncated_sememes: int = _declare("sememes truncated")
    duplicate_senses: int = _declare("duplicate senses dropped")
    senses_beyond_rank: int = _declare("senses beyond the rank")
    joined_morphemes: int = _declare("words with joined morphemes")
    bucketed_morphemes: int = _declare("morphemes sharing buckets")
    collisions: int = _declare("collisions resolved")
    true_pairs: int | None = _declare("true pairs after exchange", None)

    @classmethod
    def count(cls, words: Sequence[Word], order: int) -> "Coverage":
        """What can be counted of words before their units are numbered."""
        senses = [sense for word in words for sense in word.senses]
        return cls(
            symbols=_count(words),
            specials=_count([word for word in words if word.special]),
            subwords=_count([word for word in words if word.how is None and not word.special]),
            found={how: _count([word for word in words if word.how == how]) for how in HOW},
            with_senses=_count([word for word in words if word.kept]),
            senses_per_word=Counter(len(word.kept) for word in words if word.how is not None),
            truncated_sememes=sum(len(sense.truncated) for sense in senses if sense.kept),
            duplicate_senses=sum(sense.duplicate_of is not None for sense in senses),
            senses_beyond_rank=sum(sense.beyond_rank for sense in senses),
            joined_morphemes=sum(len(word.morphemes) > order for word in words),
        )

    def to_dict(self) -> dict[str, Any]:
        """The counts as JSON takes them."""
        counts = {str(senses): n for senses, n in sorted(self.senses_per_word.items())}
        return asdict(self) | {"senses_per_word": counts}

    def render(self) -> str:
        """The counts as a table to read."""
        shares = {
            "symbols": self.symbols,
            "  specials and fillers": self.specials,
            "  subwords, not looked up": self.subwords,
            "  found as they are": self.found["exact"],
            "  found in lower case": self.found["case"],
            "  found by lemma": self.found["lemma"],
            "  looked up, not found": self.found["none"],
            "with senses": self.with_senses,
        }
        lines = [f"{'':28}{'types':>10}{'':9}{'tokens':>14}"]
        for name, tally in shares.items():
            types, tokens = (_format_percent(tally[kind], self.symbols[kind]) for kind in tally)
            lines.append(f"{name:28}{tally['types']:>10,} {types:>7} {tally['tokens']:>14,} {tokens:>7}")
        lines += ["", "senses kept per word looked up"]
        words = self.senses_per_word.total()
        for senses, n in sorted(self.senses_per_word.items()):
            lines.append(f"  {senses:<26}{n:>10,} {_format_percent(n, words):>7}")
        lines.append("")
        for each in fields(self):
            label, count = each.metadata.get("label"), getattr(self, each.name)
            if label and count is not None:
                lines.append(f"{label:28}{count:>10,}")
        return "\n".join(lines)


def _count(words: Sequence[Word]) -> Tally:
    return {"types": len(words), "tokens": sum(word.count for word in words)}


def _format_percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"
