"""Constructions of their own: 把, 被, two objects, requests, commands, journeys."""

from __future__ import annotations

from dataclasses import replace

from actions import (
    Situation,
    deliberate,
    frame_verbs,
    named_action,
    placed,
    recent_time,
    time_word,
    with_manner,
)
from clauses import Action, Pair, clause
from english import Aspect, VerbForms, be_past, join, third_singular
from lexicon import Noun, Verb
from patterns_events import said
from phrases import (
    WE,
    YOU,
    definite_phrase,
    object_person,
    object_phrase,
    owner_of,
    person,
)
from registry import pattern, statement
from scenes import FREE_TIME, SCENES
from wordlists import DISPOSAL, NUMBERS, PASSIVE
from world import World, by_person


def _past_or_future(w: World) -> Situation:
    if w.s.chance(0.25):
        return Situation(Aspect.FUTURE, False, time_word(w, "time_future"))
    return Situation(Aspect.PAST, w.s.chance(0.12), recent_time(w) if w.s.chance(0.6) else None)


@pattern(5)
def disposal(w: World) -> Pair:
    """把 fronts a definite object: 他把门锁上了."""
    subject = person(w)
    verb = w.s.word([v for v in w.lexicon.verbs if v.en in DISPOSAL and by_person(v)])
    noun = w.s.word([n for n in w.objects_for(verb) if n.cls not in ("person", "idea")])
    w.s.note_pair(verb, noun)
    thing = definite_phrase(w, noun, owner=owner_of(subject, w))
    done = PASSIVE.get(verb.en) or BA_RESULTS.get(verb.en, verb.zh)
    time = recent_time(w)
    action = Action(VerbForms.of(verb), done, "", thing.obj, f"把{thing.zh}")
    told = clause(w.s, subject, action, Aspect.PAST, negative=w.s.chance(0.12), time=time if w.s.chance(0.6) else None)
    return statement(told.zh, told.en)


BA_RESULTS = {
    "eat": "吃光",
    "clean": "打扫干净",
    "wash": "洗干净",
    "wipe": "擦干净",
    "fold": "叠好",
    "paint": "粉刷好",
    "edit": "编辑好",
    "rent": "租出去",
    "hide": "藏起来",
    "pick up": "捡起来",
    "lift": "举起来",
    "finish": "做完",
    "move": "搬走",
}


@pattern(6)
def passive(w: World) -> Pair:
    verb = w.s.word([v for v in w.lexicon.verbs if v.en in PASSIVE and takes_person_or_group(v)])
    noun = w.s.word([n for n in w.objects_for(verb) if n.cls != "feeling"])
    w.s.note_pair(verb, noun)
    thing = definite_phrase(w, noun, adjective=0.15)
    agent = object_person(w, thing)
    time = recent_time(w) if w.s.chance(0.6) else None
    zh_time, en_time = (time.zh, time.en) if time else ("", "")
    was = be_past(thing.agreement)
    if w.s.chance(0.15):
        return statement(
            f"{thing.zh}{zh_time}没有被{PASSIVE[verb.en]}", join(thing.en, was, "not", verb.participle, en_time)
        )
    own = agent.pronoun and agent.en_owner in thing.en.split()
    by, en_by = ("", "") if own or w.s.chance(0.35) else (agent.zh, f"by {agent.obj}")
    return statement(
        f"{thing.zh}{zh_time}被{by}{PASSIVE[verb.en]}了", join(thing.en, was, verb.participle, en_by, en_time)
    )


def takes_person_or_group(verb: Verb) -> bool:
    return bool({"person", "organization"} & verb.subjects)


# English verb -> how Chinese arranges recipient (P) and thing (after 了).
GIVING = {
    "give": ("", "给"),
    "send": ("给{}", "寄"),
    "show": ("给{}", "出示"),
    "lend": ("", "借给"),
    "pass": ("", "递给"),
    "bring": ("给{}", "带"),
    "return": ("", "还给"),
    "offer": ("为{}", "提供"),
}


@pattern(5)
def transfer(w: World) -> Pair:
    verb = w.s.word([v for v in w.lexicon.verbs if v.en in GIVING and any(o.startswith("person+") for o in v.objects)])
    subject = person(w)
    receiver = object_person(w, subject)
    noun = w.s.word(_transferred(w, verb))
    w.s.note_pair(verb, noun)
    thing = object_phrase(w, noun, subject)
    before, zh_verb = GIVING[verb.en]
    en = f"{thing.obj} to {receiver.obj}" if verb.en == "return" or w.s.chance(0.3) else f"{receiver.obj} {thing.obj}"
    if verb.en == "bring":
        en = f"{receiver.obj} {thing.obj}"
    after = receiver.zh if not before else ""
    action = Action(VerbForms.of(verb), zh_verb + after, thing.zh, en, before.format(receiver.zh), verb=None)
    return said(w, subject, action, _past_or_future(w))


def _transferred(w: World, verb: Verb) -> list[Noun]:
    classes = tuple(o.removeprefix("person+") for o in verb.objects if o.startswith("person+"))
    return w.objects_for(replace(verb, objects=classes))


@pattern(4)
def request(w: World) -> Pair:
    """Asking, telling or allowing somebody to do something."""
    subject = person(w)
    verb = w.s.word([v for v in frame_verbs(w, "person+infinitive")])
    other = object_person(w, subject)
    action = deliberate(w, other)
    to = "" if verb.en == "let" else "to "
    whole = Action(
        VerbForms.of(verb),
        verb.zh,
        other.zh + action.zh_plain(),
        f"{other.obj} {to}{action.infinitive()}",
        verb=verb,
        takes_le=False,
    )
    return said(w, subject, whole, Situation(Aspect.PAST, w.s.chance(0.15), recent_time(w)))


@pattern(2)
def helping(w: World) -> Pair:
    subject = person(w)
    other = object_person(w, subject)
    action = deliberate(w, other)
    verb = VerbForms("help", "helped", "helped", "helping", "helps")
    whole = Action(verb, "帮", other.zh + action.zh_plain(), f"{other.obj} {action.infinitive()}", takes_le=False)
    if w.s.chance(0.4):
        habitual = replace(whole, zh_adverb="经常", en_middle="often")
        return said(w, subject, habitual, Situation(Aspect.PRESENT))
    return said(w, subject, whole, Situation(Aspect.PAST, False, time_word(w, "time_past")))


@pattern(4)
def command(w: World) -> Pair:
    action = placed(w, deliberate(w, YOU), 0.2)
    if w.s.chance(0.4):
        ban = w.s.choice((("别", "do not"), ("不要", "do not"), ("别", "don't")))
        return statement(f"{ban[0]}{action.zh_plain()}", f"{ban[1]} {action.infinitive()}")
    action = with_manner(w, action, 0.2)
    return statement(f"请{action.zh_plain()}", f"please {action.infinitive()}")


@pattern(2)
def proposal(w: World) -> Pair:
    action = placed(w, deliberate(w, WE), 0.25)
    time = time_word(w, "time_future") if w.s.chance(0.4) else None
    return statement(
        f"{'' if w.s.chance(0.2) else '我们'}{time.zh if time else ''}{action.zh_plain()}吧",
        join("let us" if w.s.chance(0.15) else "let's", action.infinitive(), time.en if time else ""),
    )


@pattern(3)
def liking_to(w: World) -> Pair:
    subject = person(w)
    action = placed(w, named_action(w, subject, FREE_TIME + w.s.choice(SCENES), generic=True), 0.3)
    zh, forms = w.s.choice((("喜欢", ("like", "likes")), ("爱", ("love", "loves")), ("讨厌", ("hate", "hates"))))
    en = forms[third_singular(subject.agreement)]
    if w.s.chance(0.2) and zh == "喜欢":
        do = "does" if third_singular(subject.agreement) else "do"
        return statement(f"{subject.zh}不喜欢{action.zh_plain()}", join(subject.en, do, "not like", action.gerund()))
    return statement(
        f"{subject.zh}{zh}{action.zh_plain()}",
        join(subject.en, en, w.s.variant(action.gerund(), f"to {action.infinitive()}")),
    )


@pattern(2)
def duration(w: World) -> Pair:
    subject = person(w)
    verb = w.s.word([v for v in w.lexicon.verbs if v.en in LASTING])
    zh_number, en_number = w.s.choice(NUMBERS)
    zh_unit, en_unit = w.s.choice(
        (
            ("个小时", "hours"),
            ("天", "days"),
            ("年", "years"),
            ("个月", "months"),
            ("个星期", "weeks"),
            ("分钟", "minutes"),
        )
    )
    action = Action(
        VerbForms.of(verb),
        LASTING[verb.en],
        f"了{zh_number}{zh_unit}",
        f"for {en_number} {en_unit}",
        verb=verb,
        takes_le=False,
    )
    return said(
        w,
        subject,
        placed(w, action, 0.5),
        Situation(Aspect.PAST, False, time_word(w, "time_past") if w.s.chance(0.3) else None),
    )


LASTING = {
    "sleep": "睡",
    "wait": "等待",
    "work": "工作",
    "rest": "休息",
    "travel": "旅行",
    "live": "生活",
    "dance": "跳舞跳",
    "chat": "聊",
    "exercise": "锻炼",
    "swim": "游",
    "run": "跑",
    "walk": "散步散",
}
