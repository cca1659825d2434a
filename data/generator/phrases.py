"""Noun phrases, built in both languages at once so that number and definiteness always agree."""

from __future__ import annotations

from dataclasses import dataclass

from english import THIRD_SINGULAR, Agreement, article, join, possessive
from lexicon import Adjective, Noun
from people import SINGLE
from sampling import Impossible
from wordlists import (
    ALWAYS_POSSESSED,
    BODY_SINGULAR_ONLY,
    DRUNK_FROM_GLASSES,
    MONOSYLLABIC_BARE,
    NUMBERS,
    PAIRED,
    PARTITIVES,
    PLURAL_WHEN_BARE,
    PORTIONED,
    POSSESSABLE,
    POSSESSION_WITHOUT_DE,
    UNIQUE,
    WHOLE_ONLY_MEASURES,
)
from world import World


@dataclass(frozen=True)
class NounPhrase:
    zh: str
    en: str
    agreement: Agreement = THIRD_SINGULAR
    en_object: str = ""
    zh_owner: str = ""
    en_owner: str = ""
    noun: Noun | None = None
    pronoun: bool = False

    @property
    def obj(self) -> str:
        return self.en_object or self.en

    @property
    def own(self) -> tuple[str, str]:
        """(zh, en) possessive of this phrase."""
        if " from " in self.en:
            raise Impossible
        return self.zh_owner or self.zh + "的", self.en_owner or possessive(self.en)

    @property
    def is_first_or_second(self) -> bool:
        return self.agreement.person != 3


def _pronoun(zh: str, en: str, obj: str, own: str, person: int, plural: bool) -> NounPhrase:
    return NounPhrase(zh, en, Agreement(person, plural), obj, zh + "的", own, None, True)


I = _pronoun("我", "I", "me", "my", 1, False)  # noqa: E741 - the pronoun's own name
YOU = _pronoun("你", "you", "you", "your", 2, False)
HE = _pronoun("他", "he", "him", "his", 3, False)
SHE = _pronoun("她", "she", "her", "her", 3, False)
WE = _pronoun("我们", "we", "us", "our", 1, True)
THEY = _pronoun("他们", "they", "them", "their", 3, True)
PRONOUNS = (I, HE, SHE, WE, THEY, YOU)


def pronoun_of(phrase: NounPhrase, w: World) -> NounPhrase:
    """The pronoun that refers back to a person phrase; it follows from the phrase alone."""
    back = owner_of(phrase, w)
    if back is None:
        raise Impossible
    return back


def owner_of(phrase: NounPhrase | None, w: World) -> NounPhrase | None:
    """The pronoun of the person as an owner; none for things and for phrases such as 每个人."""
    if phrase is None or phrase.pronoun:
        return phrase
    if phrase.noun is not None and phrase.noun.cls != "person":
        return None
    if phrase.agreement.plural:
        return THEY
    female = w.is_female(phrase.noun, phrase.zh)
    return None if female is None else (SHE if female else HE)


def _head(noun: Noun, adjective: Adjective | None) -> tuple[str, str]:
    """(zh, en prefix): the Chinese modified noun and the English adjective."""
    if adjective is None:
        return noun.zh, ""
    linker = "" if adjective.zh in MONOSYLLABIC_BARE else "的"
    return f"{adjective.zh}{linker}{noun.zh}", adjective.en


def _unit(noun: Noun) -> tuple[str, str] | None:
    """The unit noun that surfaces in English: 一勺糖 is "a spoonful of sugar", 一双鞋 "a pair of shoes"."""
    if noun.en in PAIRED:
        return "pair", "pairs"
    if noun.en in DRUNK_FROM_GLASSES:
        return "glass", "glasses"
    portioned = noun.cls in ("food", "drink", "material", "money_thing", "nature") or noun.en in PORTIONED
    if noun.measure in WHOLE_ONLY_MEASURES or (portioned and not noun.countable):
        return PARTITIVES.get(noun.measure)
    return None


def _form(noun: Noun, plural: bool) -> str:
    return noun.plural if plural and noun.countable else noun.en


class Determiner:
    """Renders one noun with one kind of determiner; every method returns a NounPhrase."""

    def __init__(self, w: World, noun: Noun, adjective: Adjective | None) -> None:
        self.w, self.noun, self.adjective = w, noun, adjective
        self.zh, self.modifier = _head(noun, adjective)
        self.unit = _unit(noun)
        self.measurable = noun.measure != "-" and (noun.countable or self.unit is not None)
        self.paired = noun.en in PAIRED or noun.en in PLURAL_WHEN_BARE

    def _phrase(self, zh: str, en: str, plural: bool) -> NounPhrase:
        return NounPhrase(zh, en, Agreement(3, plural), noun=self.noun)

    def counted(self, plural: bool) -> str:
        """The English after a number or demonstrative, units included."""
        if self.unit:
            return join(self.unit[plural], "of", self.modifier, _form(self.noun, True))
        return join(self.modifier, _form(self.noun, plural))

    def _plain(self) -> str:
        """The noun without a number: shoes come in the plural, other things in the singular."""
        return join(self.modifier, _form(self.noun, self.paired))

    def bare_definite(self) -> NounPhrase:
        return self._phrase(self.zh, f"the {self._plain()}", self.paired or self.noun.en == "police")

    def generic(self) -> NounPhrase:
        return self._phrase(self.zh, join(self.modifier, _form(self.noun, True)), self.noun.countable)

    def indefinite(self) -> NounPhrase:
        rest = self.counted(False)
        return self._phrase(f"一{self.noun.measure}{self.zh}", f"{article(rest)} {rest}", False)

    def number(self) -> NounPhrase:
        zh, en = self.w.s.choice(NUMBERS if self.w.s.chance(0.3) else NUMBERS[:4])
        return self._phrase(f"{zh}{self.noun.measure}{self.zh}", f"{en} {self.counted(True)}", True)

    def demonstrative(self) -> NounPhrase:
        zh, en = self.w.s.choice((("这", "this"), ("那", "that")))
        return self._phrase(f"{zh}{self.noun.measure}{self.zh}", f"{en} {self.counted(False)}", False)

    def kind(self) -> NounPhrase:
        zh, en = self.w.s.choice((("这种", "this kind of"), ("那种", "that kind of")))
        return self._phrase(zh + self.zh, f"{en} {join(self.modifier, self.noun.en)}", False)

    def demonstrative_plural(self) -> NounPhrase:
        zh, singular, plural = self.w.s.choice((("这些", "this", "these"), ("那些", "that", "those")))
        en = plural if self.noun.countable else singular
        return self._phrase(zh + self.zh, join(en, self.modifier, _form(self.noun, True)), self.noun.countable)

    def some(self) -> NounPhrase:
        return self._phrase("一些" + self.zh, join("some", self.modifier, _form(self.noun, True)), self.noun.countable)

    def several(self) -> NounPhrase:
        en = self.w.s.variant("several", "a few")
        return self._phrase(f"几{self.noun.measure}{self.zh}", f"{en} {self.counted(True)}", True)

    def many(self) -> NounPhrase:
        zh = self.w.s.variant("很多", "许多")
        en = self.w.s.variant("many" if self.noun.countable else "a lot of", "a lot of")
        return self._phrase(zh + self.zh, join(en, self.modifier, _form(self.noun, True)), self.noun.countable)

    def possessed(self, owner: NounPhrase | None = None) -> NounPhrase:
        owner = owner or owner_phrase(self.w)
        if self.noun.en in SPOUSES and not _may_have(self.w, owner, self.noun):
            raise Impossible
        zh_owner, en_owner = owner.own
        if owner.pronoun and self.noun.en in POSSESSION_WITHOUT_DE and self.adjective is None:
            zh_owner = owner.zh
        elif owner.pronoun and "的" in self.zh:
            # Two 的 in a row are clumsy: 她强壮的狗, not 她的强壮的狗.
            zh_owner = owner.zh
        return self._phrase(zh_owner + self.zh, f"{en_owner} {self._plain()}", self.paired)

    def possessed_plural(self, owner: NounPhrase) -> NounPhrase:
        """Body parts that come in pairs: 他的眼睛 'his eyes'."""
        zh_owner, en_owner = owner.own
        return self._phrase(zh_owner + self.zh, join(en_owner, self.modifier, _form(self.noun, True)), True)


SPOUSES = frozenset(("husband", "wife"))


def _may_have(w: World, owner: NounPhrase, spouse: Noun) -> bool:
    if owner in (I, YOU):
        return True
    female = owner is SHE or (not owner.pronoun and w.is_female(owner.noun, owner.zh))
    return not owner.agreement.plural and bool(female) == (spouse.en == "husband")


def owner_phrase(w: World) -> NounPhrase:
    """An owner nobody has mentioned yet: the speakers or a name, never a third person's pronoun."""
    if w.s.chance(0.35):
        return named(w)
    return w.s.choice((I, I, WE, YOU))


def named(w: World) -> NounPhrase:
    name = w.s.word(w.person_names)
    return NounPhrase(name.zh, name.en)


def adjective_for(w: World, noun: Noun, probability: float) -> Adjective | None:
    options = w.adjectives_for(noun)
    if not options or not w.s.chance(probability):
        return None
    adjective = w.s.word(options)
    w.s.note_pair(adjective, noun)
    return adjective


def _must_be_possessed(noun: Noun) -> bool:
    return noun.en in ALWAYS_POSSESSED or noun.cls == "body"


def body_part(w: World, noun: Noun, owner: NounPhrase, adjective: Adjective | None = None) -> NounPhrase:
    determiner = Determiner(w, noun, adjective)
    if noun.en in BODY_SINGULAR_ONLY or not noun.countable:
        return determiner.possessed(owner)
    return determiner.possessed_plural(owner)


def object_phrase(
    w: World, noun: Noun, subject: NounPhrase | None = None, adjective: float = 0.22, generic: bool = False
) -> NounPhrase:
    """An object; `generic` chooses the bare noun of habits and tastes (喝茶, 'drinks tea')."""
    own = owner_of(subject, w)
    if noun.cls in ("sport", "subject", "feeling"):
        adjective *= 0.15
    if noun.cls == "body":
        return body_part(w, noun, own or owner_phrase(w), adjective_for(w, noun, adjective * 0.4))
    determiner = Determiner(w, noun, adjective_for(w, noun, adjective))
    if _must_be_possessed(noun):
        return determiner.possessed(own or owner_phrase(w))
    if noun.en in UNIQUE:
        return determiner.bare_definite()
    if generic and noun.cls not in ("room", "building", "place", "organization"):
        return determiner.generic()
    options = _object_determiners(determiner)
    kind = w.s.weighted([(kind, weight) for kind, weight in options if own or kind != "possessed"] or options)
    return determiner.possessed(own) if kind == "possessed" else getattr(determiner, kind)()


_COUNT = (
    ("indefinite", 34.0),
    ("demonstrative", 14.0),
    ("possessed", 13.0),
    ("number", 11.0),
    ("several", 6.0),
    ("many", 6.0),
    ("some", 7.0),
    ("demonstrative_plural", 6.0),
)
_MASS = (("generic", 45.0), ("some", 14.0), ("possessed", 7.0), ("many", 4.0), ("demonstrative_plural", 6.0))
_PORTIONS = (("indefinite", 22.0), ("demonstrative", 10.0), ("number", 6.0))
_KNOWN = (("demonstrative", 40.0), ("bare_definite", 35.0), ("indefinite", 15.0), ("demonstrative_plural", 6.0))
_BY_CLASS = {
    "illness": (("generic", 55.0), ("possessed", 25.0), ("kind", 20.0)),
    "feeling": (("possessed", 55.0), ("generic", 25.0), ("kind", 20.0)),
    "weather": (("generic", 60.0), ("kind", 15.0)),
    "sport": (("generic", 1.0),),
    "subject": (("generic", 1.0),),
    "nature": (("demonstrative", 40.0), ("bare_definite", 30.0), ("demonstrative_plural", 15.0), ("indefinite", 15.0)),
    "place": _KNOWN,
    "building": _KNOWN,
    "room": (*_KNOWN, ("possessed", 8.0)),
    "organization": _KNOWN,
    "event": (*_KNOWN, ("possessed", 6.0)),
    "idea": (("possessed", 12.0), ("demonstrative", 30.0), ("indefinite", 15.0), ("demonstrative_plural", 12.0)),
    "money_thing": (("demonstrative", 35.0), ("possessed", 25.0), ("bare_definite", 25.0), ("indefinite", 15.0)),
}
_NEEDS_MEASURE = frozenset({"indefinite", "demonstrative", "number", "several"})


def _object_determiners(determiner: Determiner) -> list[tuple[str, float]]:
    """The determiners that suit the noun, with weights; those with measure words only where one exists."""
    noun = determiner.noun
    options = _BY_CLASS.get(noun.cls) or (_COUNT if noun.countable else (*_MASS, *_PORTIONS))
    usable = [(kind, weight) for kind, weight in options if determiner.measurable or kind not in _NEEDS_MEASURE]
    return usable or [("generic", 1.0)]


NEVER_OWNED = ("person", "nature", "weather", "sport", "subject", "time_noun", "place", "building", "organization")


def definite_phrase(w: World, noun: Noun, adjective: float = 0.25, owner: NounPhrase | None = None) -> NounPhrase:
    """A known thing, as subjects and 把-objects are: bare, demonstrative or possessed."""
    if _must_be_possessed(noun):
        person = owner
        if noun.cls == "body":
            return body_part(w, noun, person or owner_phrase(w), adjective_for(w, noun, adjective * 0.4))
        return Determiner(w, noun, adjective_for(w, noun, adjective * 0.4)).possessed(person)
    determiner = Determiner(w, noun, adjective_for(w, noun, adjective))
    if noun.en in UNIQUE:
        return determiner.bare_definite()
    options = [("bare_definite", 50.0)]
    if noun.en not in SINGLE and noun.cls not in ("room", "building", "place"):
        options.append(("demonstrative_plural", 8.0))
    if noun.en in POSSESSABLE or noun.cls not in NEVER_OWNED:
        options.append(("possessed", 16.0))
    if determiner.measurable:
        options.append(("demonstrative", 22.0))
    kind = w.s.weighted(options)
    if kind == "possessed" and owner is not None:
        return determiner.possessed(owner)
    return getattr(determiner, kind)()


def person(w: World, pronouns: float = 0.4, names: float = 0.18, owner: NounPhrase | None = None) -> NounPhrase:
    """A human subject or object; relatives and friends are the owner's."""
    draw = w.s.rng.random()
    if draw < pronouns:
        return w.s.choice(PRONOUNS)
    if draw < pronouns + names:
        return named(w)
    noun = w.s.word(w.nouns("person"))
    if not _must_be_possessed(noun) and noun.en not in SINGLE and w.s.chance(0.12):
        determiner = Determiner(w, noun, None)
        return w.s.choice((determiner.many, determiner.number))()
    if not _must_be_possessed(noun) and w.s.chance(0.15):
        return from_somewhere(w, noun)
    return definite_phrase(w, noun, adjective=0.15, owner=owner)


def from_somewhere(w: World, noun: Noun) -> NounPhrase:
    """来自巴黎的医生: the doctor from Paris."""
    home = w.s.word(w.names("city", "country"))
    return NounPhrase(f"来自{home.zh}的{noun.zh}", f"the {noun.en} from {home.en}", noun=noun)


def known_thing(w: World, noun: Noun) -> NounPhrase:
    """A thing that is nobody's in particular: 这本书, 书."""
    determiner = Determiner(w, noun, None)
    if noun.en not in UNIQUE and determiner.measurable and w.s.chance(0.6):
        return determiner.demonstrative()
    return determiner.bare_definite()


def third_person(w: World) -> NounPhrase:
    phrase = person(w)
    while phrase.is_first_or_second:
        phrase = person(w, pronouns=0.2)
    return phrase


def singular_person(w: World) -> NounPhrase:
    phrase = person(w)
    while phrase.agreement.plural:
        phrase = person(w)
    return phrase


def object_person(w: World, avoid: NounPhrase | None = None) -> NounPhrase:
    """A human object other than the subject, since English would want a reflexive there."""
    owner = owner_of(avoid, w)
    for _ in range(20):
        phrase = person(w, pronouns=0.3, owner=owner)
        clash = avoid is not None and avoid.pronoun and phrase.pronoun and _overlap(avoid, phrase)
        same = avoid is not None and (phrase.zh == avoid.zh or (phrase.noun is not None and phrase.noun is avoid.noun))
        if not clash and not same:
            return phrase
    return named(w)


def common_people(w: World) -> list[Noun]:
    """People there are several of."""
    return [noun for noun in w.nouns("person") if noun.en not in SINGLE]


def _overlap(first: NounPhrase, second: NounPhrase) -> bool:
    return first.agreement.person == second.agreement.person
