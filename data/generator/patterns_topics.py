"""Everyday topics: origin, languages, prices, age, weather, illness, the calendar."""

from __future__ import annotations

from dataclasses import replace

from actions import (
    named_action,
    placed,
    scene_action,
    time_word,
)
from clauses import Pair, clause
from descriptions import be, degree
from english import Aspect, article, join, third_singular
from phrases import (
    Determiner,
    definite_phrase,
    person,
    singular_person,
)
from registry import pattern, statement
from scenes import FREE_TIME, SCENES
from wordlists import FEARSOME, MALADIES, NUMBERS
from world import World


@pattern(9)
def origin(w: World) -> Pair:
    subject = person(w)
    country = w.s.word(w.names("country", "city"))
    return statement(
        f"{subject.zh}来自{country.zh}",
        join(subject.en, "comes" if third_singular(subject.agreement) else "come", "from", country.en),
    )


@pattern(9)
def speaking(w: World) -> Pair:
    subject = person(w)
    language = w.s.word(w.names("language"))
    verb = "speaks" if third_singular(subject.agreement) else "speak"
    do = "does" if third_singular(subject.agreement) else "do"
    zh, en = w.s.choice(
        (
            (f"会说{language.zh}", f"can speak {language.en}"),
            (f"不会说{language.zh}", f"cannot speak {language.en}"),
            (f"正在学习{language.zh}", f"{be(subject.agreement)} studying {language.en}"),
            (f"说{language.zh}说得很流利", f"{verb} {language.en} very fluently"),
            (f"想学{language.zh}", f"{'wants' if do == 'does' else 'want'} to learn {language.en}"),
        )
    )
    return statement(subject.zh + zh, join(subject.en, en))


@pattern(2)
def price(w: World) -> Pair:
    noun = w.s.word(
        [
            n
            for n in w.nouns(
                "clothes", "furniture", "device", "instrument", "toy", "document", "tool", "container", "food"
            )
            if n.countable and n.measure != "-"
        ]
    )
    thing = Determiner(w, noun, None).demonstrative()
    zh, en = w.s.choice(PRICES)
    time = time_word(w, "time_past") if w.s.chance(0.5) else None
    if time is None:
        return statement(f"{thing.zh}要{zh}", join(thing.en, "costs", en))
    subject = person(w)
    return statement(
        f"{subject.zh}{time.zh}花{zh}买了{thing.zh}", join(subject.en, "spent", en, "on", thing.en, time.en)
    )


PRICES = (
    ("五块钱", "five yuan"),
    ("十块钱", "ten yuan"),
    ("二十块钱", "twenty yuan"),
    ("五十块钱", "fifty yuan"),
    ("一百块钱", "one hundred yuan"),
    ("三百美元", "three hundred dollars"),
    ("一千块钱", "one thousand yuan"),
    ("两千美元", "two thousand dollars"),
)


@pattern(1.5)
def age(w: World) -> Pair:
    subject = singular_person(w)
    zh, en = w.s.choice(
        (*NUMBERS[1:], ("三十", "thirty"), ("四十", "forty"), ("五十", "fifty"), ("六十", "sixty"), ("八十", "eighty"))
    )
    return statement(f"{subject.zh}今年{zh}岁", join(subject.en, be(subject.agreement), en, "years old this year"))


@pattern(6)
def weather(w: World) -> Pair:
    adjective = w.s.word([a for a in w.lexicon.adjectives if "weather" in a.nouns and a.predicative])
    zh_place, en_place = ("", "")
    if w.s.chance(0.4):
        city = w.s.word(w.names("city"))
        zh_place, en_place = city.zh, f"in {city.en}"
    zh, en = degree(w, adjective)
    time = time_word(w, "time_past") if w.s.chance(0.4) else None
    if time is None:
        return statement(f"今天{zh_place}天气{zh}", join("the weather", en_place, "is", en, "today"))
    return statement(f"{time.zh}{zh_place}天气{zh}", join("the weather", en_place, "was", en, time.en))


@pattern(2.5)
def weather_event(w: World) -> Pair:
    noun = w.s.word([n for n in w.nouns("weather") if n.measure != "-"])
    city = w.s.word(w.names("city", "country"))
    time = time_word(w, "time_past")
    thing = Determiner(w, noun, None)
    en = thing.indefinite().en if noun.countable else f"some {noun.en}"
    if w.s.chance(0.5) or noun.en not in FEARSOME:
        return statement(
            f"{time.zh}{city.zh}有一{noun.measure}{noun.zh}", join("there was", en, "in", city.en, time.en)
        )
    event = w.s.word(
        [
            n
            for n in w.nouns("event")
            if n.en
            in ("concert", "wedding", "picnic", "competition", "race", "trip", "lesson", "exam", "party", "meeting")
        ]
    )
    return statement(
        f"因为{noun.zh}，{event.zh}被{w.s.variant('取消', '取消')}了",
        f"the {event.en} was cancelled because of the {noun.en}",
    )


@pattern(2)
def ailment(w: World) -> Pair:
    subject = person(w)
    noun = w.s.word([n for n in w.nouns("illness") if n.en in MALADIES])
    en = {"flu": "the flu"}.get(noun.en) or (f"{article(noun.en)} {noun.en}" if noun.countable else noun.en)
    zh = (
        noun.zh
        if noun.zh in ("感冒", "发烧", "咳嗽", "失眠", "头疼", "牙疼", "胃痛", "过敏", "感染")
        else f"得{noun.zh}"
    )
    if w.s.chance(0.35):
        may = "可能" if w.s.chance(0.5) else ""
        has = "has" if third_singular(subject.agreement) else "have"
        return statement(f"{subject.zh}{may}{zh}了", join(subject.en, "may have" if may else has, en))
    time = time_word(w, "time_past")
    return statement(f"{subject.zh}{time.zh}{zh}了", join(subject.en, "had", en, time.en))


_METALS = "wood iron steel copper plastic aluminum"
_CLOTHS = "wool silk cloth leather linen velvet cotton"
_MADE_OF = {
    "furniture": f"{_METALS} stone bamboo".split(),
    "container": f"{_METALS} clay glass silver gold tin jade bamboo cardboard".split(),
    "tool": _METALS.split(),
    "toy": f"{_METALS} rubber cloth cardboard".split(),
    "building": ["stone", "brick", "wood", "concrete", "cement", "steel", "bamboo"],
    "clothes": _CLOTHS.split(),
}
_NOT_MADE = frozenset(
    [
        "candle",
        "match",
        "sponge",
        "towel",
        "eraser",
        "thread",
        "mattress",
        "carpet",
        "rug",
        "curtain",
        "pillow",
        "cushion",
        "quilt",
        "blanket",
        "mirror",
        "balloon",
        "firecracker",
        "ring",
        "necklace",
        "earring",
        "bracelet",
        "crown",
        "helmet",
        "glass",
        "well",
        "rope",
        "boot",
        "raincoat",
    ]
)


@pattern(2.5)
def made_of(w: World) -> Pair:
    noun = w.s.word(
        [n for n in w.lexicon.nouns if n.cls in _MADE_OF and n.en not in _NOT_MADE and n.measure != "-" and n.countable]
    )
    thing = Determiner(w, noun, None).demonstrative()
    material = w.s.word([n for n in w.lexicon.nouns if n.en in _MADE_OF[noun.cls] and n.cls in ("material", "plant")])
    made = "built with" if noun.cls == "building" else "made of"
    return statement(
        f"{thing.zh}是用{material.zh}{'建' if noun.cls == 'building' else '做'}的",
        join(thing.en, "is", made, material.en),
    )


@pattern(2)
def interest(w: World) -> Pair:
    subject = person(w)
    noun = w.s.word(w.nouns("subject", "sport", "art", "idea"))
    thing = Determiner(w, noun, None)
    what = (
        thing.generic()
        if noun.cls in ("subject", "sport") or not noun.countable or not thing.measurable
        else w.s.choice((thing.demonstrative, thing.demonstrative_plural))()
    )
    negative = w.s.chance(0.2)
    return statement(
        f"{subject.zh}对{what.zh}{'不感兴趣' if negative else '很感兴趣'}",
        join(subject.en, be(subject.agreement), "not" if negative else "very", "interested in", what.en),
    )


@pattern(2)
def full_of_feeling(w: World) -> Pair:
    subject = person(w)
    noun = w.s.word(w.nouns("feeling"))
    zh_own, en_own = subject.own
    if w.s.chance(0.5):
        return statement(
            f"{zh_own}心里充满了{noun.zh}",
            join(en_own, "hearts were" if subject.agreement.plural else "heart was", "full of", noun.en),
        )
    time = time_word(w, "time_past")
    return statement(
        f"{time.zh}{subject.zh}的脸上露出了{noun.zh}",
        join("there was", noun.en, "on", en_own, "faces" if subject.agreement.plural else "face", time.en),
    )


@pattern(6)
def seasons(w: World) -> Pair:
    """Sentences about times of day, seasons and other stretches of time."""
    noun = w.s.word(w.nouns("time_noun"))
    zh, en, aspect = TIMES.get(noun.en) or (f"那个{noun.zh}", f"that {noun.en}", Aspect.PAST)
    subject = person(w)
    if aspect is Aspect.PRESENT or noun.en == "childhood":
        habit = named_action(w, subject, FREE_TIME + w.s.choice(SCENES), generic=True)
        action = replace(habit, zh_adverb="经常", en_middle="often", takes_le=False)
    else:
        action = scene_action(w, subject, w.s.choice(SCENES))
    told = clause(w.s, subject, placed(w, action, 0.2), aspect)
    front = w.s.chance(0.4)
    return statement(f"{zh}，{told.zh}" if front else zh + told.zh, f"{en}, {told.en}" if front else join(told.en, en))


TIMES = {
    "noon": ("中午", "at noon", Aspect.PRESENT),
    "midnight": ("午夜", "at midnight", Aspect.PRESENT),
    "dawn": ("黎明时分", "at dawn", Aspect.PRESENT),
    "dusk": ("黄昏时分", "at dusk", Aspect.PRESENT),
    "century": ("上个世纪", "in the last century", Aspect.PAST),
    "decade": ("十年前", "a decade ago", Aspect.PAST),
    "hour": ("一个小时前", "an hour ago", Aspect.PAST),
    "moment": ("在那个时刻", "at that moment", Aspect.PAST),
    "childhood": ("在童年的时候", "in childhood", Aspect.PAST),
    "season": ("每个季节", "every season", Aspect.PRESENT),
    "month": ("那个月份", "that month", Aspect.PAST),
}


@pattern(10)
def calendar(w: World) -> Pair:
    """Events held on a weekday or in a month."""
    day = w.s.word(w.names("weekday", "month"))
    event = w.s.word([n for n in w.nouns("event") if n.en in SCHEDULED])
    thing = definite_phrase(w, event, adjective=0.2)
    preposition = "on" if day.kind == "weekday" else "in"
    if w.s.chance(0.5):
        return statement(f"{thing.zh}将在{day.zh}举行", join(thing.en, "will be held", preposition, day.en))
    subject = person(w)
    action = named_action(w, subject, FREE_TIME + SCENES[3], generic=True)
    told = clause(w.s, subject, replace(action, zh_adverb="通常", en_middle="usually"), Aspect.PRESENT)
    return statement(told.zh.replace(subject.zh, f"{subject.zh}{day.zh}", 1), join(told.en, preposition, day.en))


SCHEDULED = frozenset(
    [
        "meeting",
        "conference",
        "interview",
        "lecture",
        "exam",
        "ceremony",
        "wedding",
        "funeral",
        "party",
        "banquet",
        "concert",
        "exhibition",
        "performance",
        "rehearsal",
        "competition",
        "tournament",
        "race",
        "election",
        "debate",
        "negotiation",
        "trial",
    ]
)
