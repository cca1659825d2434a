"""Building blocks of reasons: states of mind, qualities of things and the weather."""

from __future__ import annotations

from clauses import Action
from descriptions import degree
from english import VerbForms
from lexicon import Adjective, Noun, Verb
from phrases import NounPhrase
from scenes import QUALITIES, STATES, TRAITS, Actions
from world import World

# (zh, en) conditions that keep people at home, and those they wait for.
OBSTACLES = (
    ("下雨", "it rains"),
    ("下雪", "it snows"),
    ("天气不好", "the weather is bad"),
    ("天气很冷", "the weather is cold"),
)
WISHED = (("天气好", "the weather is good"), ("有时间", "there is time"), ("不下雨", "it does not rain"))


def in_state(w: World, subject: NounPhrase) -> tuple[Adjective, str, str]:
    """A passing state of a person with its graded forms."""
    return _graded(w, subject, tuple(STATES))


def with_trait(w: World, subject: NounPhrase) -> tuple[Adjective, str, str]:
    return _graded(w, subject, tuple(TRAITS))


def _graded(w: World, subject: NounPhrase, names: tuple[str, ...]) -> tuple[Adjective, str, str]:
    adjective = w.s.word([a for a in w.lexicon.adjectives if a.en in names and a.zh not in subject.zh])
    if subject.noun is not None:
        w.s.note_pair(adjective, subject.noun)
    return (adjective, *degree(w, adjective))


def quality_and_deed(w: World, done: bool) -> tuple[Adjective, Verb, Noun]:
    """A quality, what one does (or does not do) with such a thing, and the thing."""
    adjective = w.s.word([a for a in w.lexicon.adjectives if a.en in QUALITIES and a.predicative])
    deeds: Actions = QUALITIES[adjective.en][0 if done else 1]
    verb = w.s.word([w.verb(deed) for deed in deeds])
    noun = w.s.word([n for n in w.objects_for(verb) if n.cls != "person" and adjective in w.adjectives_for(n)])
    w.s.note_pair(verb, noun)
    w.s.note_pair(adjective, noun)
    return adjective, verb, noun


def acting_on_it(verb: Verb, plural: bool) -> Action:
    """The action on a thing already named: 它 or 它们, with particles after the pronoun."""
    zh, en = ("它们", "them") if plural else ("它", "it")
    base, _, particle = verb.en.partition(" ")
    if particle not in ("on", "off", "away", "up", "down", "in", "out") or verb.en == "call on":
        return Action.of(verb, zh, en)
    split = [form.partition(" ")[0] for form in (base, verb.past, verb.participle, verb.ing, verb.third)]
    return Action(VerbForms(*split), verb.zh, zh, f"{en} {particle}", verb=verb)
