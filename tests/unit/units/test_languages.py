from pathlib import Path

import pytest

from fairseq_see.errors import SeeError
from fairseq_see.units.languages import (
    LANGUAGES,
    Language,
    find_languages,
    get_language,
    parse_languages,
    read_language,
)


def test_any_code_is_a_language() -> None:
    assert get_language("zh_CN") is LANGUAGES["zh"] and get_language("zh").default_morphology == "characters"
    assert get_language("de_DE") == get_language("de") == Language("de")
    assert (get_language("qu").default_morphology, get_language("qu").segmenter) == ("morfessor", "moses")
    for code in ("", "joined", "DE", "d", "de en"):
        with pytest.raises(SeeError, match="is not a language code; give one such as de, or zh,en"):
            get_language(code)
    assert [spoken.code for spoken in parse_languages("de,en_US,de")] == ["de", "en"]


@pytest.mark.parametrize(
    ("word", "languages", "codes"),
    [
        ("中国", "zh,en", ["zh"]),
        ("卡拉OK", "zh,en", ["zh"]),
        ("々", "en,zh", ["zh"]),
        ("OK", "zh,en", ["en"]),
        ("…", "zh,en", ["en"]),
        ("Haus", "de,en,ru", ["de", "en"]),
        ("дом", "de,en,ru", ["ru"]),
        ("дом", "de,en", ["de", "en"]),
        ("東京", "ja,zh,en", ["ja", "zh"]),
        ("かな", "ja,zh,en", ["ja"]),
        ("OK", "zh,ru", ["zh", "ru"]),
    ],
)
def test_words_show_their_language_by_their_script(word: str, languages: str, codes: list[str]) -> None:
    assert [found.code for found in find_languages(word, parse_languages(languages))] == codes


@pytest.mark.parametrize(
    ("code", "text", "words", "joined"),
    [
        ("en", "It's  a \t test.", ["It", "'s", "a", "test", "."], "It's a test."),
        ("en", "A & B isn't", ["A", "&", "B", "isn", "'t"], "A & B isn't"),
        ("de", "Das ist z.B. ein Haus.", ["Das", "ist", "z.B.", "ein", "Haus", "."], "Das ist z.B. ein Haus."),
        ("fr", "C'est l'eau.", ["C'", "est", "l'", "eau", "."], "C'est l'eau."),
        ("zh", "我喜欢苹果。", ["我", "喜欢", "苹果", "。"], "我喜欢苹果。"),
        ("ja", "私 は 猫", ["私", "は", "猫"], "私は猫"),
    ],
)
def test_text_to_words_and_back(code: str, text: str, words: list[str], joined: str) -> None:
    assert get_language(code).segment(text) == words
    assert get_language(code).join(words) == joined


def test_new_words_stay_whole_and_others_as_they_are() -> None:
    assert get_language("zh").segment("我喜欢量子猫。") != ["我", "喜欢", "量子猫", "。"]
    assert get_language("zh").segment("我喜欢量子猫。", ("量子猫", "喜欢")) == ["我", "喜欢", "量子猫", "。"]
    assert get_language("zh").segment("我喜欢苹果。", ("量子猫",)) == ["我", "喜欢", "苹果", "。"]
    assert get_language("en").segment("It's quantum.", ("quantum",)) == ["It", "'s", "quantum", "."]


def test_lemmas() -> None:
    assert get_language("en").lemmatise("Germans")[:2] == ["German", "german"]
    assert "I" not in get_language("en").lemmatise("me") and "Haus" in get_language("de").lemmatise("Häuser")
    assert get_language("zh").lemmatise("中国") == get_language("qu").lemmatise("wasikuna") == []
    assert get_language("en").lemmatise("x" * 5000) == []


def test_read_language() -> None:
    assert read_language(Path("data-bin/dict.de_DE.txt")) == "de_DE"
    for name in ("dict.txt", "de.txt", "dict.zh-en.txt"):
        with pytest.raises(SeeError, match="give --lang"):
            read_language(Path(name))
