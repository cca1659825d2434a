"""The sex of each person noun and name, as the pronoun that refers back to it shows it."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Nouns whose meaning says so, and others that are female in this little world by convention;
# every other person noun is male. Both languages show the sex in the pronoun, so it must be fixed.
_FEMALE_NOUNS = _words(
    "mother daughter sister grandmother aunt wife girl woman queen princess bride widow nun witch nurse "
    "teacher dentist pharmacist professor mathematician chemist historian translator reader editor actor singer dancer "
    "painter model lawyer judge spy mayor ambassador secretary assistant clerk employee intern accountant "
    "customer tenant "
    "gardener baker tailor pilot athlete champion tourist patient volunteer immigrant neighbor classmate "
    "orphan designer "
    "photographer reporter economist baby fool delegate"
)
_MALE_TITLES = ("先生", "博士")


def is_female_noun(en: str) -> bool:
    return en in _FEMALE_NOUNS


def is_female_name(zh: str, kind: str) -> bool:
    """Titles decide where there is one; of the professors, Wu is a woman and Taylor a man."""
    if kind == "surname_title":
        return zh == "吴教授" or not zh.endswith((*_MALE_TITLES, "教授"))
    return kind == "female"


# Of whom there is one at a time: nobody meets many emperors.
SINGLE = _words("king queen emperor president premier bride bridegroom mayor")
ONLY_MEN = _words("prince monk priest boy man waiter")
ONLY_WOMEN = _words("princess widow nun witch girl woman")
