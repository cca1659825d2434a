"""What things and people are like: qualities and comparisons."""

from __future__ import annotations

from actions import (
    time_word,
)
from clauses import Pair
from descriptions import be, degree, negated, predicate_adjective
from english import join
from phrases import (
    Determiner,
    NounPhrase,
    definite_phrase,
    named,
    object_person,
    person,
    singular_person,
)
from registry import pattern, statement
from sampling import Impossible
from wordlists import SUBJECT_THINGS
from world import World


@pattern(9)
def description(w: World) -> Pair:
    """X 很 A: things and people described."""
    subject = _described(w)
    adjective = predicate_adjective(w, subject)
    past = subject.noun is None and w.s.chance(0.4)
    time = time_word(w, "time_past") if past else None
    zh, en = negated(w, adjective) if w.s.chance(0.15) else degree(w, adjective)
    if time is not None:
        return statement(f"{subject.zh}{time.zh}{zh}", join(subject.en, be(subject.agreement, True), en, time.en))
    return statement(subject.zh + zh, join(subject.en, be(subject.agreement), en))


def _described(w: World) -> NounPhrase:
    if w.s.chance(0.3):
        return person(w)
    nouns = [n for n in w.nouns(*SUBJECT_THINGS) if any(a.predicative for a in w.adjectives_for(n))]
    return definite_phrase(w, w.s.word(nouns), adjective=0.0)


PRAISE = frozenset(
    [
        "solid",
        "smooth",
        "clean",
        "tidy",
        "bright",
        "warm",
        "fresh",
        "delicious",
        "tasty",
        "sweet",
        "healthy",
        "cheap",
        "new",
        "fashionable",
        "beautiful",
        "pretty",
        "lovely",
        "colourful",
        "good",
        "wonderful",
        "popular",
        "interesting",
        "funny",
        "easy",
        "simple",
        "clear",
        "useful",
        "practical",
        "convenient",
        "safe",
        "reliable",
        "reasonable",
        "original",
        "great",
        "romantic",
        "moving",
        "happy",
        "calm",
        "proud",
        "young",
        "slim",
        "rich",
        "clever",
        "wise",
        "kind",
        "polite",
        "friendly",
        "honest",
        "brave",
        "diligent",
        "careful",
        "patient",
        "gentle",
        "generous",
        "modest",
        "loyal",
        "talented",
        "professional",
        "experienced",
        "confident",
        "humorous",
        "independent",
        "active",
        "quiet",
        "lively",
        "comfortable",
        "luxurious",
        "advanced",
        "successful",
        "creative",
        "valuable",
        "peaceful",
        "pleasant",
    ]
)
REPROACH = frozenset(
    [
        "short",
        "narrow",
        "heavy",
        "blunt",
        "weak",
        "rough",
        "dirty",
        "messy",
        "wet",
        "dark",
        "sour",
        "bitter",
        "expensive",
        "old",
        "ugly",
        "terrible",
        "strange",
        "boring",
        "difficult",
        "complicated",
        "vague",
        "useless",
        "dangerous",
        "slow",
        "ridiculous",
        "sad",
        "angry",
        "nervous",
        "lonely",
        "tired",
        "hungry",
        "thirsty",
        "sleepy",
        "fat",
        "poor",
        "stupid",
        "cruel",
        "rude",
        "lazy",
        "careless",
        "selfish",
        "greedy",
        "stubborn",
        "noisy",
        "crowded",
        "remote",
        "fierce",
        "annoying",
        "terrifying",
        "severe",
        "radical",
    ]
)


@pattern(3)
def two_qualities(w: World) -> Pair:
    subject = _described(w)
    first, second = predicate_adjective(w, subject, graded=True), predicate_adjective(w, subject, graded=True)
    if first == second or not ({first.en, second.en} <= PRAISE or {first.en, second.en} <= REPROACH):
        raise Impossible
    zh, en = w.s.choice(
        (
            (f"又{first.zh}又{second.zh}", "both {} and {}"),
            (f"不但{first.zh}，而且{second.zh}", "not only {} but also {}"),
        )
    )
    return statement(subject.zh + zh, join(subject.en, be(subject.agreement), en.format(first.en, second.en)))


def _more_and_more(comparative: str) -> str:
    if comparative.startswith("more "):
        return "more and " + comparative
    return f"{comparative} and {comparative}"


@pattern(1.5)
def favourite(w: World) -> Pair:
    adjective = next(a for a in w.lexicon.adjectives if a.en == "favourite")
    noun = w.s.word([n for n in w.nouns(*adjective.nouns) if n.countable])
    w.s.words.append(adjective.key)
    w.s.note_pair(adjective, noun)
    owner = person(w)
    if owner.agreement.plural and noun.countable and not owner.pronoun:
        owner = named(w)
    return statement(f"这是{owner.zh}最喜欢的{noun.zh}", join("this is", owner.own[1], "favourite", noun.en))


@pattern(1.5)
def increasingly(w: World) -> Pair:
    subject = _described(w)
    adjective = predicate_adjective(w, subject, graded=True)
    en = w.s.variant("getting", "becoming")
    return statement(
        f"{subject.zh}变得越来越{adjective.zh}",
        join(subject.en, be(subject.agreement), en, _more_and_more(adjective.comparative)),
    )


@pattern(4)
def comparison(w: World) -> Pair:
    noun = w.s.word([n for n in w.nouns(*SUBJECT_THINGS, "person") if n.countable and n.measure != "-"])
    if noun.cls == "person" or w.s.chance(0.2):
        left, right = singular_person(w), object_person(w)
        if left.zh == right.zh or (left.noun is not None and left.noun.cls != "person"):
            right = named(w)
    else:
        left, right = _this_and_that(w, noun)
    adjective = predicate_adjective(w, left, graded=True)
    kind = w.s.rng.random()
    be_form = be(left.agreement)
    than = right.en if not right.pronoun else right.obj
    if kind < 0.55:
        return statement(
            f"{left.zh}比{right.zh}{adjective.zh}", join(left.en, be_form, adjective.comparative, "than", than)
        )
    if kind < 0.68:
        return statement(
            f"{left.zh}比{right.zh}{adjective.zh}得多",
            join(left.en, be_form, "much", adjective.comparative, "than", than),
        )
    if kind < 0.78:
        return statement(
            f"{left.zh}比{right.zh}稍微{adjective.zh}一点",
            join(left.en, be_form, "slightly", adjective.comparative, "than", than),
        )
    if kind < 0.9:
        return statement(
            f"{left.zh}和{right.zh}一样{adjective.zh}", join(left.en, be_form, "as", adjective.en, "as", than)
        )
    return statement(
        f"{left.zh}没有{right.zh}{adjective.zh}", join(left.en, be_form, "not as", adjective.en, "as", than)
    )


def _this_and_that(w: World, noun) -> tuple[NounPhrase, NounPhrase]:
    determiner = Determiner(w, noun, None)
    this, that = f"这{noun.measure}{noun.zh}", f"那{noun.measure}"
    if determiner.unit:
        return determiner.possessed(), NounPhrase(f"那{noun.measure}{noun.zh}", f"that {determiner.counted(False)}")
    return NounPhrase(this, f"this {noun.en}", noun=noun), NounPhrase(that, "that one")
