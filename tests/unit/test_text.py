"""Raw text to tokens and back, in parts that are checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_see.text import detokenise, keep_whole, merge_subwords, normalise, segment, truncate_words


@pytest.mark.parametrize(
    ("language", "line", "expected"),
    [
        ("zh", "你好，世界。", "你好，世界。"),
        ("zh", "ＡＢＣ１２３！（是）", "ABC123！（是）"),
        ("en", "Ｙｅｓ！", "Yes!"),
        ("zh", "\u3000你\u3000 好\u200b\ufeff\t", "你 好"),
        ("en", "a\x0bb\x85c\u2028d\re", "a b c d e"),
        ("en", "soft\u00adhyphen \x00nul \x1b[0m", "softhyphen nul [0m"),
        ("en", "cafe\u0301", "café"),
        ("en", "cafe\u200b\u0301 ｅ\u0301", "café é"),
        ("en", "½ ﬁ", "½ ﬁ"),
        # Younger than some versions of Python, which take them for unassigned; and what never will be a character.
        ("zh", "\U0001fae8\U00031350\ufdd0\U0001ffff", "\U0001fae8\U00031350"),
    ],
)
def test_normalise(language, line, expected):
    assert normalise(line, language) == expected


@given(st.text() | st.text("eｅ\u0301\u0327\u200b\u0085 \u1100\u1161\u2000\u212a"), st.sampled_from(["zh", "en"]))
def test_normalised_lines_are_one_line_and_stay_as_they_are(line, language):
    once = normalise(line, language)
    assert len(once.splitlines()) <= 1
    assert once == once.strip()
    assert "  " not in once
    assert normalise(once, language) == once


@pytest.mark.parametrize(
    ("language", "line", "expected"),
    [
        ("zh", "你应该 帮他GPU工作的。", "你 应该 帮 他 GPU 工作 的 。"),
        ("en", 'It\'s "A&B" [x] | <y>.', 'It \'s " A & B " [ x ] | < y > .'),
        ("en", "", ""),
        ("zh", "", ""),
    ],
)
def test_segment(language, line, expected):
    assert segment(line, language) == expected


def test_words_are_joined_as_people_write_them():
    assert detokenise("It 's good , isn 't it ?", "en") == "It's good, isn't it?"
    assert detokenise("A & B", "en") == "A & B"
    assert detokenise("你 应该 。", "zh") == "你应该。"


def test_words_are_kept_whole_among_subwords():
    split = keep_whole(lambda words: [f"{letter}@@" for letter in words if letter != " "], ["new"], "bpe")
    assert split("ab new new c") == ["a@@", "b@@", "new", "new", "c@@"]
    assert split("") == [] and split("renew") == ["r@@", "e@@", "n@@", "e@@", "w@@"]
    assert keep_whole(str.split, ["new"], "sentencepiece")("a new b") == ["a", "▁new", "b"]
    assert keep_whole(str.split, [], "bpe") is str.split


def test_long_words_are_truncated_and_ideographs_are_not_one_word():
    assert truncate_words(f"a {'x' * 1001}{'好' * 1001} b") == f"a {'x' * 1000}{'好' * 1001} b"


@pytest.mark.parametrize(
    ("scheme", "tokens", "expected"),
    [
        ("bpe", "we un@@ der@@ stand .", "we understand ."),
        ("bpe", "unfinished@@", "unfinished"),
        ("sentencepiece", "▁we ▁under stand ▁.", "we understand ."),
        ("bpe", "", ""),
        ("sentencepiece", "", ""),
    ],
)
def test_merge_subwords(scheme, tokens, expected):
    assert merge_subwords(tokens.split(), scheme) == expected
