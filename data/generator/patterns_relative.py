"""Reported speech, relative clauses and other embedded or coordinated clauses."""

from __future__ import annotations

from dataclasses import replace

from actions import (
    Situation,
    frame_verbs,
    scene_action,
    situation,
    time_word,
    transitive,
)
from clauses import Action, Pair, clause
from descriptions import be, degree, predicate_adjective, superlative
from english import Aspect, VerbForms, join, third_singular
from lexicon import Noun, Verb
from patterns_events import said
from phrases import (
    WE,
    Determiner,
    I,
    NounPhrase,
    definite_phrase,
    known_thing,
    object_person,
    object_phrase,
    person,
    singular_person,
    third_person,
)
from reasons import acting_on_it, quality_and_deed
from registry import pattern, statement
from sampling import Impossible
from scenes import SCENES
from wordlists import FRIENDLY_CLASSES
from world import World, is_stative

THINKING = frozenset(
    [
        "think",
        "believe",
        "hope",
        "guess",
        "worry",
        "expect",
        "assume",
        "agree",
        "insist",
        "complain",
        "claim",
        "promise",
        "admit",
    ]
)
NOW = frozenset(["think", "believe", "hope", "guess", "worry", "expect", "assume", "agree"])


@pattern(7)
def reported(w: World) -> Pair:
    subject = person(w)
    verb = w.s.word(frame_verbs(w, "clause"))
    inner_subject = (
        third_person(w)
        if w.s.chance(0.6)
        else definite_phrase(
            w,
            w.s.word(
                [
                    n
                    for n in w.nouns("document", "food", "device", "vehicle", "art", "idea", "organization")
                    if any(a.predicative for a in w.adjectives_for(n))
                ]
            ),
            adjective=0.0,
        )
    )
    that = w.s.variant("that", "")
    now = verb.en in NOW
    if (inner_subject.noun is not None and inner_subject.noun.cls != "person") or w.s.chance(0.3):
        adjective = predicate_adjective(w, inner_subject)
        zh_degree, en_degree = degree(w, adjective)
        inner = Pair(
            inner_subject.zh + zh_degree, join(inner_subject.en, be(inner_subject.agreement, past=not now), en_degree)
        )
    else:
        action = scene_action(w, inner_subject, w.s.choice(SCENES))
        aspect = Aspect.FUTURE if verb.en in ("hope", "expect", "promise", "guess", "worry", "declare") else Aspect.PAST
        inner = clause(w.s, inner_subject, action, aspect)
        if aspect is Aspect.FUTURE and not now:
            inner = Pair(inner.zh, inner.en.replace(" will ", " would ", 1))
    if now:
        whole = Action(VerbForms.of(verb), verb.zh, inner.zh, join(that, inner.en), takes_le=False)
        return said(w, subject, whole, Situation(Aspect.PRESENT))
    time = time_word(w, "time_past")
    outer = clause(
        w.s, subject, Action(VerbForms.of(verb), verb.zh, inner.zh, join("that", inner.en), takes_le=False), Aspect.PAST
    )
    return statement(
        f"{time.zh}{outer.zh}" if w.s.chance(0.5) else f"{subject.zh}{time.zh}{outer.zh.removeprefix(subject.zh)}",
        f"{time.en}, {outer.en}",
    )


@pattern(3)
def told_that(w: World) -> Pair:
    subject = person(w)
    verb = w.s.word(frame_verbs(w, "person+clause"))
    hearer = object_person(w, subject)
    inner_subject = third_person(w)
    action = scene_action(w, inner_subject, w.s.choice(SCENES))
    if w.s.chance(0.5):
        inner = clause(w.s, inner_subject, action, Aspect.PAST)
    else:
        future = clause(w.s, inner_subject, action, Aspect.FUTURE)
        inner = Pair(future.zh, future.en.replace(" will ", " would ", 1))
    time = time_word(w, "time_past")
    whole = Action(
        VerbForms.of(verb), verb.zh, f"{hearer.zh}，{inner.zh}", f"{hearer.obj} that {inner.en}", takes_le=False
    )
    outer = clause(w.s, subject, whole, Aspect.PAST)
    return statement(f"{subject.zh}{time.zh}{outer.zh.removeprefix(subject.zh)}", f"{time.en}, {outer.en}")


@pattern(5)
def object_relative(w: World) -> Pair:
    """我昨天买的书很贵: the head noun is the object of the relative clause."""
    verb, noun = _thing_verb(w)
    subject = person(w)
    time = time_word(w, "time_past")
    plural = (w.s.chance(0.2) and noun.countable) or Determiner(w, noun, None).paired
    which = (
        "那些"
        if plural
        else (f"那{noun.measure}" if w.s.chance(0.3) and noun.measure != "-" and noun.countable else "")
    )
    head_en = noun.plural if plural else noun.en
    head = NounPhrase(
        f"{subject.zh}{time.zh}{verb.zh}的{which}{noun.zh}",
        join("the", head_en, w.s.choice(("that", "that", "")), subject.en, verb.past, time.en),
        noun=noun,
    )
    agreement = replace(head.agreement, plural=bool(plural))
    adjective = predicate_adjective(w, replace(head, zh=noun.zh))
    zh_degree, en_degree = degree(w, adjective)
    return statement(head.zh + zh_degree, join(head.en, be(agreement), en_degree))


@pattern(4)
def subject_relative(w: World) -> Pair:
    """喜欢音乐的学生: the head noun is the subject of the relative clause."""
    noun = w.s.word([n for n in w.nouns("person") if n.en not in ("wife", "husband", "father", "mother")])
    inner_subject = NounPhrase(noun.zh, noun.en, noun=noun)
    likes = w.s.chance(0.45)
    action = transitive(w, inner_subject, is_stative if likes else (lambda v: not is_stative(v)), generic=likes)
    time = None if likes else time_word(w, "time_past")
    rel_zh = f"{time.zh if time else ''}{action.zh_plain()}"
    rel_en = join(action.forms.third if likes else action.forms.past, action.en_rest, time.en if time else "")
    measure = noun.measure if noun.measure != "-" else "个"
    head_zh, head_en = f"{rel_zh}的那{measure}{noun.zh}", f"the {noun.en} who {rel_en}"
    kind = w.s.rng.random()
    if kind < 0.45:
        adjective = predicate_adjective(w, inner_subject)
        zh_degree, en_degree = degree(w, adjective)
        return statement(f"{head_zh}{zh_degree}", f"{head_en} is {en_degree}")
    if kind < 0.75:
        knower = person(w)
        do = "do not know" if not third_singular(knower.agreement) else "does not know"
        know = "know" if not third_singular(knower.agreement) else "knows"
        zh_know, en_know = w.s.choice((("认识", know), ("不认识", do)))
        return statement(f"{knower.zh}{zh_know}{head_zh}", f"{knower.en} {en_know} {head_en}")
    owner = w.s.choice((I, WE))
    zh_own, en_own = owner.own
    other = w.s.choice(
        (("朋友", "friend"), ("邻居", "neighbor"), ("同学", "classmate"), ("老师", "teacher"), ("同事", "colleague"))
    )
    return statement(f"{head_zh}是{zh_own}{other[1 - 1]}", f"{head_en} is {en_own} {other[1]}")


@pattern(3)
def most_ever(w: World) -> Pair:
    verb = w.s.word(
        w.verbs(
            lambda v: (
                v.en
                in (
                    "read",
                    "eat",
                    "drink",
                    "see",
                    "hear",
                    "buy",
                    "wear",
                    "write",
                    "visit",
                    "use",
                    "meet",
                    "drive",
                    "watch",
                )
            )
        )
    )
    noun = w.s.word(
        [n for n in w.objects_for(verb) if n.measure != "-" and n.countable and Determiner(w, n, None).unit is None]
    )
    w.s.note_pair(verb, noun)
    subject = singular_person(w)
    adjective = predicate_adjective(w, NounPhrase(noun.zh, noun.en, noun=noun), graded=True)
    has = "has" if third_singular(subject.agreement) else "have"
    return statement(
        f"这是{subject.zh}{'用' if verb.zh == '使用' else verb.zh}过的最{adjective.zh}的{noun.zh}",
        f"this is the {superlative(adjective)} {noun.en} that {subject.en} {has} ever {verb.participle}",
    )


_FAULTS = frozenset(
    [
        "big",
        "small",
        "short",
        "long",
        "narrow",
        "thick",
        "thin",
        "high",
        "low",
        "heavy",
        "dirty",
        "messy",
        "wet",
        "hot",
        "cold",
        "sour",
        "bitter",
        "spicy",
        "expensive",
        "old",
        "ugly",
        "boring",
        "difficult",
        "complicated",
        "slow",
        "dangerous",
        "noisy",
        "crowded",
        "blunt",
        "full",
    ]
)


@pattern(3)
def too_to(w: World) -> Pair:
    """这张桌子太沉重了，我不能举起它."""
    adjective, verb, noun = quality_and_deed(w, done=False)
    if adjective.en not in _FAULTS:
        raise Impossible
    subject = person(w)
    thing = known_thing(w, noun)
    action = acting_on_it(verb, thing.agreement.plural)
    able = verb.en in ("lift", "move", "carry", "translate", "understand", "fill")
    do = "does" if third_singular(subject.agreement) else "do"
    zh, en = ("不能", "cannot") if able else ("不想", f"{do} not want to")
    refusal = f"{subject.en} {en} {action.infinitive()}"
    return statement(
        f"{thing.zh}太{adjective.zh}了，{subject.zh}{zh}{action.zh_plain()}",
        f"{thing.en} {be(thing.agreement)} too {adjective.en}, so {refusal}",
    )


@pattern(2)
def not_only_things(w: World) -> Pair:
    """Coordinated objects: 他买了一本书和两支笔."""
    subject = person(w)
    verb = w.s.word(
        w.verbs(lambda v: "person" in v.subjects and bool(set(v.objects) & FRIENDLY_CLASSES) and not is_stative(v))
    )
    nouns = [n for n in w.objects_for(verb) if n.cls in FRIENDLY_CLASSES and n.countable]
    first, second = w.s.word(nouns), w.s.word(nouns)
    if first == second:
        raise Impossible
    for noun in (first, second):
        w.s.note_pair(verb, noun)
    left, right = (object_phrase(w, noun, subject, adjective=0.15) for noun in (first, second))
    action = Action.of(verb, f"{left.zh}和{right.zh}", f"{left.obj} and {right.obj}")
    return said(w, subject, action, situation(w, verb))


@pattern(2)
def rather_than(w: World) -> Pair:
    subject, scene = person(w), w.s.choice(SCENES)
    first, second = scene_action(w, subject, scene), scene_action(w, subject, scene)
    want, do = ("wants", "does") if third_singular(subject.agreement) else ("want", "do")
    return statement(
        f"{subject.zh}不想{first.zh_plain()}，只想{second.zh_plain()}",
        f"{subject.en} {do} not want to {first.infinitive()} but only {want} to {second.infinitive()}",
    )


def _thing_verb(w: World) -> tuple[Verb, Noun]:
    """A verb with a thing as its object, for sentences that go on about the thing."""
    verb = w.s.word(
        w.verbs(lambda v: "person" in v.subjects and not is_stative(v) and bool(set(v.objects) & FRIENDLY_CLASSES))
    )
    noun = w.s.word([n for n in w.objects_for(verb) if n.cls in FRIENDLY_CLASSES and w.adjectives_for(n)])
    w.s.note_pair(verb, noun)
    return verb, noun
