"""Clauses: a subject and an action rendered with aspect, negation, adverbs and time words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from english import BE, Agreement, Aspect, VerbForms, contract, join, verb_group
from lexicon import Verb
from phrases import NounPhrase
from sampling import Sampler


@dataclass(frozen=True)
class Pair:
    """The same text in both languages."""

    zh: str
    en: str


@dataclass(frozen=True)
class Action:
    """A predicate before it is inflected. `zh_before` holds phrases like 在公园里 or 和他一起."""

    forms: VerbForms
    zh_verb: str
    zh_object: str = ""
    en_object: str = ""
    zh_before: str = ""
    en_after: str = ""
    zh_adverb: str = ""
    en_middle: str = ""
    verb: Verb | None = None
    # Verbs such as 决定 and 说 take no 了 before the clause that follows them.
    takes_le: bool = True

    @classmethod
    def of(cls, verb: Verb, zh_object: str = "", en_object: str = "") -> Action:
        return cls(VerbForms.of(verb), verb.zh, zh_object, en_object, verb=verb)

    @property
    def en_rest(self) -> str:
        return join(self.en_object, self.en_after)

    def infinitive(self) -> str:
        return join(self.forms.base, self.en_rest)

    def gerund(self) -> str:
        return join(self.forms.ing, self.en_rest)

    def zh_plain(self) -> str:
        return f"{self.zh_adverb}{self.zh_before}{self.zh_verb}{self.zh_object}"

    def with_before(self, zh: str, en: str) -> Action:
        return replace(self, zh_before=self.zh_before + zh, en_after=join(self.en_after, en))


@dataclass(frozen=True)
class Time:
    """A time expression and the tense it calls for."""

    zh: str
    en: str
    aspect: Aspect


def zh_predicate(action: Action, aspect: Aspect, negative: bool = False) -> str:
    before, core = action.zh_adverb + action.zh_before, action.zh_verb + action.zh_object
    if action.forms is BE:
        return f"{action.zh_adverb}{'不' if negative else ''}{core}"
    if negative:
        return _zh_negative(action, aspect)
    if aspect is Aspect.PAST:
        return _zh_perfective(action)
    if aspect is Aspect.FUTURE:
        return f"{'将会' if action.zh_adverb == '将' else '会' + action.zh_adverb}{action.zh_before}{core}"
    if aspect in (Aspect.PROGRESSIVE, Aspect.PAST_PROGRESSIVE):
        # 正在 absorbs the preposition of a following 在-phrase.
        before = before.removeprefix("在")
        return f"正在{before}{core}"
    if aspect is Aspect.EXPERIENCE:
        return f"{before}{action.zh_verb}过{action.zh_object}"
    if aspect is Aspect.PERFECT:
        return f"已经{_zh_perfective(action)}"
    return before + core


def _zh_perfective(action: Action) -> str:
    before = action.zh_adverb + action.zh_before
    if not action.takes_le:
        return f"{before}{action.zh_verb}{action.zh_object}"
    return f"{before}{action.zh_verb}了{action.zh_object}"


def _zh_negative(action: Action, aspect: Aspect) -> str:
    before, core = action.zh_adverb + action.zh_before, action.zh_verb + action.zh_object
    if aspect is Aspect.PAST:
        return f"没有{before}{core}"
    if aspect is Aspect.PERFECT:
        return f"还没有{before}{core}"
    if aspect is Aspect.EXPERIENCE:
        return f"从来没有{before}{action.zh_verb}过{action.zh_object}"
    if aspect is Aspect.FUTURE:
        return f"不会{before}{core}"
    if aspect in (Aspect.PROGRESSIVE, Aspect.PAST_PROGRESSIVE):
        return f"没有在{before.removeprefix('在')}{core}"
    return f"不{before}{core}"


def en_predicate(s: Sampler, action: Action, aspect: Aspect, subject: Agreement, negative: bool = False) -> str:
    middle, tail = action.en_middle, ""
    if aspect is Aspect.EXPERIENCE and negative:
        return join(*verb_group_with(action, aspect, subject, "never"), action.en_rest)
    if aspect is Aspect.PERFECT:
        middle, tail = ("", "yet") if negative else (join("already", middle), "")
    auxiliary, main = verb_group(action.forms, aspect, subject, negative=negative)
    if negative:
        auxiliary = s.variant(auxiliary, contract(auxiliary))
    return join(auxiliary, middle, main, action.en_rest, tail)


def verb_group_with(action: Action, aspect: Aspect, subject: Agreement, middle: str) -> tuple[str, str, str]:
    auxiliary, main = verb_group(action.forms, aspect, subject)
    return auxiliary, middle, main


def clause(
    s: Sampler,
    subject: NounPhrase,
    action: Action,
    aspect: Aspect,
    *,
    negative: bool = False,
    time: Time | None = None,
    embedded: bool = False,
) -> Pair:
    """A declarative clause without final punctuation; `embedded` keeps the time word inside."""
    predicate = zh_predicate(action, aspect, negative)
    en = join(subject.en, en_predicate(s, action, aspect, subject.agreement, negative))
    if time is None:
        return Pair(subject.zh + predicate, en)
    zh = f"{time.zh}{subject.zh}{predicate}" if s.chance(0.35) else f"{subject.zh}{time.zh}{predicate}"
    if not embedded and s.chance(0.15):
        return Pair(zh, f"{time.en}, {en}")
    return Pair(zh, join(en, time.en))


def polar_question(s: Sampler, subject: NounPhrase, action: Action, aspect: Aspect, time: Time | None = None) -> Pair:
    predicate = zh_predicate(action, aspect)
    when = time.zh if time else ""
    zh = s.choice((f"{subject.zh}{when}{predicate}", f"{when}{subject.zh}{predicate}"))
    return Pair(zh + "吗", inverted(action, aspect, subject, time.en if time else ""))


def inverted(action: Action, aspect: Aspect, subject: NounPhrase, tail: str = "", front: str = "") -> str:
    """English question order: front word, auxiliary, subject, verb."""
    auxiliary, main = verb_group(action.forms, aspect, subject.agreement, support=True)
    middle = {Aspect.EXPERIENCE: "ever", Aspect.PERFECT: "already"}.get(aspect, "") if not front else ""
    return join(front, auxiliary, subject.en, middle, action.en_middle, main, action.en_rest, tail)
