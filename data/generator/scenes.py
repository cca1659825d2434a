"""What happens together or follows from what: the little world knowledge behind sentences of two clauses.

An action is written `verb` or `verb:class`, where the class restricts the object's nouns.
"""

from __future__ import annotations

Actions = tuple[str, ...]


def _actions(text: str) -> Actions:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# Actions of one setting: what one may do before, after or instead of one another.
SCENES = tuple(
    map(
        _actions,
        (
            "cook, wash:clothes, clean:room, sweep, wipe, iron, mend, fold, water, feed, "
            "repair:furniture, prepare:food, "
            "decorate:room, listen to, read, look after:animal, pack, drink, wash:container",
            "read, write, translate, copy, study, memorize, borrow:device, browse, edit, "
            "practise:instrument, research, print",
            "buy:clothes, try on, choose:clothes, visit:building, order, drink, rent:vehicle, buy:food, buy:toy, "
            "call on, sell:furniture, buy:device, buy:furniture",
            "watch, play, practise, listen to, draw, photograph, play with, swim, dance, sing, walk, run, "
            "exercise, visit, "
            "take part in, chat, collect:toy",
            "review, print, copy, hand in, discuss, analyze, organize, edit, hold, design, test, improve, "
            "consider, check:document, prepare:document, interview",
            "plant, water, grow, raise, feed, look after:animal, wash:vehicle, repair:tool",
            "invite, meet, call on, thank, help, comfort, welcome, greet, encourage, praise, interview",
        ),
    )
)

OUTDOORS = _actions(
    "visit, cross, explore, climb, swim, walk, run, photograph:nature, plant, set off, travel, wash:vehicle, "
    "observe:nature, play with"
)
INDOORS = _actions(
    "read, clean:room, cook, rest, listen to, watch:art, sleep, iron, play, translate, study, "
    "draw:person, wipe, play with"
)
FREE_TIME = _actions(
    "read, watch, visit, learn, clean:room, repair, call on, practise, cook, draw, listen to, explore, "
    "exercise, travel, "
    "photograph, try on, paint, collect"
)

# State -> (what people do because of it, what they do not do).
_STATES = {
    "tired": (
        "sleep, rest, lie down, sit down",
        "cook, clean, wash, run, exercise, practise, climb, dance, repair, sweep, visit",
    ),
    "hungry": ("eat, cook, order:food, buy:food, prepare:food", "study, practise, exercise, run, sing, clean, work"),
    "thirsty": ("drink, buy:drink, order:drink", "run, exercise, chat, sing, dance"),
    "busy": (
        "stay up, cancel, delay, work",
        "rest, sleep, exercise, watch, visit, play with, cook, read, call on, chat, travel, look "
        "after:animal, take part in",
    ),
    "angry": (
        "shout, quarrel, criticize, blame, tear up, resign, fight",
        "laugh, smile, forgive, thank, greet, invite, help, share",
    ),
    "nervous": (
        "drop:container, break:container, cough, forget:event, cry",
        "sleep, sing, explain, smile, eat, rest, finish:art",
    ),
    "sleepy": ("sleep, lie down, drink, rest", "study, read, watch, write, review, work, discuss, translate"),
    "sad": (
        "cry, tear up, burn:document, stay up, throw away:toy",
        "sing, dance, laugh, smile, eat, take part in, celebrate, wear",
    ),
    "happy": (
        "sing, dance, smile, laugh, hug, invite, thank, kiss, share:food, celebrate",
        "cry, quarrel, criticize, blame",
    ),
    "excited": (
        "shout, jump, hug, sing, dance, stay up, photograph, stand up",
        "sleep, rest, sit down, finish:document",
    ),
    "lonely": ("cry, call on, invite, write, look for:person, raise", "laugh, sing, dance, smile, celebrate"),
    "surprised": ("shout, drop:container, stand up, photograph, stop", "smile, recognize:person, greet"),
    "calm": ("explain, discuss, analyze, consider, sit down, forgive", "cry, shout, quarrel, fight, escape"),
    "proud": ("smile, invite, celebrate, stand up", "apologize, thank, cry, forgive"),
    "glad": ("smile, thank, hug, welcome, invite, celebrate, accept, praise", "cry, quarrel, blame, criticize"),
    "free": (
        "visit, watch, read, listen to, practise, call on, walk, swim, cook, draw, learn",
        "work, stay up, review, hand in",
    ),
}
STATES = {state: (_actions(done), _actions(left)) for state, (done, left) in _STATES.items()}

# Trait -> what such people often do, and what one would not expect of them.
_TRAITS = {
    "generous": ("help, invite, share:food", "criticize"),
    "diligent": ("read, study, review, work, practise, translate, memorize", "travel, sleep, play with"),
    "kind": ("help, look after, comfort, save, feed, forgive", "criticize, quarrel, blame"),
    "lazy": ("sleep, rest, lie down", "cook, clean, exercise, wash, sweep, study"),
    "curious": ("read, observe, explore, visit, test", "sleep"),
    "brave": ("save, protect, help, climb, explore", "cry, escape"),
    "strict": ("criticize, check, blame", "praise, help, encourage, comfort, laugh"),
    "friendly": ("greet, help, welcome, chat, invite, hug", "criticize, quarrel"),
    "polite": ("greet, thank, welcome, apologize", "shout, quarrel"),
    "rich": ("buy, travel, collect, invite", "repair, mend, cook, wash, work, clean"),
    "poor": ("work, borrow, mend, repair", "help, invite, travel, share:food"),
    "healthy": ("exercise, run, swim, practise:sport", "cough, drink"),
    "careful": ("check, review, observe, test, calculate", "lose, break, drop, forget"),
    "careless": ("lose, break, drop, forget", "review, check"),
    "rude": ("shout, quarrel, blame, criticize", "help, thank, apologize"),
    "stubborn": ("quarrel, oppose:event", "apologize, listen to"),
    "confident": ("sing, dance, smile, take part in", "cry"),
    "talented": ("sing, dance, draw, create, write, invent", "cry, quarrel"),
    "patient": ("teach, explain, look after, wait, repair", "shout, blame"),
    "shy": ("cry, read, hide", "sing, dance, take part in, greet, interview"),
    "selfish": ("quarrel, ignore:person", "help, thank, share"),
    "fat": ("eat, rest", "exercise, run, swim, dance, climb"),
    "slim": ("exercise, dance", "eat, cook"),
    "weak": ("rest, lie down, cough", "exercise, run, work, help, carry"),
    "strong": ("exercise, lift, move, run, carry", "cry, rest"),
    "young": ("dance, run, practise, learn", "look after, help, stay up, manage, teach"),
    "clever": ("win, read, invent, learn, explain", "lose, forget"),
    "stupid": ("lose, forget, break", "read, win, study"),
    "serious": ("work, review, study, criticize", "laugh, sing, play with, dance"),
    "greedy": ("eat, collect, steal", "share, help"),
    "loyal": ("help, protect:building, support", "quarrel"),
    "honest": ("apologize, help", "steal, hide"),
    "creative": ("draw, create, design, write, invent", "browse"),
}
TRAITS = {trait: (_actions(fitting), _actions(contrary)) for trait, (fitting, contrary) in _TRAITS.items()}

# Quality of a thing -> (what one does with it because of that, what one does not do).
_QUALITIES = {
    "expensive": ("sell, borrow", "buy, rent, order, choose"),
    "cheap": ("buy, rent, order, choose", "sell"),
    "heavy": ("push", "lift, move, carry"),
    "light": ("lift, buy, borrow", "throw away"),
    "dirty": ("wash, clean, wipe", "wear, put on, use, rent"),
    "clean": ("enter, rent", "wash, clean, wipe"),
    "delicious": ("eat, order, buy, share, drink", "throw away"),
    "tasty": ("eat, order, buy, share", "hate"),
    "fresh": ("buy, eat, cook", "throw away"),
    "sour": ("throw away", "drink, order"),
    "bitter": ("throw away", "drink, order"),
    "cold": ("order", "drink"),
    "hot": ("share", "drink, eat"),
    "spicy": ("order", "eat, taste"),
    "interesting": ("read, borrow, buy, translate, watch, study, discuss, listen to", "forget"),
    "boring": ("close", "read, watch, listen to, translate, study, buy, take part in"),
    "difficult": ("discuss, research", "translate, read, study, memorize"),
    "easy": ("read, memorize", "discuss"),
    "old": ("throw away, repair, fix, mend", "wear, use, drive"),
    "new": ("buy, test, try on, read", "throw away, repair, mend"),
    "sharp": ("use, borrow", "throw away"),
    "blunt": ("throw away", "use, buy"),
    "useful": ("buy, borrow, use, keep", "throw away"),
    "useless": ("throw away, sell", "buy, use, borrow"),
    "beautiful": ("photograph, draw, water, plant", "forget"),
    "pretty": ("buy, put on, choose", "throw away"),
    "ugly": ("sell, throw away", "buy, wear, put on"),
    "comfortable": ("buy, rent, wear, choose", "sell"),
    "dangerous": ("observe, fear", "touch, feed, explore, cross"),
    "lovely": ("photograph, draw, feed, raise, touch", "hurt, sell"),
    "moving": ("watch, listen to, admire", "forget"),
    "romantic": ("watch, listen to, admire", "finish"),
    "funny": ("watch, read, listen to", "close"),
    "wonderful": ("read, translate, watch, publish, listen to, admire", "close"),
    "crowded": ("leave", "enter, visit, rent"),
    "messy": ("clean, sweep", "enter, rent"),
    "important": ("keep, copy, read, review, discuss", "lose, throw away, forget, cancel, ignore"),
    "wet": ("take off, iron", "wear, put on, fold, pack"),
    "dry": ("fold, iron, put on", "wash"),
    "empty": ("fill, clean", "steal"),
    "full": ("empty", "lift, fill, carry"),
    "practical": ("buy, use, study", "sell"),
    "convenient": ("buy, use, borrow", "sell"),
    "popular": ("buy, watch, learn, practise", "forget"),
    "complicated": ("discuss, analyze", "use, install, repair"),
    "slow": ("sell", "buy, rent"),
    "thick": ("put on, wear", "pack"),
    "thin": ("take off", "wear, put on"),
    "naughty": ("train", "raise"),
    "tame": ("touch, feed, raise", "fear"),
    "valuable": ("hide, collect, steal", "sell, throw away"),
    "reasonable": ("discuss, talk about", "ignore"),
    "ridiculous": ("ignore", "consider, value"),
    "quiet": ("visit, rent", "leave"),
    "fashionable": ("buy, wear, try on", "throw away"),
}
QUALITIES = {quality: (_actions(done), _actions(left)) for quality, (done, left) in _QUALITIES.items()}

# What one person does to a thing and then does, or has another do, to the same thing.
FOLLOW_UPS = tuple(
    (pair.split(" > ")[0].strip(), pair.split(" > ")[1].strip())
    for pair in [
        "write > read",
        " cook > eat",
        " sell > buy",
        " lose > look for",
        " publish > read",
        " plant > water",
        " repair > use",
        " repair > borrow",
        " hold > take part in",
        " organize > take part in",
        " invent > use",
        " create > admire",
        " translate > read",
        " hide > look for",
        " drop:document > pick up",
        " wash:clothes > iron",
        " iron > fold",
        " wash:clothes > fold",
        " copy > hand in",
        " print > hand in",
        " edit > publish",
        " design:building > build",
        " build > visit",
        " build > decorate",
        " buy:food > cook",
        " buy:clothes > wear",
        " try on > buy",
        " order:food > eat",
        " order:drink > drink",
        " write > edit",
        " open > read",
        " receive > read",
        " make:toy > sell",
        " buy:clothes > put on",
        " buy:document > read",
        " buy:toy > play with",
        " buy:furniture > move",
        " read > throw away",
        " buy:device > install",
        " buy:vehicle > drive",
        " rent:vehicle > drive",
        " catch > kill",
        " prepare:food > share",
        " find:toy > hide",
        " find:document > copy",
        " borrow:device > test",
        " design:clothes > sell",
        " make:tool > test",
        " make:furniture > paint",
        " receive > tear up",
        " receive > keep",
        " cook > taste",
        " wash:vehicle > drive",
        " steal:vehicle > sell",
        " invent > improve",
        " raise > sell",
        " feed > touch",
        " find:tool > use",
        " pick up > keep",
        " receive > translate",
        " print > check",
        " discuss:event > cancel",
    ]
)

# What one wants -> what one does for it.
_PURPOSES = {
    "cook": "buy:food, borrow:tool",
    "study:subject": "borrow:device, buy:document, read",
    "master:subject": "read, buy:document, translate",
    "learn:instrument": "buy:instrument, borrow:instrument",
    "repair": "buy:tool, borrow:tool, look for:tool",
    "fix": "buy:tool, borrow:tool",
    "visit": "set off, rent:vehicle, rise early",
    "decorate:room": "buy:furniture, clean:room, paint, move",
    "photograph:nature": "rise early, stay up, travel",
    "photograph:animal": "rise early, follow, travel",
    "research:subject": "read, travel, interview",
    "research:illness": "read, interview, analyze",
    "write": "interview, read, stay up, travel",
    "treat:illness": "rest, exercise, come back",
    "hold:event": "clean:room, invite, rent:room",
    "buy:vehicle": "sell:furniture, work",
    "buy:furniture": "sell:vehicle, work",
    "find:document": "check:room, stay up",
    "protect:plant": "build:building, study",
    "prevent:illness": "exercise, research, clean",
    "finish:document": "stay up, read, work",
    "finish:art": "stay up, practise",
    "save:animal": "stay up, rise early",
    "celebrate": "cook, invite, decorate, buy:food",
    "understand:idea": "discuss, read, analyze",
    "explain:idea": "write",
}
PURPOSES = {goal: _actions(means) for goal, means in _PURPOSES.items()}

# What somebody does -> what another person can do thanks to it.
_BENEFITS = {
    "buy:document": "study:subject, read",
    "repair:vehicle": "set off, travel, work",
    "turn off": "sleep, rest, work",
    "clean:room": "rest, sleep, work, read",
    "cook": "rest, work",
    "rent:vehicle": "travel, set off",
    "rent:room": "work, live, rest",
    "fix:device": "work, listen to",
    "look after:animal": "travel, rest",
    "buy:instrument": "practise:instrument, play",
    "buy:tool": "repair:furniture, repair:tool",
    "translate": "review, read",
    "move": "dance, sweep, exercise",
}
BENEFITS = {cause: _actions(effect) for cause, effect in _BENEFITS.items()}

# During such events (English nouns) people do such things.
_OCCASIONS = (
    (
        "war battle revolution famine drought flood earthquake crisis",
        "help, save, protect, lose, hide, look for:person, comfort",
    ),
    ("holiday trip journey festival", "read, visit, photograph, watch, learn, buy:clothes, swim, taste"),
    (
        "meeting conference lecture debate negotiation interview",
        "discuss, explain, analyze, record, mention, thank, criticize",
    ),
    ("strike protest election", "interview, criticize, report, stop, support, photograph:person"),
    (
        "party wedding banquet picnic concert birthday",
        "sing, dance, thank, hug, photograph:person, eat, taste, meet, greet",
    ),
)
OCCASIONS = tuple((tuple(events.split()), _actions(actions)) for events, actions in _OCCASIONS)

# Where one does it: rooms, buildings and places by English name; other actions are set in a city or country.
PLACES = (
    ("cook, prepare, mix, taste", "kitchen canteen restaurant"),
    ("eat, drink, order, serve, share", "restaurant cafe canteen kitchen parlor office bar hotel park"),
    ("wash, iron, mend, fold, pack", "bedroom room laundry dormitory bathroom basement"),
    (
        "read, translate, write, copy, print, study, memorize, browse, edit, review, research, borrow, cite, "
        "compare, calculate",
        "study library classroom office dormitory bedroom school university college laboratory cafe",
    ),
    (
        "listen to, play, practise, admire, create, perform, tune, master",
        "parlor hall school room park bedroom studio church",
    ),
    ("watch", "parlor hall school bedroom theater stadium gym"),
    (
        "repair, fix, test, check, use, improve, invent, install, start",
        "garage factory office basement laboratory warehouse",
    ),
    ("buy, sell, choose, try on", "shop market supermarket mall store"),
    (
        "discuss, analyze, explain, understand, organize, hold, prepare, report, hand in, talk about, compare",
        "office hall classroom school embassy university",
    ),
    (
        "meet, hug, greet, thank, kiss, welcome, interview, praise, criticize, blame, comfort, recognize, "
        "introduce, invite, stop",
        "station airport park beach street school hotel market square hospital office cafe village",
    ),
    (
        "play with, hide, throw away, pick up, collect, lose, find, look for",
        "park garden playground bedroom parlor beach attic",
    ),
    ("plant, water, grow, raise, feed, look after", "garden farm field orchard greenhouse village zoo barn"),
    ("train, catch, chase, touch, observe, photograph, draw", "zoo farm park field village garden"),
    ("sleep, lie down", "bedroom dormitory hotel tent lounge"),
    (
        "rest, sit down, wait, chat, smile, laugh, cry, cough, whisper",
        "lounge parlor hotel garden park hospital cafe office station",
    ),
    ("walk, run, exercise, jump", "park playground beach square gym street"),
    ("dance, sing", "hall parlor park theater square bar"),
    ("work", "office hospital factory school farm bank shop library warehouse supermarket"),
    ("fight, quarrel, shout", "street bar playground classroom market corridor"),
    ("steal", "shop station hotel airport market museum"),
)
PLACE_NAMES = {verb: tuple(names.split()) for verbs, names in PLACES for verb in _actions(verbs)}
