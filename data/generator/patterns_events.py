"""One-clause statements about events: what people, institutions and animals do."""

from __future__ import annotations

from dataclasses import replace

from actions import (
    Situation,
    deliberate,
    embellished,
    frame_verbs,
    intransitive,
    named_action,
    organization_action,
    placed,
    situation,
    special_time,
    time_word,
    transitive,
    with_object,
)
from clauses import Action, Pair, clause
from descriptions import be
from english import Aspect, VerbForms, join, third_singular
from phrases import (
    NounPhrase,
    definite_phrase,
    object_phrase,
    person,
)
from registry import pattern, statement
from scenes import FREE_TIME, SCENES
from wordgroups import FLYERS, PREDATORS, PREY
from wordlists import PSYCH
from world import World, has_progressive, is_stative


def said(w: World, subject: NounPhrase, action: Action, state: Situation) -> Pair:
    told = clause(w.s, subject, action, state.aspect, negative=state.negative, time=state.time)
    if w.s.chance(0.05):
        adverb = w.s.word(w.adverbs("sentence"))
        # "Fortunately, ..." already fronts an adverbial, so the time word stays at the end.
        told = clause(w.s, subject, action, state.aspect, negative=state.negative, time=state.time, embedded=True)
        comma = "" if adverb.en == "perhaps" else ","
        return statement(f"{adverb.zh}，{told.zh}", f"{adverb.en}{comma} {told.en}")
    return statement(told.zh, told.en)


@pattern(17)
def event(w: World) -> Pair:
    subject = person(w)
    action = transitive(w, subject, lambda v: not is_stative(v))
    state = situation(w, action.verb)
    return said(w, subject, embellished(w, action, subject, state), state)


@pattern(4)
def bodily_event(w: World) -> Pair:
    subject = person(w)
    action = intransitive(w)
    state = situation(w, action.verb)
    if state.aspect is Aspect.EXPERIENCE:
        state = Situation(Aspect.PAST, False, time_word(w, "time_past"))
    return said(w, subject, embellished(w, action, subject, state), state)


@pattern(9)
def habit(w: World) -> Pair:
    subject = person(w)
    if w.s.chance(0.6):
        action = named_action(w, subject, FREE_TIME + w.s.choice(SCENES), generic=True)
    else:
        action = transitive(w, subject, has_progressive, generic=True)
    if w.s.chance(0.5):
        adverb = w.s.word(w.adverbs("frequency"))
        habitual = replace(placed(w, action, 0.4), zh_adverb=adverb.zh, en_middle=adverb.en)
        return said(w, subject, habitual, Situation(Aspect.PRESENT))
    time = time_word(w, "time_present")
    action = placed(w, action, 0.2)
    zh_all = "都" if time.zh.startswith("每") else ""
    told = clause(w.s, subject, replace(action, zh_adverb=zh_all), Aspect.PRESENT, time=time)
    if zh_all and w.s.chance(0.12):
        return statement(told.zh.replace(time.zh, "几乎" + time.zh), told.en.replace(time.en, "almost " + time.en, 1))
    return statement(told.zh, told.en)


@pattern(5)
def attitude(w: World) -> Pair:
    subject = person(w)
    action = transitive(w, subject, is_stative, generic=True)
    verb = action.verb
    if verb is not None and verb.en in PSYCH and w.s.chance(0.4):
        adverb = w.s.choice((("很", "very much"), ("非常", "very much")))
        strong = replace(action, zh_adverb=adverb[0], en_after=adverb[1])
        return said(w, subject, strong, Situation(Aspect.PRESENT))
    if verb is not None and verb.en in ("like", "love", "hate", "fear") and w.s.chance(0.5):
        return said(w, subject, replace(action, zh_adverb="尤其", en_middle="especially"), Situation(Aspect.PRESENT))
    return said(w, subject, action, Situation(Aspect.PRESENT, w.s.chance(0.25)))


@pattern(2)
def used_to(w: World) -> Pair:
    subject = person(w)
    action = placed(w, transitive(w, subject, lambda v: has_progressive(v) or v.en in PSYCH, generic=True))
    if action.verb is not None and not is_stative(action.verb) and w.s.chance(0.3):
        past = special_time(w, "in the past")
        en = join(subject.en, "often", action.forms.past, action.en_rest)
        return statement(f"{past.zh}{subject.zh}常常{action.zh_plain()}", f"{past.en}, {en}")
    zh = w.s.choice((f"{subject.zh}以前常常{action.zh_plain()}", f"以前{subject.zh}常常{action.zh_plain()}"))
    if action.verb is not None and is_stative(action.verb):
        zh = zh.replace("常常", "很", 1)
    return statement(zh, join(subject.en, "used to", action.infinitive()))


MODALS = (
    ("可以", "can", "不可以", "can not", 5),
    ("能", "can", "不能", "can not", 4),
    ("应该", "should", "不应该", "should not", 5),
    ("必须", "must", "不用", "do not have to", 5),
    ("可能会", "may", "可能不会", "may not", 4),
    ("不得不", "have to", "", "", 2),
    ("想要", "want to", "不想", "do not want to", 3),
)


@pattern(5)
def modality(w: World) -> Pair:
    subject = person(w)
    action = placed(w, deliberate(w, subject), 0.25)
    zh, en, zh_not, en_not, _ = w.s.weighted([(modal, modal[4]) for modal in MODALS])
    if zh_not and w.s.chance(0.3):
        zh, en = zh_not, en_not
    if third_singular(subject.agreement):
        en = {"have to": "has to", "want to": "wants to"}.get(en, en).replace("do not", "does not")
    en = w.s.variant(en, {"may": "might", "can not": "can't", "must": "have to" if en == "must" else en}.get(en, en))
    if en == "have to" and zh == "必须" and third_singular(subject.agreement):
        en = "has to"
    when = time_word(w, "time_future") if w.s.chance(0.25) and zh != "想要" else None
    return statement(
        f"{subject.zh}{when.zh if when else ''}{zh}{action.zh_plain()}",
        join(subject.en, en.replace("can not", "cannot"), action.infinitive(), when.en if when else ""),
    )


@pattern(5)
def intention(w: World) -> Pair:
    """Verbs with an infinitive: 决定, 打算, 开始 ..."""
    subject = person(w)
    verb = w.s.word([v for v in frame_verbs(w, "infinitive")])
    action = deliberate(w, subject)
    en_object = f"to {action.infinitive()}"
    if verb.en in ("begin", "continue"):
        en_object = w.s.variant(en_object, action.gerund())
    forms = VerbForms.of(verb)
    if verb.en == "begin":
        forms = w.s.variant(forms, VerbForms("start", "started", "started", "starting", "starts"))
    whole = Action(forms, verb.zh, action.zh_plain(), en_object, verb=verb, takes_le=False)
    if verb.en in ("want", "plan", "wish", "need", "long", "intend", "dare"):
        return said(w, subject, whole, Situation(Aspect.PRESENT, verb.en not in ("plan", "long") and w.s.chance(0.25)))
    return said(w, subject, whole, Situation(Aspect.PAST, False, time_word(w, "time_past")))


@pattern(2)
def going_to(w: World) -> Pair:
    subject = person(w)
    action = placed(w, deliberate(w, subject))
    time = time_word(w, "time_future")
    zh = w.s.choice((f"{subject.zh}{time.zh}要{action.zh_plain()}", f"{time.zh}{subject.zh}要{action.zh_plain()}"))
    return statement(zh, join(subject.en, be(subject.agreement), "going to", action.infinitive(), time.en))


@pattern(5)
def institution(w: World) -> Pair:
    subject, action = organization_action(w)
    return said(w, subject, action, situation(w, action.verb))


@pattern(3)
def animal_life(w: World) -> Pair:
    hunting = w.s.chance(0.45)
    verbs = [v for v in w.lexicon.verbs if v.en in (ANIMAL_HUNTING if hunting else ANIMAL_LIVING)]
    verb = w.s.word(verbs)
    hunters = PREDATORS if hunting else (FLYERS if verb.en == "fly" else None)
    subject = definite_phrase(w, w.s.word([n for n in w.nouns("animal") if hunters is None or n.en in hunters]))
    if not hunting:
        action = Action(VerbForms.of(verb), verb.zh, verb=verb)
        state = situation(w, verb)
        state = state if state.aspect is not Aspect.EXPERIENCE else Situation(Aspect.PROGRESSIVE)
        return said(w, subject, action, state)
    noun = w.s.word([n for n in w.nouns("animal") if n.en in PREY and n != subject.noun])
    w.s.note_pair(verb, noun)
    action = placed(w, with_object(verb, object_phrase(w, noun, adjective=0.2)))
    return said(w, subject, action, situation(w, verb))


ANIMAL_HUNTING = frozenset(("chase", "catch", "attack", "see", "kill", "frighten"))
ANIMAL_LIVING = frozenset(("sleep", "run", "jump", "fly", "rest", "escape", "disappear", "appear", "die", "wake up"))
