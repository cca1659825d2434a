"""Which manner adverbs go with which verbs."""

from __future__ import annotations

# These go with nearly everything people do.
_GENERAL = frozenset(("quickly", "slowly", "immediately", "again", "alone", "personally", "quietly"))
_PARTICULAR = {
    "carefully": (
        "read, check, review, wash, clean, wipe, open, choose, pack, observe, measure, write, edit, test, fold, weigh"
    ),
    "carelessly": "write, drive, pack, wash, calculate, drop, throw away, park, copy, paint",
    "loudly": "sing, laugh, shout, cry, cough, quarrel, read, praise",
    "happily": "sing, dance, eat, drink, chat, play with, celebrate, welcome, laugh, wear, try on, invite, watch",
    "sadly": "cry, burn, tear up, sell, leave",
    "angrily": "shout, criticize, blame, tear up, throw away, leave, quarrel, stop, chase, push",
    "nervously": "wait, open, drink, smile, laugh, explain, look for, walk, cough, rehearse",
    "calmly": "explain, discuss, wait, analyze, chat, consider, drink, read, sit down",
    "patiently": "wait, teach, explain, train, feed, look after, repair, help, comfort, listen to",
    "politely": "greet, thank, welcome, invite, smile, apologize, call on, praise, criticize, stop",
    "bravely": "save, protect, help, climb, chase, fight, explore, overcome, stop, criticize",
    "gently": "touch, wipe, hug, kiss, push, close, wash, comfort, cover, pull, lift, fold",
    "secretly": "steal, hide, read, copy, sell, burn, photograph, follow, meet, laugh, record, observe, cry, buy",
    "openly": "criticize, praise, support, oppose, discuss, publish, blame, sell, thank, apologize, talk about",
    "eagerly": "discuss, welcome, study, read, eat, look for, collect, talk about, praise, practise",
    "easily": "repair, fix, find, lift, win, learn, recognize, finish, overcome, move, install, catch",
    "successfully": (
        "repair, hold, organize, invent, cure, train, install, finish, rebuild, treat, prevent, grow, raise"
    ),
    "by accident": "see, notice, meet, break, discover, lose, find, destroy, hurt, burn, hear",
    "on purpose": "break, hide, lose, ignore, delay, hurt, frighten, drop, burn, destroy, throw away, forget",
    "suddenly": "cry, laugh, shout, stop, fall, jump, wake up, stand up, disappear, appear, cough, kiss, escape",
    "seriously": (
        "study, work, read, discuss, consider, practise, review, analyze, prepare, research, listen to, observe"
    ),
    "skilfully": "play, cook, repair, use, drive, draw, perform, translate, fold, tune, mend, dance",
}
_VERBS = {adverb: frozenset(verbs.split(", ")) for adverb, verbs in _PARTICULAR.items()}


def suits_manner(adverb: str, verb: str) -> bool:
    return verb in _VERBS[adverb] if adverb in _VERBS else adverb in _GENERAL


def has_manner(verb: str) -> bool:
    """Whether some adverb beyond the general ones goes with the verb."""
    return any(verb in verbs for verbs in _VERBS.values())
