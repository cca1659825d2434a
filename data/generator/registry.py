"""The table of sentence patterns, filled by a decorator."""

from __future__ import annotations

from collections.abc import Callable

from clauses import Pair
from english import sentence
from world import World

Rule = Callable[[World], Pair]
PATTERNS: dict[str, tuple[Rule, float]] = {}


def pattern(weight: float) -> Callable[[Rule], Rule]:
    """Registers a rule under its function name; `weight` is its relative frequency."""

    def register(rule: Rule) -> Rule:
        PATTERNS[rule.__name__] = (rule, weight)
        return rule

    return register


def statement(zh: str, en: str) -> Pair:
    return Pair(zh + "。", sentence(en))


def question(zh: str, en: str) -> Pair:
    return Pair(zh + "？", sentence(en, "?"))
