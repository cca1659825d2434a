"""What the library knows of a language: its script, how text is segmented into words and joined again, its lemmas.

Any language has an entry, by its ISO 639 code; a language that is not in LANGUAGES has the defaults of one in Latin
letters with spaces between words.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairseq_see.errors import SeeError, needs_extra

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, as a class of a regular expression: ideographs, and what is written like one (々 and 〇)."""
KANA = "\u3040-\u30ff"
"""Japanese hiragana and katakana, as a class of a regular expression."""
CYRILLIC = "\u0400-\u052f"
ARABIC = "\u0600-\u06ff\u0750-\u077f"

MAX_WORD = 1000
"""Characters of the longest word; segmenters, BPE and lemmatisers need quadratic time for longer ones."""


@dataclass(frozen=True)
class Language:
    """A language.

    Attributes:
        code: ISO 639, such as ``de``.
        script: class of a regular expression: a word with such a character is of this language, in a dictionary that
            several share. Empty for Latin letters, which have too many languages to know one by them.
        segmenter: what finds the words of a text: ``jieba``, ``moses`` or ``whitespace`` (bring segmented text).
        spaces: whether words have spaces between them.
        default_morphology: name of its segmenter of words, one of ``units.morphology.SEGMENTERS``.
    """

    code: str
    script: str = ""
    segmenter: str = "moses"
    spaces: bool = True
    default_morphology: str = "morfessor"

    def writes(self, text: str) -> bool:
        """Whether a text has a character of the language's script."""
        return bool(self.script) and re.search(f"[{self.script}]", text) is not None

    def segment(self, text: str, whole: tuple[str, ...] = ()) -> list[str]:
        """The words of a line of text; punctuation marks are words. jieba leaves those of ``whole`` whole."""
        return " ".join(_load_segmenter(self.segmenter, self.code, whole)(text)).split()

    def join(self, words: Sequence[str]) -> str:
        """The line that people would write for words."""
        if not self.spaces:
            return "".join(words)
        return str(_load_moses("MosesDetokenizer", self.code).detokenize(words, unescape=False))

    def lemmatise(self, word: str) -> list[str]:
        """Lemmas to look up, of the word as it is written first ("Germans": "German", then "german"), by simplemma.

        None for a language that simplemma does not have. A word in lower case has no lemma with capitals: simplemma's
        of "al" is "Al", of "me" is "I".
        """
        lemmatise = _load_lemmatiser(self.code)
        if lemmatise is None or not 0 < len(word) <= MAX_WORD:
            return []
        lower = word.lower()
        lemma = lemmatise(word)
        lemmas = [lemma, lemma.lower(), lemmatise(lower)]
        return [lemma for lemma in lemmas if word != lower or lemma == lemma.lower()]


LANGUAGES = {
    language.code: language
    for language in (
        Language("zh", HAN, "jieba", spaces=False, default_morphology="characters"),
        Language("ja", HAN + KANA, "whitespace", spaces=False, default_morphology="characters"),
        Language("th", "\u0e00-\u0e7f", "whitespace", spaces=False),
        Language("ko", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"),
        *(Language(code, CYRILLIC) for code in ("be", "bg", "kk", "mk", "ru", "uk")),
        *(Language(code, ARABIC) for code in ("ar", "fa", "ur")),
        Language("el", "\u0370-\u03ff\u1f00-\u1fff"),
        Language("he", "\u0590-\u05ff"),
        Language("hi", "\u0900-\u097f"),
    )
}


def get_language(code: str) -> Language:
    """The language of a code, the region or script after it (``de_DE``) aside; SeeError if it is none."""
    match = re.fullmatch(r"([a-z]{2,3})([_-]\w+)?", code)
    if match is None:
        raise SeeError(f"{code[:20]!r} is not a language code; give one such as de, or zh,en for a joined dictionary")
    return LANGUAGES.get(match[1], Language(match[1]))


def parse_languages(codes: str) -> list[Language]:
    """The languages of a dictionary: of one code, or of several with commas between them; SeeError if one is none."""
    return list(dict.fromkeys(get_language(code) for code in codes.split(",")))


def find_languages(word: str, languages: Sequence[Language]) -> list[Language]:
    """Those of ``languages`` that a word may be of, by its script; all in Latin letters if it has no other's."""
    own = [language for language in languages if language.writes(word)]
    return own or [language for language in languages if not language.script] or list(languages)


def read_language(dictionary: Path) -> str:
    """The language code in the name of a dictionary, ``dict.LANG.txt``; SeeError if it has another name."""
    match = re.fullmatch(r"dict\.([a-z]{2,3}(?:_\w+)?)\.txt", dictionary.name)
    if match is None:
        raise SeeError(f"the name {dictionary.name} has no language code; give --lang, such as de, or zh,en if joined")
    return match[1]


@cache
def _load_segmenter(name: str, code: str, whole: tuple[str, ...] = ()) -> Callable[[str], Iterable[str]]:
    if name == "whitespace":
        return str.split
    if name == "moses":
        return lambda text: _load_moses("MosesTokenizer", code).tokenize(text, escape=False)
    with needs_extra("translate"):
        import jieba

    jieba.setLogLevel("ERROR")
    # It loads what it finds in the folder of temporary files, where anyone may have put it. (And saves no time.)
    with TemporaryDirectory() as jieba.dt.tmp_dir:
        jieba.initialize()
    tokenizer = jieba.dt
    if whole:
        tokenizer = jieba.Tokenizer()
        tokenizer.FREQ, tokenizer.total, tokenizer.initialized = dict(jieba.dt.FREQ), jieba.dt.total, True
    for word in whole:
        # What jieba knows is left as frequent as it is, for the sake of other sentences.
        if not tokenizer.FREQ.get(word) or list(tokenizer.cut(word)) != [word]:
            tokenizer.add_word(word)
    return lambda text: tokenizer.cut(text)


@cache
def _load_moses(name: str, code: str) -> Any:
    with needs_extra("translate"):
        import sacremoses

    return getattr(sacremoses, name)(lang=code)


@cache
def _load_lemmatiser(code: str) -> Callable[[str], str] | None:
    """simplemma's for a language, or None if it has none."""
    with needs_extra("units"):
        from simplemma import lemmatize

    try:
        lemmatize("a", lang=code)
    except ValueError:
        return None
    return lambda word: lemmatize(word, lang=code)
