"""Relations in space, movement and quantified people."""

from __future__ import annotations

from actions import Situation, time_word, transitive
from clauses import Action, Pair, clause
from descriptions import be
from english import Agreement, Aspect, join
from lexicon import Noun
from people import SINGLE
from phrases import (
    Determiner,
    NounPhrase,
    common_people,
    definite_phrase,
    person,
)
from registry import pattern, statement
from sampling import Impossible
from world import World, is_stative

_FOR_SURFACES = "document tool toy container device"
_ANYTHING = "document tool toy container device clothes"
_ABOUT = "person animal vehicle"
# (zh after the landmark, en, landmark classes or nouns, classes of what is there)
RELATIONS = (
    ("上", "on", "table desk bed sofa shelf counter cabinet bench stool chair carpet bookcase", _FOR_SURFACES),
    ("下面", "under", "table desk bed sofa chair bench tree willow oak bridge", "document tool toy container animal"),
    ("后面", "behind", "building sofa wardrobe cupboard cabinet curtain", _ABOUT),
    ("前面", "in front of", "building sofa mirror counter", _ABOUT),
    ("旁边", "next to", "furniture building plant", "person container animal"),
    ("附近", "near", "building river lake mountain forest sea hill pond", _ABOUT),
    ("里面", "inside", "container drawer wardrobe cupboard cabinet safe", "document tool toy clothes"),
    ("外面", "outside", "room building", _ABOUT),
    ("上方", "above", "table desk bed sofa counter cabinet", "art"),
    ("对面", "opposite", "building", "person building"),
)
_ABOVE = frozenset(["painting", "portrait", "photo", "mural", "picture", "sketch"])


def _described_by(w: World, names: str) -> list[Noun]:
    """The nouns of the named classes and the nouns named themselves."""
    named = names.split()
    return [n for n in w.lexicon.nouns if n.cls in named or (n.en in named and n.cls in LANDMARKS)]


LANDMARKS = ("furniture", "nature", "plant", "building")


@pattern(9)
def spatial_relation(w: World) -> Pair:
    zh, en, landmarks, things = w.s.choice(RELATIONS)
    w.s.words.append(f"relation {zh}")
    landmark = definite_phrase(w, w.s.word(_described_by(w, landmarks)), adjective=0.15)
    zh, en = landmark.zh + zh, f"{en} {landmark.obj}"
    nouns = [n for n in w.nouns(*things.split()) if (n.cls != "art" or n.en in _ABOVE) and n.en not in SINGLE]
    noun = w.s.word(nouns)
    if noun is landmark.noun:
        raise Impossible
    if w.s.chance(0.5):
        thing = definite_phrase(w, noun, adjective=0.2)
        return statement(f"{thing.zh}在{zh}", join(thing.en, be(thing.agreement), en))
    determiner = Determiner(w, noun, None)
    thing = w.s.choice((determiner.indefinite, determiner.number, determiner.many, determiner.several))()
    return statement(f"{zh}有{thing.zh}", join("there", be(thing.agreement), thing.en, en))


@pattern(1.5)
def between_two(w: World) -> Pair:
    nouns = w.nouns("building") if w.s.chance(0.5) else w.nouns("furniture")
    first, second = (Determiner(w, w.s.word(nouns), None).bare_definite() for _ in range(2))
    thing = definite_phrase(
        w,
        w.s.word(
            w.nouns("container", "furniture", "plant")
            if first.noun and first.noun.cls == "furniture"
            else w.nouns("place", "building")
        ),
        adjective=0.1,
    )
    return statement(
        f"{thing.zh}在{first.zh}和{second.zh}之间",
        join(thing.en, be(thing.agreement), "between", first.en, "and", second.en),
    )


MOVEMENTS = (
    ("朝{}走去", "walked toward {}"),
    ("沿着{}散步", "walked along {}"),
    ("从{}走了出来", "walked out of {}"),
    ("围绕{}跑步", "ran around {}"),
    ("经过{}", "walked past {}"),
    ("横跨{}", "walked across {}"),
    ("跑到{}", "ran to {}"),
)


@pattern(5)
def movement(w: World) -> Pair:
    subject, time = person(w), time_word(w, "time_past")
    zh, en = w.s.choice(MOVEMENTS)
    walkable = ("road", "street", "path", "lane", "highway", "beach", "river", "bridge", "square", "track")
    options = (
        w.nouns("building", "place")
        if ("走" in zh and "沿着" not in zh) or "到" in zh
        else [n for n in w.lexicon.nouns if n.en in walkable]
    )
    thing = Determiner(w, w.s.word(options), None).bare_definite()
    return statement(
        f"{subject.zh}{time.zh}{zh.format(thing.zh)}{'了' if '经过' in zh or '横跨' in zh or '到' in zh else ''}",
        join(subject.en, en.format(thing.en), time.en),
    )


@pattern(8)
def quantified_people(w: World) -> Pair:
    zh, en, plural, _negative = w.s.choice(
        (
            ("每个人都", "everyone", False, False),
            ("没有人", "nobody", False, False),
            ("有人", "someone", False, False),
            ("所有{}都", "all the {}", True, False),
            ("每{m}{}都", "every {s}", False, False),
            ("少数{}", "a few {}", True, False),
            ("一半的{}", "half of the {}", True, False),
            ("很多{}", "a lot of {}", True, False),
            ("许多{}", "many {}", True, False),
            ("几{m}{}", "several {}", True, False),
            ("一些{}", "some {}", True, False),
        )
    )
    w.s.words.append(f"quantifier {en}")
    if "{" in zh:
        noun = w.s.word([n for n in common_people(w) if n.countable])
        zh, en = (
            zh.replace("{m}", noun.measure).replace("{}", noun.zh),
            en.replace("{s}", noun.en).replace("{}", noun.plural),
        )
    subject = NounPhrase(zh, en, Agreement(3, plural))
    if w.s.chance(0.4):
        action = transitive(w, subject, is_stative, generic=True)
        return statement(*_told(w, subject, action, Situation(Aspect.PRESENT)))
    action = transitive(w, subject, lambda v: not is_stative(v))
    time = time_word(w, "time_past")
    told = clause(w.s, subject, action, Aspect.PAST)
    return statement(time.zh + told.zh, f"{told.en} {time.en}")


def _told(w: World, subject: NounPhrase, action: Action, state: Situation) -> tuple[str, str]:
    told = clause(w.s, subject, action, state.aspect, negative=state.negative, time=state.time)
    return told.zh, told.en
