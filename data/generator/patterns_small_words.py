"""Numbers, nationalities, machines and small words such as 或者, 它的, 直到."""

from __future__ import annotations

from actions import Situation, place_of, scene_action, time_word
from clauses import Action, Pair
from descriptions import be
from english import Aspect, join, third_singular
from patterns_events import said
from phrases import (
    HE,
    SHE,
    WE,
    YOU,
    Determiner,
    common_people,
    definite_phrase,
    object_phrase,
    person,
    singular_person,
)
from registry import pattern, statement
from sampling import Impossible
from scenes import SCENES
from wordgroups import CYCLES, PETS, ROAD, SWITCHED
from world import World


@pattern(1.5)
def ordinals(w: World) -> Pair:
    number = w.s.word([f for f in w.lexicon.function if f.kind == "ordinal"])
    nouns = w.nouns("document", "art", "building", "vehicle")
    noun = w.s.word([n for n in nouns if n.countable and n.measure != "-"])
    owner, time = w.s.choice((HE, SHE, WE, YOU)), time_word(w, "time_past")
    counted = f"{number.zh}{noun.measure}{noun.zh}"
    if noun.cls in ("document", "art"):
        return statement(f"这是{owner.zh}的{counted}", f"this is {owner.en_owner} {number.en} {noun.en}")
    return statement(f"{owner.zh}{time.zh}看见了{counted}", join(owner.en, "saw the", number.en, noun.en, time.en))


@pattern(5.5)
def numbers(w: World) -> Pair:
    number = w.s.word([f for f in w.lexicon.function if f.kind == "number" and f.en != "one"])
    zh = "两" if number.zh == "二" else number.zh
    kind, classes, places = w.s.choice(
        (
            ("people", (), ("city", "building", "room")),
            ("animals", ("animal",), ("farm",)),
            ("things", ("furniture", "device"), ("room",)),
            ("vehicles", ("vehicle",), ("street",)),
        )
    )
    nouns = common_people(w) if kind == "people" else w.nouns(*classes)
    noun = w.s.word(
        [
            n
            for n in nouns
            if n.countable
            and n.measure != "-"
            and Determiner(w, n, None).unit is None
            and (n.cls != "vehicle" or n.en in ROAD | CYCLES)
        ]
    )
    counted_zh, counted_en = f"{zh}{noun.measure}{noun.zh}", f"{number.en} {noun.plural}"
    zh_place, en_place = place_of(w, *places)
    if w.s.chance(0.5):
        return statement(f"{zh_place}有{counted_zh}", join("there are", counted_en, en_place))
    subject, time = person(w), time_word(w, "time_past")
    return statement(
        f"{subject.zh}{time.zh}在{zh_place}看见了{counted_zh}", join(subject.en, "saw", counted_en, en_place, time.en)
    )


_NATIONAL = frozenset(
    [
        "film",
        "song",
        "novel",
        "opera",
        "dance",
        "dish",
        "wine",
        "beer",
        "music",
        "painting",
        "newspaper",
        "magazine",
        "cheese",
        "coffee",
    ]
)


@pattern(14)
def national_things(w: World) -> Pair:
    nationality = w.s.word(w.names("nationality"))
    if w.s.chance(0.4):
        who = singular_person(w)
        return statement(
            f"{who.zh}是{nationality.zh.removesuffix('的')}人", join(who.en, be(who.agreement), nationality.en)
        )
    subject = person(w)
    noun = w.s.word([n for n in w.nouns("art", "food", "drink", "document") if n.en in _NATIONAL])
    things = noun.plural if noun.countable else noun.en
    like = "likes" if third_singular(subject.agreement) else "like"
    return statement(f"{subject.zh}喜欢{nationality.zh}{noun.zh}", join(subject.en, like, nationality.en, things))


@pattern(3)
def things_happen(w: World) -> Pair:
    """Events, organizations, vehicles and feelings as subjects of intransitive verbs."""
    classes = ("event", "organization", "vehicle", "feeling")
    verb = w.s.word(w.verbs(lambda v: not v.objects and bool(v.subjects & set(classes))))
    cls = w.s.choice([c for c in classes if c in verb.subjects])
    subject = definite_phrase(w, w.s.word(w.nouns(cls)), adjective=0.3)
    if cls == "feeling":
        return statement(f"{subject.zh}逐渐消失了", join(subject.en, "gradually disappeared"))
    return said(w, subject, Action.of(verb), Situation(Aspect.PAST, False, time_word(w, "time_past")))


@pattern(1)
def machines_act(w: World) -> Pair:
    device = definite_phrase(w, w.s.word([n for n in w.nouns("device") if n.en in SWITCHED]), adjective=0.2)
    time = time_word(w, "time_past")
    zh, en = w.s.choice((("自动开启了", "turned on automatically"), ("自动关掉了", "turned off automatically")))
    return statement(f"{device.zh}{time.zh}{zh}", join(device.en, en, time.en))


@pattern(1)
def collision(w: World) -> Pair:
    verb = w.verb("hit")
    subject = definite_phrase(w, w.s.word([n for n in w.nouns("vehicle") if n.en in ROAD]), adjective=0.3)
    w.s.words.append(verb.key)
    noun = w.s.word(w.objects_for(verb))
    w.s.note_pair(verb, noun)
    thing = definite_phrase(w, noun) if noun.cls == "person" else object_phrase(w, noun)
    state = Situation(Aspect.PAST, False, time_word(w, "time_past"))
    return said(w, subject, Action.of(verb, thing.zh, thing.obj), state)


@pattern(1)
def either_or(w: World) -> Pair:
    subject, scene = person(w), w.s.choice(SCENES)
    first, second = scene_action(w, subject, scene), scene_action(w, subject, scene)
    return statement(
        f"{subject.zh}可以{first.zh_plain()}，或者{second.zh_plain()}",
        f"{subject.en} can {first.infinitive()} or {second.infinitive()}",
    )


_TOUCHED = frozenset(["tail", "wing", "feather", "leg", "foot", "ear"])


@pattern(0.8)
def of_its_own(w: World) -> Pair:
    animal = definite_phrase(w, w.s.word([n for n in w.nouns("animal") if n.en in PETS]), adjective=0.2)
    if animal.agreement.plural:
        raise Impossible
    time = time_word(w, "time_past")
    thing = w.s.word([n for n in w.nouns("toy", "body") if n.countable and (n.cls == "toy" or n.en in _TOUCHED)])
    zh, en = w.s.choice((("看了看", "looked at"), ("碰了碰", "touched"), ("舔了舔", "licked")))
    return statement(f"{animal.zh}{time.zh}{zh}它的{thing.zh}", join(animal.en, en, "its", thing.en, time.en))


@pattern(1)
def not_until(w: World) -> Pair:
    subject, time = person(w), time_word(w, "time_past")
    action = scene_action(w, subject, w.s.choice(SCENES))
    return statement(
        f"{subject.zh}直到{time.zh}才{action.zh_plain()}",
        join(subject.en, "did not", action.infinitive(), "until", time.en),
    )


@pattern(0.7)
def nothing_inside(w: World) -> Pair:
    thing = definite_phrase(w, w.s.word(w.nouns("container", "room")), adjective=0.3)
    return statement(f"{thing.zh}里什么都没有", join("there is nothing in", thing.en))


@pattern(0.7)
def complete_understanding(w: World) -> Pair:
    subject, verb = person(w), w.verb("understand")
    noun = w.s.word(w.objects_for(verb))
    w.s.note_pair(verb, noun)
    thing = definite_phrase(w, noun, adjective=0.1)
    verb_en = "understands" if third_singular(subject.agreement) else "understand"
    return statement(f"{subject.zh}完全理解{thing.zh}", join(subject.en, "completely", verb_en, thing.obj))
