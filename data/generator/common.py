"""Everyday words, which the sampler draws more often than the rest of the lexicon."""

from __future__ import annotations

from lexicon import Lexicon

_VERBS = (
    "eat, drink, buy, read, write, wash, clean, cook, watch, listen to, like, love, help, invite, visit, "
    "use, wear, see, "
    "meet, learn, study, sell, open, repair, find, look for, play, know, thank, discuss, explain, remember, forget, "
    "look after, choose, lose, borrow, take part in, photograph, hold, drive, plant, feed, order, translate, receive"
)
_PEOPLE = (
    "teacher, student, doctor, nurse, friend, neighbor, classmate, colleague, father, mother, son, daughter, brother, "
    "sister, grandfather, grandmother, uncle, aunt, child, boy, girl, man, woman, driver, worker, farmer, "
    "writer, lawyer, "
    "manager, customer, singer, policeman, engineer, scientist, reporter, chef, tourist, patient, waiter, "
    "musician, painter"
)


def boosts(lexicon: Lexicon) -> dict[str, float]:
    """Factors on the weights of common words, by usage key."""
    factors = {word: 5.0 for word in _VERBS.split(", ")} | {word: 4.0 for word in _PEOPLE.split(", ")}
    entries = (*lexicon.verbs, *(noun for noun in lexicon.nouns if noun.cls == "person"))
    return {entry.key: factors[entry.en] for entry in entries if entry.en in factors}
