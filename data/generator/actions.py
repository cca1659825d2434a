"""Actions with fitting objects, the situations (aspect and time) they may stand in, and places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from clauses import Action, Time
from english import Aspect, VerbForms, join
from lexicon import Adverb, Noun, Verb
from manners import has_manner, suits_manner
from phrases import NounPhrase, definite_phrase, object_person, object_phrase, owner_of
from sampling import Impossible
from scenes import PLACE_NAMES, SCENES, Actions
from wordgroups import COMPANIES, OFFICES, STRUCTURES
from wordlists import COMPANY_VERBS, IN_PLACES, MOTION, NOT_IN_PLACES, ON_PLACES, PUBLISHING_VERBS, THE_INSTRUMENT
from world import World, by_person, has_progressive, is_resultative, is_stative

FRAMES = ("clause", "infinitive", "person+clause", "person+infinitive", "person+idea")


@dataclass(frozen=True)
class Situation:
    aspect: Aspect
    negative: bool = False
    time: Time | None = None


def takes_noun(verb: Verb) -> bool:
    return any("+" not in cls and cls not in FRAMES for cls in verb.objects)


def transitive(
    w: World,
    subject: NounPhrase | None,
    test: Callable[[Verb], bool] = lambda verb: True,
    generic: bool = False,
) -> Action:
    """A person's action on something."""
    if w.s.chance(0.5):
        # Starting from the noun gives rare nouns their share; verbs alone would favour big classes.
        noun = w.s.word(w.object_nouns())
        verb = w.s.word([v for v in w.takers(noun) if by_person(v) and test(v)])
        return with_object(verb, _object(w, verb, noun, subject, generic))
    verb = w.s.word(w.verbs(lambda v: takes_noun(v) and by_person(v) and test(v)))
    return on_object(w, verb, subject, generic)


def on_object(w: World, verb: Verb, subject: NounPhrase | None, generic: bool = False) -> Action:
    noun = w.s.word(w.objects_for(verb))
    return with_object(verb, _object(w, verb, noun, subject, generic))


def _object(w: World, verb: Verb, noun: Noun, subject: NounPhrase | None, generic: bool) -> NounPhrase:
    if noun.cls == "person" and (generic or w.s.chance(0.45)):
        # The person became a pronoun or a name, so the noun drawn above was not used after all.
        w.s.words.pop()
        return object_person(w, subject)
    w.s.note_pair(verb, noun)
    if noun.cls == "person":
        return definite_phrase(w, noun, adjective=0.2, owner=owner_of(subject, w))
    if noun.cls == "instrument" and verb.en in THE_INSTRUMENT:
        return NounPhrase(noun.zh, f"the {noun.en}", noun=noun)
    return object_phrase(w, noun, subject, generic=generic)


def scene_action(w: World, subject: NounPhrase | None, scene: Actions, generic: bool = False) -> Action:
    """An action of one setting that is not already in the sentence."""
    fresh = tuple(name for name in scene if w.verb(name.partition(":")[0]).key not in w.s.words)
    return named_action(w, subject, fresh, generic)


def with_object(verb: Verb, thing: NounPhrase) -> Action:
    return Action(VerbForms.of(verb), verb.zh, thing.zh, thing.obj, verb=verb)


def intransitive(w: World, test: Callable[[Verb], bool] = lambda verb: True) -> Action:
    verb = w.s.word(w.verbs(lambda v: not v.objects and by_person(v) and test(v)))
    return plain(verb)


def plain(verb: Verb) -> Action:
    return Action(VerbForms.of(verb), verb.zh, verb=verb)


def any_action(w: World, subject: NounPhrase, *, generic: bool = False, dynamic: bool = False) -> Action:
    """Mostly transitive, sometimes intransitive; `dynamic` leaves out states such as liking."""
    if w.s.chance(0.2):
        return intransitive(w, lambda v: not dynamic or has_progressive(v))
    return transitive(w, subject, lambda v: not (dynamic and is_stative(v)), generic)


def deliberate(w: World, subject: NounPhrase | None) -> Action:
    """Something one can plan, be asked or be told to do."""
    if w.s.chance(0.6):
        return scene_action(w, subject, w.s.choice(SCENES))
    if w.s.chance(0.2):
        return intransitive(w, lambda v: v.en not in NOT_IN_PLACES["accidental"])
    return transitive(w, subject, lambda v: not is_stative(v) and v.en not in NOT_IN_PLACES["accidental"])


ASPECTS = {"time_past": Aspect.PAST, "time_future": Aspect.FUTURE, "time_present": Aspect.PRESENT}
# Time words that suit few sentences; the patterns that want them name them.
SPECIAL_TIMES = frozenset(("in the past", "a long time ago", "at this moment"))
RECENT = frozenset(
    [
        "yesterday",
        "last night",
        "yesterday morning",
        "yesterday afternoon",
        "last week",
        "the day before yesterday",
        "last Sunday",
    ]
)


def time_word(w: World, *kinds: str) -> Time:
    return _timed(w.s.word([a for kind in kinds for a in w.adverbs(kind) if a.en not in SPECIAL_TIMES]))


def recent_time(w: World) -> Time:
    """A time near enough for states of mind and for what did not happen."""
    return _timed(w.s.word([a for a in w.adverbs("time_past") if a.en in RECENT]))


def special_time(w: World, en: str) -> Time:
    return _timed(w.s.word([a for a in w.lexicon.adverbs if a.en == en]))


def _timed(adverb: Adverb) -> Time:
    return Time(adverb.zh, adverb.en, ASPECTS[adverb.kind])


def named_action(w: World, subject: NounPhrase | None, actions: Actions, generic: bool = False) -> Action:
    """One of the actions of a table of scenes, with an object where it takes one."""
    name, _, cls = w.s.choice(actions).partition(":")
    verb = w.verb(name)
    w.s.words.append(verb.key)
    if not verb.objects:
        return plain(verb)
    noun = w.s.word([noun for noun in w.objects_for(verb) if not cls or noun.cls == cls])
    return with_object(verb, _object(w, verb, noun, subject, generic))


def situation(w: World, verb: Verb | None) -> Situation:
    """An aspect that suits the verb, with the time word that makes the tense plain in Chinese."""
    if verb is not None and is_stative(verb):
        return Situation(Aspect.PRESENT, w.s.chance(0.2))
    options = [(_past, 34.0), (_future, 14.0), (_perfect, 9.0)]
    if verb is None or has_progressive(verb):
        options += [(_progressive, 12.0), (_experience, 7.0)]
    return w.s.weighted(options)(w)


def _past(w: World) -> Situation:
    negative = w.s.chance(0.2)
    if not w.s.chance(0.7):
        return Situation(Aspect.PAST, negative)
    return Situation(Aspect.PAST, negative, recent_time(w) if negative else time_word(w, "time_past"))


def _future(w: World) -> Situation:
    time = time_word(w, "time_future") if w.s.chance(0.75) else None
    return Situation(Aspect.FUTURE, w.s.chance(0.15) and (time is None or time.en != "soon"), time)


def _perfect(w: World) -> Situation:
    return Situation(Aspect.PERFECT, w.s.chance(0.4))


def _progressive(w: World) -> Situation:
    return Situation(Aspect.PROGRESSIVE, False, special_time(w, "at this moment") if w.s.chance(0.12) else None)


def _experience(w: World) -> Situation:
    return Situation(Aspect.EXPERIENCE, w.s.chance(0.6))


def placed(w: World, action: Action, probability: float = 0.3) -> Action:
    """Adds 在-place where the action is not itself about a place."""
    verb = action.verb
    if verb is None or not can_be_placed(verb) or not w.s.chance(probability):
        return action
    zh, en = place_for(w, verb)
    return action.with_before(f"在{zh}", en)


def place_for(w: World, verb: Verb) -> tuple[str, str]:
    """Where one does that: cooking in a kitchen, shopping in a shop, most other things in some city."""
    names = PLACE_NAMES.get(verb.en)
    if names is None or w.s.chance(0.2):
        city = w.s.word(w.names("city", "country"))
        return city.zh, f"in {city.en}"
    noun = w.s.word([noun for noun in place_nouns(w) if noun.en in names])
    return located(noun, definite_phrase(w, noun, adjective=0.12))


def can_be_placed(verb: Verb) -> bool:
    about_places = {"room", "building", "place", "nature", "weather", "idea"} & set(verb.objects)
    return not (about_places or is_stative(verb) or verb.en in MOTION)


VAGUE_PLACES = frozenset(("country", "border", "pole", "capital", "track"))


def place_nouns(w: World) -> list[Noun]:
    return [noun for noun in w.nouns("room", "building", "place") if noun.en not in STRUCTURES | VAGUE_PLACES]


def place(w: World) -> tuple[str, str]:
    """(zh, en) of a place with its localizer: (厨房里, in the kitchen)."""
    if w.s.chance(0.3):
        city = w.s.word(w.names("city", "country"))
        return city.zh, f"in {city.en}"
    noun = w.s.word(place_nouns(w))
    thing = definite_phrase(w, noun, adjective=0.12)
    return located(noun, thing)


def place_of(w: World, *kinds: str) -> tuple[str, str]:
    """A place of one of the kinds: city, room, building, street, farm, nature."""
    kind = w.s.choice(kinds)
    if kind == "city":
        city = w.s.word(w.names("city", "country"))
        return city.zh, f"in {city.en}"
    named = _SETTINGS.get(kind)
    nouns = [n for n in place_nouns(w) if (n.en in named if named else n.cls == kind)]
    noun = w.s.word(nouns)
    return located(noun, definite_phrase(w, noun, adjective=0.15))


_SETTINGS = {
    "street": frozenset(
        ["street", "road", "garage", "square", "highway", "lane", "dock", "harbor", "factory", "market"]
    ),
    "farm": frozenset(["farm", "zoo", "field", "garden", "park", "pasture", "barn", "village", "orchard", "island"]),
}


def located(noun: Noun, thing: NounPhrase) -> tuple[str, str]:
    if noun.en in ON_PLACES:
        return f"{thing.zh}上", f"on {thing.obj}"
    if noun.cls == "room" or noun.en in IN_PLACES:
        return f"{thing.zh}里", f"in {thing.obj}"
    return thing.zh, f"at {thing.obj}"


SUDDEN = frozenset(("immediately", "suddenly", "again"))


def with_manner(w: World, action: Action, probability: float = 0.6, ongoing: bool = False) -> Action:
    verb = action.verb
    if verb is None or not has_progressive(verb) or not w.s.chance(probability):
        return action
    if not has_manner(verb.en) and w.s.chance(0.5):
        return action
    adverb = w.s.word(
        [a for a in w.adverbs("manner") if suits_manner(a.en, verb.en) and not (ongoing and a.en in SUDDEN)]
    )
    return replace(action, zh_adverb=adverb.zh, en_after=join(action.en_after, adverb.en))


def with_company(w: World, action: Action, subject: NounPhrase, probability: float = 0.12) -> Action:
    verb = action.verb
    if verb is None or is_stative(verb) or is_resultative(verb) or not w.s.chance(probability):
        return action
    other = object_person(w, subject)
    zh = w.s.variant(f"和{other.zh}一起", f"跟{other.zh}一起")
    return action.with_before(zh, w.s.variant(f"with {other.obj}", f"together with {other.obj}"))


def embellished(w: World, action: Action, subject: NounPhrase, state: Situation) -> Action:
    """Adds at most two of manner, company and place; negated clauses stay plain."""
    if state.negative or state.aspect in (Aspect.EXPERIENCE, Aspect.PERFECT):
        return placed(w, action, 0.15)
    changed = with_manner(w, action, ongoing=state.aspect is Aspect.PROGRESSIVE)
    changed = with_company(w, changed, subject) if changed is action else changed
    return placed(w, changed, 0.45)


def organization_action(w: World) -> tuple[NounPhrase, Action]:
    """An organization doing what organizations of its kind do."""
    verb = w.s.word(w.verbs(lambda v: "organization" in v.subjects and takes_noun(v)))
    allowed = OFFICES
    if verb.en in COMPANY_VERBS:
        allowed = COMPANIES
    elif verb.en in PUBLISHING_VERBS:
        allowed = frozenset({"publisher"})
    organization = w.s.word([noun for noun in w.nouns("organization") if noun.en in allowed])
    subject = definite_phrase(w, organization, adjective=0.25)
    return subject, on_object(w, verb, subject)


def frame_verbs(w: World, frame: str) -> list[Verb]:
    verbs = w.verbs(lambda v: frame in v.objects and by_person(v))
    if not verbs:
        raise Impossible
    return verbs
