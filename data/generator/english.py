"""English morphology: articles, verb groups, sentence casing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from lexicon import Verb


class Aspect(Enum):
    """The tense and aspect values that the Chinese side marks overtly."""

    PRESENT = auto()
    PAST = auto()
    FUTURE = auto()
    PROGRESSIVE = auto()
    PAST_PROGRESSIVE = auto()
    EXPERIENCE = auto()
    PERFECT = auto()


@dataclass(frozen=True)
class Agreement:
    person: int = 3
    plural: bool = False


THIRD_SINGULAR = Agreement()


@dataclass(frozen=True)
class VerbForms:
    base: str
    past: str
    participle: str
    ing: str
    third: str

    @classmethod
    def of(cls, verb: Verb) -> VerbForms:
        return cls(verb.en, verb.past, verb.participle, verb.ing, verb.third)


BE = VerbForms("be", "was", "been", "being", "is")

_VOWEL_SOUND_EXCEPTIONS = ("hour", "honest", "honor", "heir", "x-ray", "mp3", "mba")
_CONSONANT_SOUND = ("uni", "use", "usu", "euro", "one", "once", "uk", "utensil")
_VOWEL_UNI = ("unim", "unin", "unid", "unil")


def article(following: str) -> str:
    """`a` or `an`, by the sound that the following word begins with."""
    word = following.lower()
    if word.startswith(_VOWEL_SOUND_EXCEPTIONS):
        return "an"
    if word.startswith(_CONSONANT_SOUND) and not word.startswith(_VOWEL_UNI):
        return "a"
    return "an" if word[0] in "aeiou" else "a"


def possessive(owner: str) -> str:
    return owner + ("'" if owner.endswith("s") else "'s")


def be_present(subject: Agreement) -> str:
    if subject.plural or subject.person == 2:
        return "are"
    return "am" if subject.person == 1 else "is"


def be_past(subject: Agreement) -> str:
    return "were" if subject.plural or subject.person == 2 else "was"


def third_singular(subject: Agreement) -> bool:
    return subject.person == 3 and not subject.plural


def verb_group(
    forms: VerbForms, aspect: Aspect, subject: Agreement, *, negative: bool = False, support: bool = False
) -> tuple[str, str]:
    """(auxiliary with its negation, main verb); the auxiliary is empty when nothing calls for one.

    `support` asks for an auxiliary that a question can move before the subject.
    """
    if forms is BE and aspect in (Aspect.PRESENT, Aspect.PAST):
        copula = be_present(subject) if aspect is Aspect.PRESENT else be_past(subject)
        return copula + (" not" if negative else ""), ""
    if aspect in (Aspect.PRESENT, Aspect.PAST) and not (negative or support):
        return "", _finite(forms, aspect, subject)
    auxiliary, main = _auxiliary(aspect, subject, negative), _non_finite(forms, aspect)
    return auxiliary, main


def _finite(forms: VerbForms, aspect: Aspect, subject: Agreement) -> str:
    if aspect is Aspect.PAST:
        return forms.past
    return forms.third if third_singular(subject) else forms.base


def _auxiliary(aspect: Aspect, subject: Agreement, negative: bool) -> str:
    if aspect is Aspect.PRESENT:
        auxiliary = "does" if third_singular(subject) else "do"
    elif aspect is Aspect.PAST:
        auxiliary = "did"
    elif aspect is Aspect.FUTURE:
        auxiliary = "will"
    elif aspect is Aspect.PROGRESSIVE:
        auxiliary = be_present(subject)
    elif aspect is Aspect.PAST_PROGRESSIVE:
        auxiliary = be_past(subject)
    else:
        auxiliary = "has" if third_singular(subject) else "have"
    return f"{auxiliary} not" if negative else auxiliary


def _non_finite(forms: VerbForms, aspect: Aspect) -> str:
    if aspect in (Aspect.PROGRESSIVE, Aspect.PAST_PROGRESSIVE):
        return forms.ing
    if aspect in (Aspect.EXPERIENCE, Aspect.PERFECT):
        return forms.participle
    return forms.base


_CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "did not": "didn't",
    "is not": "isn't",
    "are not": "aren't",
    "was not": "wasn't",
    "were not": "weren't",
    "has not": "hasn't",
    "have not": "haven't",
    "will not": "won't",
    "can not": "can't",
    "should not": "shouldn't",
}


def contract(text: str) -> str:
    return _CONTRACTIONS.get(text, text)


def join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def sentence(text: str, mark: str = ".") -> str:
    return text[0].upper() + text[1:] + mark
