"""Which of the two languages a text is written in."""

import re
from pathlib import Path

from fairseq_see.errors import SeeError

LANGUAGES = ("zh", "en")

# CJK ideographs with extensions A to H, compatibility ideographs, and the marks written like ideographs (々 and 〇).
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


def language_of(text: str) -> str:
    """``zh`` for a word or a line with any Chinese character, else ``en``."""
    return "zh" if _HAN.search(text) else "en"


def language_in_name(dictionary: Path) -> str:
    """The language of a dictionary, from its name ``dict.LANG.txt``.

    Raises:
        SeeError: it has another name.
    """
    match = re.fullmatch(r"dict\.(\w+)\.txt", dictionary.name)
    if match is None or match[1] not in LANGUAGES:
        raise SeeError(f"the name {dictionary.name} does not tell the language; give --lang zh, en or joined")
    return match[1]
