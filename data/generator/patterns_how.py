"""How much, how long, how often, how far."""

from __future__ import annotations

from actions import recent_time, scene_action, time_word
from clauses import Pair
from english import join, third_singular
from phrases import YOU, Determiner, NounPhrase, third_person
from registry import pattern, question
from scenes import SCENES
from world import World


def _asked(w: World) -> NounPhrase:
    return YOU if w.s.chance(0.4) else third_person(w)


@pattern(0.6)
def how_much(w: World) -> Pair:
    nouns = w.nouns("clothes", "furniture", "device", "toy", "document", "tool", "food", "drink")
    noun = w.s.word([n for n in nouns if Determiner(w, n, None).measurable])
    thing = Determiner(w, noun, None).demonstrative()
    return question(f"{thing.zh}多少钱", f"how much is {thing.en}")


@pattern(0.6)
def how_long(w: World) -> Pair:
    subject, time = _asked(w), recent_time(w)
    zh, en = w.s.choice((("睡", "sleep"), ("等", "wait"), ("休息", "rest"), ("工作", "work")))
    return question(f"{subject.zh}{time.zh}{zh}了多久", f"how long did {subject.en} {en} {time.en}")


@pattern(0.9)
def how_often(w: World) -> Pair:
    subject = _asked(w)
    does = "does" if third_singular(subject.agreement) else "do"
    action = scene_action(w, subject, w.s.choice(SCENES[:4]), generic=True)
    return question(f"{subject.zh}多久{action.zh_plain()}一次", f"how often {does} {subject.en} {action.infinitive()}")


@pattern(1.2)
def how_far(w: World) -> Pair:
    here, there = (w.s.word(w.names("city")) for _ in range(2))
    return question(f"{here.zh}离{there.zh}有多远", f"how far is {here.en} from {there.en}")


@pattern(2)
def something_or_everything(w: World) -> Pair:
    subject, time = _asked(w), time_word(w, "time_past")
    zh, en = w.s.choice((("忘记了一切", "forget everything"), ("发现了某事", "discover something")))
    return question(f"{subject.zh}{time.zh}{zh}吗", join("did", subject.en, en, time.en))
