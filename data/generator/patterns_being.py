"""Who and what there is and where: identity, existence, possession, location, parts of the body."""

from __future__ import annotations

from actions import (
    place_of,
    special_time,
)
from clauses import Pair
from descriptions import be
from english import join, third_singular
from people import ONLY_MEN, ONLY_WOMEN
from phrases import (
    Determiner,
    adjective_for,
    common_people,
    definite_phrase,
    person,
    singular_person,
    third_person,
)
from registry import pattern, statement
from wordgroups import CYCLES, FLYERS, ROAD
from wordlists import ANIMAL_BODY, PAINFUL_BODY
from world import World


@pattern(3)
def identity(w: World) -> Pair:
    """X 是一个 N: people and what they are."""
    subject = singular_person(w)
    female = w.is_female(subject.noun, subject.zh) if not subject.pronoun else {"他": False, "她": True}.get(subject.zh)
    contrary = {True: ONLY_MEN, False: ONLY_WOMEN, None: ONLY_MEN | ONLY_WOMEN}[female]
    noun = w.s.word([n for n in common_people(w) if n.en not in NOT_AN_IDENTITY | contrary and n != subject.noun])
    what = Determiner(w, noun, adjective_for(w, noun, 0.45)).indefinite()
    if w.s.chance(0.15):
        return statement(f"{subject.zh}不是{what.zh}", join(subject.en, be(subject.agreement), "not", what.en))
    if w.s.chance(0.25):
        return statement(f"{subject.zh}以前是{what.zh}", join(subject.en, "used to be", what.en))
    return statement(f"{subject.zh}是{what.zh}", join(subject.en, be(subject.agreement), what.en))


NOT_AN_IDENTITY = frozenset(
    [
        "father",
        "mother",
        "son",
        "daughter",
        "brother",
        "sister",
        "grandfather",
        "grandmother",
        "uncle",
        "aunt",
        "nephew",
        "husband",
        "wife",
        "friend",
        "classmate",
        "colleague",
        "neighbor",
        "baby",
        "bride",
        "bridegroom",
        "enemy",
    ]
)


_SCENERY = (
    (("person",), ("city", "building", "room", "street")),
    (("furniture", "container", "device"), ("room",)),
    (("animal",), ("farm",)),
    (("plant",), ("farm",)),
    (("vehicle",), ("street",)),
)


@pattern(4)
def existence(w: World) -> Pair:
    classes, places = w.s.choice(_SCENERY)
    zh_place, en_place = place_of(w, *places)
    nouns = common_people(w) if classes == ("person",) else w.nouns(*classes)
    noun = w.s.word([n for n in nouns if n.cls != "vehicle" or n.en in ROAD | CYCLES])
    determiner = Determiner(w, noun, adjective_for(w, noun, 0.35))
    kind = w.s.weighted([("indefinite", 40.0), ("number", 20.0), ("several", 15.0), ("many", 25.0)])
    thing = getattr(determiner, kind)()
    if not thing.agreement.plural and w.s.chance(0.15):
        plain = Determiner(w, noun, None)
        return statement(
            f"{zh_place}没有{plain.generic().zh}",
            join("there", "are" if noun.countable else "is", "no", plain.generic().en, en_place),
        )
    verb = be(thing.agreement)
    if w.s.chance(0.15):
        ago, was = special_time(w, "a long time ago"), be(thing.agreement, past=True)
        return statement(f"{ago.zh}{zh_place}有{thing.zh}", f"{ago.en}, " + join("there", was, thing.en, en_place))
    if w.s.chance(0.25):
        return statement(f"以前{zh_place}有{thing.zh}", join("there used to be", thing.en, en_place))
    return statement(f"{zh_place}有{thing.zh}", join("there", verb, thing.en, en_place))


@pattern(3)
def possession(w: World) -> Pair:
    subject = third_person(w) if w.s.chance(0.6) else person(w)
    noun = w.s.word(
        w.nouns(
            "furniture",
            "vehicle",
            "device",
            "document",
            "instrument",
            "toy",
            "clothes",
            "animal",
            "tool",
            "container",
        )
    )
    determiner = Determiner(w, noun, adjective_for(w, noun, 0.5))
    has = "has" if third_singular(subject.agreement) else "have"
    if w.s.chance(0.2):
        none = Determiner(w, noun, None).generic()
        do = "does" if has == "has" else "do"
        return statement(
            f"{subject.zh}没有{none.zh}", join(subject.en, do, "not have", w.s.variant("any", "any"), none.en)
        )
    kind = (
        w.s.weighted([("indefinite", 45.0), ("number", 20.0), ("many", 20.0), ("several", 15.0)])
        if determiner.measurable
        else "some"
    )
    thing = getattr(determiner, kind)()
    return statement(f"{subject.zh}有{thing.zh}", join(subject.en, has, thing.en))


_LOCATED = (
    (("container", "tool", "document", "device", "toy", "clothes"), ("room",)),
    (("vehicle",), ("street",)),
    (("animal",), ("farm",)),
)


@pattern(3)
def location(w: World) -> Pair:
    if w.s.chance(0.35):
        subject = third_person(w)
        places: tuple[str, ...] = ("city", "room", "building")
    else:
        classes, places = w.s.choice(_LOCATED)
        nouns = [n for n in w.nouns(*classes) if n.cls != "vehicle" or n.en in ROAD | CYCLES]
        subject = definite_phrase(w, w.s.word(nouns))
    zh, en = place_of(w, *places)
    when = w.s.choice((("现在", "now"), ("", ""), ("", "")))
    if w.s.chance(0.15):
        return statement(f"{subject.zh}{when[0]}不在{zh}", join(subject.en, be(subject.agreement), "not", en, when[1]))
    return statement(f"{subject.zh}{when[0]}在{zh}", join(subject.en, be(subject.agreement), en, when[1]))


@pattern(8)
def pain_and_animals_parts(w: World) -> Pair:
    if w.s.chance(0.6):
        owner = singular_person(w)
        noun = w.s.word([n for n in w.nouns("body") if n.en in PAINFUL_BODY])
        part = definite_phrase(w, noun, adjective=0.0, owner=owner)
        when, past = w.s.choice((("", False), ("昨晚", True), ("今天", False)))
        verb = "hurt" if past or part.agreement.plural else "hurts"
        return statement(
            f"{part.zh}{when}很疼", join(part.en, verb, "a lot", {"昨晚": "last night", "今天": "today"}.get(when, ""))
        )
    return _part_of_a_bird(w)


_BIRDS = FLYERS - {"fly", "mosquito", "bee", "bat", "butterfly", "dragon"}


def _part_of_a_bird(w: World) -> Pair:
    animal = definite_phrase(w, w.s.word([n for n in w.nouns("animal") if n.en in _BIRDS]), adjective=0.0)
    part = w.s.word([n for n in w.nouns("body") if n.en in ANIMAL_BODY])
    zh, en = w.s.choice(
        (("很漂亮", "very beautiful"), ("很长", "very long"), ("很短", "very short"), ("很小", "very small"))
    )
    zh_owner, en_owner = animal.own
    plural = part.en != "tail"
    return statement(
        f"{zh_owner}{part.zh}{zh}", join(en_owner, part.plural if plural else part.en, "are" if plural else "is", en)
    )
