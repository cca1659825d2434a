"""Adjective predicates: copular, comparative and superlative forms in both languages."""

from __future__ import annotations

from english import Agreement, be_past, be_present, join
from lexicon import Adjective
from phrases import NounPhrase
from sampling import Impossible
from wordlists import NOT_GRADABLE
from world import World

STATES = frozenset(
    [
        "tired",
        "hungry",
        "thirsty",
        "busy",
        "angry",
        "nervous",
        "sleepy",
        "sad",
        "happy",
        "excited",
        "lonely",
        "surprised",
        "calm",
        "proud",
        "glad",
        "free",
    ]
)


def gradable(adjective: Adjective) -> bool:
    return adjective.zh not in NOT_GRADABLE and adjective.comparative != "-"


def predicate_adjective(w: World, phrase: NounPhrase, graded: bool = False, state: bool = False) -> Adjective:
    """An adjective that can be said of the phrase; pronouns and names count as people."""
    noun = phrase.noun
    options = w.adjectives_for(noun) if noun else [a for a in w.lexicon.adjectives if "person" in a.nouns]
    fitting = [
        a
        for a in options
        if a.predicative and (gradable(a) or not graded) and (not state or a.en in STATES) and a.zh not in phrase.zh
    ]
    adjective = w.s.word(fitting)
    if noun:
        w.s.note_pair(adjective, noun)
    return adjective


def degree(w: World, adjective: Adjective) -> tuple[str, str]:
    """The graded adjective phrase: (很贵, very expensive)."""
    if adjective.zh in NOT_GRADABLE:
        return f"是{adjective.zh}的", adjective.en
    if adjective.comparative == "-":
        # 完美 and the like take 很 in Chinese but no "very" in English.
        return f"很{adjective.zh}", adjective.en
    if w.s.chance(0.5):
        return f"很{adjective.zh}", join(w.s.variant("very", "really"), adjective.en)
    if w.s.chance(0.35):
        return f"非常{adjective.zh}", f"very {adjective.en}"
    adverb = w.s.word([a for a in w.adverbs("degree") if a.en in GRADING])
    return adverb.zh + adjective.zh, f"{adverb.en} {adjective.en}"


GRADING = frozenset(("quite", "really", "extremely", "rather", "fairly", "incredibly"))


def negated(w: World, adjective: Adjective) -> tuple[str, str]:
    if adjective.zh in NOT_GRADABLE:
        return f"不是{adjective.zh}的", f"not {adjective.en}"
    if w.s.chance(0.3):
        return f"不太{adjective.zh}", f"not very {adjective.en}"
    return f"不{adjective.zh}", f"not {adjective.en}"


def be(agreement: Agreement, past: bool = False) -> str:
    return be_past(agreement) if past else be_present(agreement)


def superlative(adjective: Adjective) -> str:
    comparative = adjective.comparative
    irregular = {"better": "best", "worse": "worst"}
    if comparative == "-":
        raise Impossible
    if comparative.startswith("more "):
        return "most " + comparative.removeprefix("more ")
    return irregular.get(comparative) or comparative[:-1] + "st"
