"""Connectives with clauses on both sides: unless, even if, as soon as, therefore, not only, while ..."""

from __future__ import annotations

from dataclasses import replace

from actions import named_action, recent_time, scene_action, time_word
from clauses import Pair, clause
from descriptions import be
from english import Aspect, join, third_singular
from phrases import object_person, person, pronoun_of, third_person
from reasons import OBSTACLES, WISHED, in_state
from registry import pattern, statement
from scenes import BENEFITS, OUTDOORS, SCENES, STATES
from world import World, has_progressive


@pattern(2)
def unless(w: World) -> Pair:
    subject = person(w)
    zh, en = w.s.choice(WISHED[:2])
    result = clause(w.s, subject, named_action(w, subject, OUTDOORS), Aspect.FUTURE, negative=True)
    return statement(f"除非{zh}，否则{result.zh}", f"{result.en} unless {en}")


@pattern(2)
def even_if(w: World) -> Pair:
    subject = person(w)
    zh, en = w.s.choice(OBSTACLES)
    action = named_action(w, subject, OUTDOORS)
    return statement(
        f"即使{zh}，{subject.zh}也会{action.zh_plain()}", f"even if {en}, {subject.en} will still {action.infinitive()}"
    )


_BEGINNINGS = ("arrive", "come back", "wake up", "get up", "graduate", "retire", "sit down")


@pattern(1.5)
def as_soon_as(w: World) -> Pair:
    subject = person(w)
    back = pronoun_of(subject, w)
    verb = w.s.word([v for v in w.lexicon.verbs if v.en in _BEGINNINGS])
    action = scene_action(w, back, w.s.choice(SCENES))
    verb_en = verb.third if third_singular(subject.agreement) else verb.en
    return statement(
        f"{subject.zh}一{verb.zh}就会{action.zh_plain()}",
        f"{subject.en} will {action.infinitive()} as soon as {back.en} {verb_en}",
    )


@pattern(2.5)
def therefore_or_however(w: World) -> Pair:
    subject = person(w)
    back = pronoun_of(subject, w)
    adjective, zh_degree, en_degree = in_state(w, subject)
    time = recent_time(w)
    therefore = w.s.chance(0.5)
    action = named_action(w, back, STATES[adjective.en][1])
    result = clause(w.s, back, action, Aspect.PAST, negative=therefore)
    zh_word, en_word = ("因此", "therefore") if therefore else ("然而", "however")
    return statement(
        f"{subject.zh}{time.zh}{zh_degree}，{zh_word}{result.zh}",
        f"{subject.en} {be(subject.agreement, True)} {en_degree} {time.en}; {en_word}, {result.en}",
    )


@pattern(1.5)
def so_that(w: World) -> Pair:
    subject = person(w)
    other = object_person(w, subject)
    cause = w.s.choice(tuple(BENEFITS))
    told = clause(
        w.s, subject, named_action(w, subject, (cause,)), Aspect.PAST, time=time_word(w, "time_past"), embedded=True
    )
    goal = named_action(w, other, BENEFITS[cause])
    return statement(
        f"{told.zh}，以便{other.zh}能{goal.zh_plain()}", f"{told.en} so that {other.en} could {goal.infinitive()}"
    )


@pattern(1)
def waiting(w: World) -> Pair:
    subject, other = person(w), third_person(w)
    come = "comes" if third_singular(other.agreement) else "come"
    return statement(f"{subject.zh}会一直等到{other.zh}回来", f"{subject.en} will wait until {other.en} {come} back")


@pattern(2)
def not_only(w: World) -> Pair:
    subject = person(w)
    scene = w.s.choice(SCENES)
    first, second = scene_action(w, subject, scene), scene_action(w, subject, scene)
    told = clause(w.s, replace(subject, zh=""), first, Aspect.PAST)
    more = clause(w.s, replace(subject, zh=""), second, Aspect.PAST)
    return statement(
        f"{subject.zh}不但{told.zh}，而且{more.zh}",
        join(subject.en, "not only", first.forms.past, first.en_rest)
        + join(", but also", second.forms.past, second.en_rest),
    )


@pattern(2)
def meanwhile(w: World) -> Pair:
    subject, other = person(w), third_person(w)
    scene = tuple(a for a in w.s.choice(SCENES) if has_progressive(w.verb(a.partition(":")[0])))
    left = clause(w.s, subject, scene_action(w, subject, scene), Aspect.PROGRESSIVE)
    right = clause(w.s, other, scene_action(w, other, scene), Aspect.PROGRESSIVE)
    return statement(f"{left.zh}，与此同时{right.zh}", f"{left.en} while {right.en}")
