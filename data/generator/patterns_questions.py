"""Questions: polar, alternative, tags and question words."""

from __future__ import annotations

from actions import Situation, any_action, deliberate, placed, situation, time_word, transitive
from clauses import Action, Pair, inverted, polar_question, zh_predicate
from descriptions import be, predicate_adjective
from english import Agreement, Aspect, join, verb_group
from phrases import (
    HE,
    SHE,
    THEY,
    WE,
    YOU,
    Determiner,
    NounPhrase,
    definite_phrase,
    third_person,
)
from registry import pattern, question
from wordlists import SUBJECT_THINGS
from world import World, has_progressive, is_stative


def asked(w: World) -> NounPhrase:
    """Questions are mostly about the hearer or a third person."""
    return YOU if w.s.chance(0.4) else third_person(w)


def _past(verb) -> bool:
    return not is_stative(verb)


@pattern(4)
def yes_no(w: World) -> Pair:
    subject = asked(w)
    action = any_action(w, subject)
    state = situation(w, action.verb)
    if state.aspect is Aspect.EXPERIENCE and not action.zh_object:
        state = Situation(Aspect.PAST, False, time_word(w, "time_past"))
    asked_pair = polar_question(w.s, subject, action, state.aspect, state.time)
    return question(asked_pair.zh, asked_pair.en)


@pattern(2)
def can_or_want(w: World) -> Pair:
    subject = asked(w)
    action = placed(w, deliberate(w, subject), 0.2)
    do = "does" if subject.agreement.person == 3 and not subject.agreement.plural else "do"
    zh, en = w.s.choice(
        (
            ("能", f"can {subject.en}"),
            ("可以", f"can {subject.en}"),
            ("想", f"{do} {subject.en} want to"),
            ("必须", f"{do} {subject.en} have to"),
            ("愿意", f"{be(subject.agreement)} {subject.en} willing to"),
            ("应该", f"should {subject.en}"),
        )
    )
    return question(f"{subject.zh}{zh}{action.zh_plain()}吗", join(en, action.infinitive()))


@pattern(2.5)
def who_did(w: World) -> Pair:
    action = transitive(w, None, lambda v: True)
    if action.verb is not None and is_stative(action.verb):
        return question(
            f"谁{action.zh_plain()}",
            join("who", verb_group(action.forms, Aspect.PRESENT, Agreement())[1], action.en_rest),
        )
    time = time_word(w, "time_past", "time_future")
    zh = w.s.choice(
        (f"{time.zh}谁{zh_predicate(action, time.aspect)}", f"谁{time.zh}{zh_predicate(action, time.aspect)}")
    )
    return question(zh, join("who", *verb_group(action.forms, time.aspect, Agreement()), action.en_rest, time.en))


@pattern(3)
def what_or_whom(w: World) -> Pair:
    subject = asked(w)
    verb = w.s.word(
        w.verbs(
            lambda v: (
                "person" in v.subjects
                and bool(v.objects)
                and "+" not in "".join(v.objects)
                and not {"clause", "infinitive"} & set(v.objects)
                and not is_stative(v)
            )
        )
    )
    whom = set(verb.objects) <= {"person", "animal"}
    if not whom and "person" in verb.objects:
        whom = True
    action = Action.of(verb, "谁" if whom else "什么")
    front = w.s.variant("who", "whom") if whom else "what"
    time = time_word(w, "time_past", "time_future")
    if has_progressive(verb) and w.s.chance(0.3):
        return question(
            f"{subject.zh}正在{verb.zh}{action.zh_object}", inverted(action, Aspect.PROGRESSIVE, subject, front=front)
        )
    zh = f"{subject.zh}{time.zh}{zh_predicate(action, time.aspect)}"
    return question(zh, inverted(action, time.aspect, subject, time.en, front))


@pattern(2)
def which_one(w: World) -> Pair:
    subject = asked(w)
    verb = w.s.word(
        w.verbs(
            lambda v: (
                v.en
                in (
                    "read",
                    "buy",
                    "want",
                    "like",
                    "choose",
                    "watch",
                    "write",
                    "repair",
                    "borrow",
                    "sell",
                    "wear",
                    "visit",
                    "find",
                    "lose",
                    "use",
                    "eat",
                )
            )
        )
    )
    noun = w.s.word([n for n in w.objects_for(verb) if n.countable and n.measure != "-" and n.cls != "person"])
    w.s.note_pair(verb, noun)
    counted = Determiner(w, noun, None).counted(False)
    if is_stative(verb) or w.s.chance(0.3):
        zh = f"{subject.zh}{'最' if is_stative(verb) else '想'}{verb.zh}哪{noun.measure}{noun.zh}"
        do = "does" if subject.agreement.person == 3 and not subject.agreement.plural else "do"
        en = join("which", counted, do, subject.en, f"{verb.en} most" if is_stative(verb) else f"want to {verb.en}")
        return question(zh, en)
    time = time_word(w, "time_past")
    action = Action.of(verb, f"哪{noun.measure}{noun.zh}")
    return question(
        f"{subject.zh}{time.zh}{zh_predicate(action, Aspect.PAST)}",
        inverted(action, Aspect.PAST, subject, time.en, f"which {counted}"),
    )


@pattern(3)
def where_when_why_how(w: World) -> Pair:
    subject = asked(w)
    action = any_action(w, subject, dynamic=True)
    time = time_word(w, "time_past", "time_future")
    word = w.s.choice(("where", "where", "when", "why", "why", "how"))
    if word == "why":
        negative = w.s.chance(0.3)
        zh_why = w.s.variant("为什么", "为何")
        zh = f"{subject.zh}{time.zh}{zh_why}{zh_predicate(action, time.aspect, negative)}"
        en = inverted(action, time.aspect, subject, time.en, "why")
        if negative:
            auxiliary, main = verb_group(action.forms, time.aspect, subject.agreement, support=True)
            en = join("why", auxiliary, subject.en, "not", main, action.en_rest, time.en)
        return question(zh, en)
    if word == "when":
        if time.aspect is Aspect.PAST:
            return question(
                f"{subject.zh}是什么时候{action.zh_plain()}的", inverted(action, Aspect.PAST, subject, front="when")
            )
        return question(
            f"{subject.zh}什么时候会{action.zh_plain()}", inverted(action, Aspect.FUTURE, subject, front="when")
        )
    if word == "where":
        where = w.s.choice(("在哪里", "在哪儿"))
        if time.aspect is Aspect.PAST:
            return question(
                f"{subject.zh}{time.zh}是{where}{action.zh_plain()}的",
                inverted(action, Aspect.PAST, subject, time.en, "where"),
            )
        return question(
            f"{subject.zh}{time.zh}会{where}{action.zh_plain()}",
            inverted(action, Aspect.FUTURE, subject, time.en, "where"),
        )
    return question(
        f"{subject.zh}{time.zh}是怎么{action.zh_plain()}的"
        if time.aspect is Aspect.PAST
        else f"{subject.zh}{time.zh}会怎么{action.zh_plain()}",
        inverted(action, time.aspect, subject, time.en, "how"),
    )


@pattern(2)
def how_many(w: World) -> Pair:
    subject = asked(w)
    verb = w.s.word(
        w.verbs(
            lambda v: (
                v.en
                in (
                    "buy",
                    "sell",
                    "read",
                    "write",
                    "eat",
                    "steal",
                    "repair",
                    "find",
                    "raise",
                    "borrow",
                    "collect",
                    "see",
                    "throw away",
                    "wash",
                )
            )
        )
    )
    noun = w.s.word([n for n in w.objects_for(verb) if n.countable and n.measure != "-" and n.cls != "person"])
    w.s.note_pair(verb, noun)
    time = time_word(w, "time_past")
    many = w.s.choice((f"多少{noun.measure}", f"几{noun.measure}"))
    action = Action.of(verb, many + noun.zh)
    return question(
        f"{subject.zh}{time.zh}{zh_predicate(action, Aspect.PAST)}",
        inverted(action, Aspect.PAST, subject, time.en, f"how many {Determiner(w, noun, None).counted(True)}"),
    )


@pattern(2)
def quality_question(w: World) -> Pair:
    subject = (
        third_person(w)
        if w.s.chance(0.4)
        else definite_phrase(
            w,
            w.s.word([n for n in w.nouns(*SUBJECT_THINGS) if any(a.predicative for a in w.adjectives_for(n))]),
            adjective=0.0,
        )
    )
    adjective = predicate_adjective(w, subject, graded=True)
    verb = be(subject.agreement)
    if w.s.chance(0.3):
        return question(f"{subject.zh}为什么这么{adjective.zh}", join("why", verb, subject.en, "so", adjective.en))
    return question(f"{subject.zh}{adjective.zh}吗", join(verb, subject.en, adjective.en))


@pattern(2)
def where_is(w: World) -> Pair:
    subject = (
        third_person(w)
        if w.s.chance(0.3)
        else definite_phrase(
            w, w.s.word(w.nouns("tool", "document", "building", "clothes", "device", "container", "vehicle", "room"))
        )
    )
    return question(f"{subject.zh}在{w.s.choice(('哪里', '哪儿'))}", join("where", be(subject.agreement), subject.en))


@pattern(1.5)
def whose_or_what(w: World) -> Pair:
    noun = w.s.word(
        [
            n
            for n in w.nouns("tool", "document", "clothes", "vehicle", "container", "animal", "toy", "device")
            if n.countable and n.measure != "-"
        ]
    )
    determiner = Determiner(w, noun, None)
    this = determiner.demonstrative()
    if w.s.chance(0.5):
        return question(f"{this.zh}是谁的", join("whose", "is", this.en).replace("whose is", "whose is"))
    owner = w.s.choice((HE, SHE, THEY, WE, YOU))
    have = determiner.indefinite()
    does = "does" if owner in (HE, SHE) else "do"
    return question(f"{owner.zh}有没有{have.zh}", join(does, owner.en, "have", have.en))


@pattern(1.5)
def tag(w: World) -> Pair:
    subject = asked(w)
    action = transitive(w, subject, lambda v: not is_stative(v))
    time = time_word(w, "time_past", "time_future")
    zh = f"{subject.zh}{time.zh}{zh_predicate(action, time.aspect)}，对吗"
    return question(
        zh,
        join(subject.en, *verb_group(action.forms, time.aspect, subject.agreement), action.en_rest, time.en)
        + ", right",
    )
