"""Going somewhere by some means, alone, with somebody or for a purpose."""

from __future__ import annotations

from dataclasses import replace

from actions import (
    Situation,
    scene_action,
    time_word,
)
from clauses import Action, Pair
from english import VerbForms
from patterns_events import said
from phrases import (
    object_person,
    person,
)
from registry import pattern
from scenes import PLACE_NAMES, SCENES
from wordgroups import ROAD
from world import World


@pattern(3)
def journey(w: World) -> Pair:
    """Going somewhere by some means, alone or for a purpose."""
    subject = person(w)
    zh_place, en_place = destination(w)
    if w.s.chance(0.5):
        action = scene_action(w, subject, w.s.choice(SCENES))
        zh_place, en_place = destination_for(w, action)
        return said(
            w,
            subject,
            _going(f"{zh_place}{action.zh_plain()}", f"to {en_place} to {action.infinitive()}"),
            _trip_time(w),
        )
    if w.s.chance(0.5):
        vehicle = w.s.word([n for n in w.nouns("vehicle") if n.en in RIDDEN])
        means = replace(
            _going(zh_place, f"to {en_place} by {vehicle.en}"),
            zh_before=f"{'骑' if vehicle.en in ('bicycle', 'motorcycle') else '坐'}{vehicle.zh}",
        )
        return said(w, subject, means, _trip_time(w))
    other = object_person(w, subject)
    return said(
        w,
        subject,
        replace(_going(zh_place, f"to {en_place} with {other.obj}"), zh_before=f"和{other.zh}一起"),
        _trip_time(w),
    )


RIDDEN = ROAD & {"car", "taxi", "bus", "motorcycle"} | {
    "bicycle",
    "train",
    "tram",
    "subway",
    "plane",
    "ship",
    "ferry",
    "boat",
}


def _going(zh: str, en: str) -> Action:
    return Action(VerbForms("go", "went", "gone", "going", "goes"), "去", zh, en)


def _trip_time(w: World) -> Situation:
    kind = w.s.choice(("time_past", "time_past", "time_future"))
    time = time_word(w, kind)
    return Situation(time.aspect, False, time)


def destination_for(w: World, action: Action) -> tuple[str, str]:
    """Where one goes to do that; a city where no kind of place suggests itself."""
    names = PLACE_NAMES.get(action.verb.en, ()) if action.verb else ()
    nouns = [n for n in w.nouns("building", "place") if n.en in names]
    if nouns and w.s.chance(0.8):
        noun = w.s.word(nouns)
        return noun.zh, f"the {noun.en}"
    city = w.s.word(w.names("city", "country"))
    return city.zh, city.en


def destination(w: World) -> tuple[str, str]:
    if w.s.chance(0.35):
        city = w.s.word(w.names("city", "country"))
        return city.zh, city.en
    noun = w.s.word([n for n in w.nouns("building", "place") if n.en in DESTINATIONS])
    return noun.zh, f"the {noun.en}"


DESTINATIONS = frozenset(
    [
        "school",
        "university",
        "hospital",
        "clinic",
        "pharmacy",
        "bank",
        "library",
        "museum",
        "theater",
        "cinema",
        "hotel",
        "restaurant",
        "cafe",
        "bar",
        "canteen",
        "shop",
        "supermarket",
        "bakery",
        "bookstore",
        "mall",
        "factory",
        "office",
        "station",
        "airport",
        "church",
        "temple",
        "embassy",
        "stadium",
        "gym",
        "laboratory",
        "park",
        "beach",
        "market",
        "village",
        "zoo",
        "island",
        "farm",
        "harbor",
        "square",
        "playground",
        "cemetery",
        "palace",
        "castle",
        "kindergarten",
        "dock",
    ]
)
