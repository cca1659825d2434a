"""Prepositions with whole clauses and reflexives: about, according to, without, during, since, except, oneself."""

from __future__ import annotations

from actions import deliberate, named_action, recent_time, scene_action, time_word, transitive
from clauses import Pair, clause
from english import Agreement, Aspect, join, third_singular
from lexicon import Noun
from phrases import HE, SHE, Determiner, I, NounPhrase, definite_phrase, object_person, person, pronoun_of
from registry import pattern, statement
from sampling import Impossible
from scenes import OCCASIONS, SCENES
from world import World, has_progressive, is_stative

_TELLINGS = (
    ("写了一本关于{}的书", "wrote a book about {}"),
    ("读了一篇关于{}的文章", "read an article about {}"),
    ("看了一部关于{}的电影", "watched a film about {}"),
    ("谈了很多关于{}的事", "talked a lot about {}"),
)


def _subject_matter(w: World, noun: Noun) -> NounPhrase:
    thing = Determiner(w, noun, None)
    if noun.cls in ("subject", "illness") or not noun.countable:
        return thing.generic()
    return thing.demonstrative() if thing.measurable else thing.bare_definite()


@pattern(1)
def about(w: World) -> Pair:
    subject, time = person(w), time_word(w, "time_past")
    what = _subject_matter(w, w.s.word(w.nouns("subject", "event", "place", "nature", "illness")))
    zh, en = w.s.choice(_TELLINGS)
    return statement(f"{subject.zh}{time.zh}{zh.format(what.zh)}", join(subject.en, en.format(what.en), time.en))


_SOURCES = frozenset(["report", "contract", "law", "rule", "plan", "notice", "agreement", "timetable"])


@pattern(1)
def according_to(w: World) -> Pair:
    subject = person(w)
    source = definite_phrase(w, w.s.word([n for n in w.lexicon.nouns if n.en in _SOURCES]), adjective=0.1)
    action = deliberate(w, subject)
    zh, en = w.s.choice((("必须", "must"), ("应该", "should")))
    return statement(
        f"根据{source.zh}，{subject.zh}{zh}{action.zh_plain()}",
        f"according to {source.en}, {subject.en} {en} {action.infinitive()}",
    )


@pattern(1)
def without_help(w: World) -> Pair:
    subject = person(w)
    other = object_person(w, subject)
    if other.pronoun:
        raise Impossible
    told = clause(w.s, subject, scene_action(w, subject, w.s.choice(SCENES)), Aspect.PAST)
    return statement(
        f"没有{other.zh}的帮助，{subject.zh}也{told.zh.removeprefix(subject.zh)}",
        f"without the help of {other.obj}, {told.en} anyway",
    )


@pattern(1.5)
def during(w: World) -> Pair:
    subject = person(w)
    events, actions = w.s.choice(OCCASIONS)
    event = Determiner(w, w.s.word([n for n in w.nouns("event") if n.en in events]), None).bare_definite()
    told = clause(w.s, subject, named_action(w, subject, actions), Aspect.PAST)
    return statement(f"在{event.zh}期间，{told.zh}", f"during {event.en}, {told.en}")


_TURNS = (("毕业", "graduated"), ("退休", "retired"), ("结婚", "got married"), ("搬家", "moved house"))


@pattern(1)
def since(w: World) -> Pair:
    subject = person(w)
    zh, en = w.s.choice(_TURNS)
    action = transitive(w, subject, has_progressive)
    have = "has" if third_singular(subject.agreement) else "have"
    return statement(
        f"自从{zh}以后，{subject.zh}再也没有{action.zh_verb}过{action.zh_object}",
        f"{subject.en} {have} never {action.forms.participle} {action.en_rest} since {pronoun_of(subject, w).en} {en}",
    )


@pattern(1)
def everyone_except(w: World) -> Pair:
    who = object_person(w)
    action = scene_action(w, NounPhrase("大家", "everyone"), w.s.choice(SCENES))
    told = clause(w.s, NounPhrase("大家都", "everyone"), action, Aspect.PAST)
    return statement(f"除了{who.zh}以外，{told.zh}", f"everyone except {who.obj} {told.en.removeprefix('everyone ')}")


_SELVES = (
    (I, "我自己", "{} myself"),
    (HE, "他自己", "{} himself"),
    (SHE, "她自己", "{} herself"),
    (NounPhrase("你们", "you all", Agreement(2, True), pronoun=True, en_owner="your"), "你们", "{}"),
)


@pattern(3)
def oneself(w: World) -> Pair:
    subject, zh, en = w.s.choice(_SELVES)
    action = transitive(w, subject, lambda v: not is_stative(v) and "person" not in v.objects)
    time = recent_time(w)
    told = en.format(join(subject.en, action.forms.past, action.en_object))
    return statement(f"{time.zh}{zh}{action.zh_verb}了{action.zh_object}", f"{told} {time.en}")


_MUTUAL = frozenset(["help", "love", "trust", "respect", "know", "encourage", "understand", "criticize", "forgive"])


@pattern(2)
def each_other(w: World) -> Pair:
    verb = w.s.word([v for v in w.lexicon.verbs if v.en in _MUTUAL])
    who, time = w.s.choice((("他们", "they"), ("我们", "we"), ("这些朋友", "these friends"))), recent_time(w)
    if w.s.chance(0.5) and not is_stative(verb):
        return statement(f"{who[0]}{time.zh}彼此{verb.zh}", f"{who[1]} {verb.past} each other {time.en}")
    return statement(f"{who[0]}总是彼此{verb.zh}", f"{who[1]} always {verb.en} each other")
