"""Adverbial clauses: because, although, if, when, before, in order to; and coordination with but."""

from __future__ import annotations

from dataclasses import replace

from actions import named_action, placed, plain, recent_time, scene_action, time_word, transitive, with_object
from clauses import Pair, clause
from descriptions import be, degree
from english import Aspect, join, third_singular
from lexicon import Noun, Verb
from phrases import (
    WE,
    I,
    NounPhrase,
    definite_phrase,
    known_thing,
    named,
    object_phrase,
    owner_of,
    person,
    pronoun_of,
    singular_person,
    third_person,
)
from reasons import OBSTACLES, WISHED, acting_on_it, in_state, quality_and_deed, with_trait
from registry import pattern, statement
from sampling import Impossible
from scenes import FOLLOW_UPS, FREE_TIME, INDOORS, OUTDOORS, PURPOSES, SCENES, STATES, TRAITS
from world import World, has_progressive, is_stative


@pattern(6)
def because_of_state(w: World) -> Pair:
    subject, time = person(w), recent_time(w)
    back = pronoun_of(subject, w)
    adjective, zh_degree, en_degree = in_state(w, subject)
    negative = w.s.chance(0.6)
    action = named_action(w, back, STATES[adjective.en][negative])
    result = clause(w.s, back, action, Aspect.PAST, negative=negative)
    cause_en = join(subject.en, be(subject.agreement, True), en_degree, time.en)
    zh = f"因为{subject.zh}{time.zh}{zh_degree}，所以{result.zh}"
    if w.s.chance(0.3):
        return statement(zh, f"{cause_en}, so {result.en}")
    return statement(zh, f"because {cause_en}, {result.en}")


@pattern(5)
def because_of_thing(w: World) -> Pair:
    negative, concession = w.s.chance(0.5), w.s.chance(0.4)
    adjective, verb, noun = quality_and_deed(w, negative == concession)
    subject = person(w)
    thing = known_thing(w, noun)
    zh_degree, en_degree = degree(w, adjective)
    action = acting_on_it(verb, thing.agreement.plural)
    told = clause(w.s, subject, action, Aspect.PAST, negative=negative, time=recent_time(w), embedded=True)
    cause = join(thing.en, be(thing.agreement, True), en_degree)
    if concession:
        but = w.s.variant("但是", "可是")
        return statement(f"虽然{thing.zh}{zh_degree}，{but}{told.zh}", f"although {cause}, {told.en}")
    return statement(f"{told.zh}，因为{thing.zh}{zh_degree}", f"{told.en} because {cause}")


@pattern(4)
def trait_and_habit(w: World) -> Pair:
    """因为他很大方，所以他经常帮助别人; 虽然他很懒惰，但是他经常打扫房间."""
    subject = person(w)
    back = pronoun_of(subject, w)
    adjective, zh_degree, en_degree = with_trait(w, subject)
    contrary = w.s.chance(0.5)
    action = named_action(w, back, TRAITS[adjective.en][contrary], generic=True)
    told = clause(w.s, back, replace(action, zh_adverb="经常", en_middle="often"), Aspect.PRESENT)
    quality = join(subject.en, be(subject.agreement), en_degree)
    if contrary:
        but = w.s.variant("但是", "不过", "可是")
        return statement(f"虽然{subject.zh}{zh_degree}，{but}{told.zh}", f"although {quality}, {told.en}")
    return statement(f"因为{subject.zh}{zh_degree}，所以{told.zh}", f"because {quality}, {told.en}")


@pattern(3)
def although_in_state(w: World) -> Pair:
    subject, time = person(w), recent_time(w)
    back = pronoun_of(subject, w)
    adjective, zh_degree, en_degree = in_state(w, subject)
    action = named_action(w, back, STATES[adjective.en][1])
    told = clause(w.s, back, replace(action, zh_adverb="还是", en_middle="still"), Aspect.PAST)
    but = w.s.variant("但是", "不过", "可是")
    return statement(
        f"虽然{subject.zh}{time.zh}{zh_degree}，{but}{told.zh}",
        f"although {subject.en} {be(subject.agreement, True)} {en_degree} {time.en}, {told.en}",
    )


@pattern(4)
def if_weather(w: World) -> Pair:
    subject, time = person(w), time_word(w, "time_future")
    kind = w.s.choice(("obstacle", "wish", "leisure"))
    if kind == "leisure":
        zh, en = WISHED[1]
        action, negative = named_action(w, subject, FREE_TIME), False
    else:
        zh, en = w.s.choice(OBSTACLES if kind == "obstacle" else (WISHED[0], WISHED[2]))
        negative = kind == "obstacle" and w.s.chance(0.6)
        indoors = kind == "obstacle" and not negative
        action = named_action(w, subject, INDOORS if indoors else OUTDOORS)
    will, en_will = ("就不会", "will not") if negative else ("就会", "will")
    return statement(
        f"{w.s.variant('如果', '要是')}{time.zh}{zh}，{subject.zh}{will}{action.zh_plain()}",
        f"if {en} {time.en}, {subject.en} {en_will} {action.infinitive()}",
    )


def _linked(w: World, subject: NounPhrase) -> tuple[Verb, Verb, Noun, NounPhrase]:
    """A deed, the deed that follows it, and the thing both are done to."""
    first_name, second_name = w.s.choice(FOLLOW_UPS)
    name, _, cls = first_name.partition(":")
    first, second = w.verb(name), w.verb(second_name)
    shared = set(w.objects_for(second))
    noun = w.s.word([n for n in w.objects_for(first) if n in shared and (not cls or n.cls == cls)])
    for verb in (first, second):
        w.s.words.append(verb.key)
        w.s.note_pair(verb, noun)
    return first, second, noun, object_phrase(w, noun, subject, adjective=0.2)


@pattern(4)
def if_somebody(w: World) -> Pair:
    """如果汤姆写一本小说，我就会读它."""
    other = third_person(w)
    subject = w.s.choice((I, WE)) if w.s.chance(0.6) else other
    back = subject if subject is not other else pronoun_of(other, w)
    first, second, _, thing = _linked(w, other)
    zh_if = w.s.variant("如果", "要是")
    condition = clause(w.s, other, with_object(first, thing), Aspect.PRESENT)
    action = acting_on_it(second, thing.agreement.plural)
    return statement(
        f"{zh_if}{condition.zh}，{back.zh}就会{action.zh_plain()}",
        f"if {condition.en}, {back.en} will {action.infinitive()}",
    )


@pattern(5)
def one_after_another(w: World) -> Pair:
    """Two deeds on the same thing: 他先买了一件衬衫，然后试穿了它."""
    subject, time = person(w), time_word(w, "time_past")
    first, second, _, thing = _linked(w, subject)
    told = clause(w.s, replace(subject, zh=""), with_object(first, thing), Aspect.PAST)
    it = acting_on_it(second, thing.agreement.plural)
    later = clause(w.s, replace(subject, zh=""), it, Aspect.PAST)
    return statement(
        f"{subject.zh}{time.zh}先{told.zh}，然后{later.zh}",
        f"{time.en}, {told.en} first and then {it.forms.past} {it.en_rest}",
    )


@pattern(3)
def if_wanting(w: World) -> Pair:
    subject = person(w)
    back = pronoun_of(subject, w)
    goal = w.s.choice(tuple(PURPOSES))
    wished, needed = named_action(w, subject, (goal,)), named_action(w, back, PURPOSES[goal])
    wish = "wants" if third_singular(subject.agreement) else "want"
    zh_must, en_must = w.s.choice((("就必须先", "must first"), ("就应该先", "should first")))
    return statement(
        f"如果{subject.zh}想{wished.zh_plain()}，{zh_must}{needed.zh_plain()}",
        f"if {subject.en} {wish} to {wished.infinitive()}, {back.en} {en_must} {needed.infinitive()}",
    )


_ENTRANCES = ("arrive", "come back", "wake up", "get up", "set off")


@pattern(4)
def while_doing(w: World) -> Pair:
    """当我回来的时候，她正在做饭: one person comes upon what another is doing."""
    first, time = person(w), time_word(w, "time_past")
    second = third_person(w)
    if second.zh == first.zh:
        raise Impossible
    if w.s.chance(0.6):
        verb = w.s.word([v for v in w.lexicon.verbs if v.en in _ENTRANCES])
        action = plain(verb)
    else:
        room = w.s.word(w.nouns("room"))
        w.s.note_pair(w.verb("enter"), room)
        action = with_object(w.verb("enter"), definite_phrase(w, room, adjective=0.3, owner=owner_of(first, w)))
    doing = scene_action(
        w, second, tuple(a for a in w.s.choice(SCENES) if has_progressive(w.verb(a.partition(":")[0])))
    )
    busy = placed(w, doing, 0.2 if action.zh_object == "" else 0.0)
    background = clause(w.s, second, busy, Aspect.PAST_PROGRESSIVE)
    zh = f"{time.zh}{w.s.variant('', '当')}{first.zh}{action.zh_plain()}的时候，{background.zh}"
    en_when = clause(w.s, first, action, Aspect.PAST).en
    if w.s.chance(0.3):
        return statement(zh, f"{background.en} when {en_when} {time.en}")
    return statement(zh, f"when {en_when} {time.en}, {background.en}")


@pattern(2)
def childhood(w: World) -> Pair:
    subject = singular_person(w)
    back = pronoun_of(subject, w)
    action = scene_action(w, back, w.s.choice((SCENES[1], SCENES[3])), generic=True)
    often = join(back.en, "often", action.forms.past, action.en_rest)
    child = join(subject.en, be(subject.agreement, True), "a child")
    zh = f"{subject.zh}小时候常常{action.zh_plain()}"
    return statement(zh, f"{often} when {child}" if subject.pronoun else f"when {child}, {often}")


@pattern(4)
def before_or_after(w: World) -> Pair:
    subject, time = person(w), time_word(w, "time_past")
    scene = w.s.choice(SCENES)
    first, second = scene_action(w, subject, scene), scene_action(w, subject, scene)
    zh_join, en_join = w.s.choice((("以后", "after"), ("之前", "before"), ("之后", "after"), ("以前", "before")))
    told = clause(w.s, subject, second, Aspect.PAST)
    zh = f"{subject.zh}{time.zh}在{first.zh_plain()}{zh_join}{told.zh.removeprefix(subject.zh)}"
    if w.s.chance(0.5):
        return statement(zh, f"{en_join} {first.gerund()}, {told.en} {time.en}")
    return statement(zh, f"{time.en}, {told.en} {en_join} {first.gerund()}")


@pattern(3)
def in_order_to(w: World) -> Pair:
    subject = person(w)
    name = w.s.choice(tuple(PURPOSES))
    goal, means = named_action(w, subject, (name,)), named_action(w, subject, PURPOSES[name])
    told = clause(w.s, subject, means, Aspect.PAST, time=time_word(w, "time_past"), embedded=True)
    en = w.s.variant("in order to", "to")
    return statement(f"为了{goal.zh_plain()}，{told.zh}", f"{en} {goal.infinitive()}, {told.en}")


@pattern(2)
def at_the_same_time(w: World) -> Pair:
    subject = person(w)
    listening = w.s.choice((("listen to:art",), ("chat",), ("smile",), ("drink",), ("watch:art",), ("eat",)))
    busy = ("iron", "fold", "wipe", "cook", "wash:clothes", "draw", "clean:room", "mend", "sweep", "wait", "pack")
    first, second = named_action(w, subject, busy), named_action(w, subject, listening)
    return statement(
        f"{subject.zh}正在一边{first.zh_plain()}，一边{second.zh_plain()}",
        f"{subject.en} {be(subject.agreement)} {first.gerund()} while {second.gerund()}",
    )


@pattern(2)
def will_do_both(w: World) -> Pair:
    subject, time, scene = person(w), time_word(w, "time_future"), w.s.choice(SCENES)
    first, second = scene_action(w, subject, scene), scene_action(w, subject, scene)
    return statement(
        f"{subject.zh}{time.zh}会{first.zh_plain()}，还会{second.zh_plain()}",
        f"{subject.en} will {first.infinitive()} and {second.infinitive()} {time.en}",
    )


@pattern(4)
def contrast(w: World) -> Pair:
    first, second = person(w), third_person(w)
    if first.zh == second.zh:
        second = named(w)
    but = w.s.variant("但是", "不过", "可是")
    if w.s.chance(0.4):
        likes = transitive(w, first, is_stative, generic=True)
        left = clause(w.s, first, likes, Aspect.PRESENT)
        right = clause(w.s, second, transitive(w, second, is_stative, generic=True), Aspect.PRESENT)
        return statement(f"{left.zh}，{but}{right.zh}", f"{left.en}, but {right.en}")
    verb = w.verb(w.s.choice(w.s.choice(SCENES)).partition(":")[0])
    noun = w.s.word([n for n in w.objects_for(verb) if n.cls != "person"])
    w.s.words.append(verb.key)
    w.s.note_pair(verb, noun)
    thing = object_phrase(w, noun, first)
    left = clause(w.s, first, with_object(verb, thing), Aspect.PAST, time=recent_time(w), embedded=True)
    right = clause(w.s, second, acting_on_it(verb, thing.agreement.plural), Aspect.PAST, negative=True)
    return statement(f"{left.zh}，{but}{right.zh}", f"{left.en}, but {right.en}")
