"""Which of the two languages a word is written in."""

import re

LANGUAGES = ("zh", "en")

# CJK ideographs with extensions A to H, compatibility ideographs, and the marks written like ideographs (々 and 〇).
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


def has_han(word: str) -> bool:
    """Whether any character is Chinese."""
    return _HAN.search(word) is not None


def language_of(word: str) -> str:
    """``zh`` for a word with any Chinese character, else ``en``."""
    return "zh" if has_han(word) else "en"
