import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_see.errors import SeeError
from fairseq_see.units.morpheme_inventory import limit_inventory, make_unique, name_special, pad_or_join, rank_units


@pytest.mark.parametrize(
    ("morphemes", "order", "expected"),
    [
        (["un", "friend", "ly"], 3, ("un", "friend", "ly")),
        (["un"], 3, ("un", "<pad:2>", "<pad:3>")),
        (["a", "b", "c", "d"], 3, ("a", "b", "cd")),
        (["a", "b", "c"], 2, ("a", "bc")),
        (["<Cap>", "power"], 2, ("<Cap>", "power")),
        (["a", "<", "s>"], 2, ("a", "\\<s>")),
        (["madeupword0000"], 2, ("\\madeupword0000", "<pad:2>")),
        (["x", "[de]"], 2, ("x", "\\[de]")),
        (["<pad:1>", "\\<Cap>"], 2, ("\\<pad:1>", "\\\\<Cap>")),
    ],
)
def test_pad_or_join(morphemes: list[str], order: int, expected: tuple[str, ...]) -> None:
    assert pad_or_join(morphemes, order) == expected


def test_special_names_and_ranks() -> None:
    assert [name_special(s) for s in ("<s>", "<pad>", "<pad:1>", "<Cap>")] == ["<s>", "<pad>", "\\<pad:1>", "\\<Cap>"]

    assert rank_units([["b", "a"], ["c"], ["a", "a"]], [5, 7, 1]) == ["a", "c", "b"]
    assert rank_units([["b", "a"]], [0]) == ["a", "b"]


def test_limit_inventory_by_hand() -> None:
    """Room for 10: 2 padding, 1 special, 1 shared unit, so the 6 most frequent stay."""
    words = [("<s>", "<pad:2>"), *((name, "<pad:2>") for name in "abcdefgh")]
    changed, spares, shared = limit_inventory(words, [1, 9, 8, 7, 6, 5, 4, 3, 2], ("<s>",), 2, 10)
    assert changed[:7] == words[:7]
    assert changed[7:] == [("<rest:1>", "<pad:2>")] * 2
    assert (spares, shared) == (["<rest:1>"], 2)
    # With room for all nothing is shared; any more room is for units that distinguish words.
    assert limit_inventory(words, [1] * 9, ("<s>",), 2, 11) == (words, [], 0)
    assert limit_inventory(words, [1] * 9, ("<s>",), 2, 12) == (words, ["<same:1>"], 0)


def test_changing_one_word_never_changes_another() -> None:
    words = [("a", "b"), ("a", "b"), ("a", "<same:1>")]
    distinct, changed = make_unique(words, [0, 0, 0], None)
    assert distinct == [("a", "b"), ("a", "<same:2>"), ("a", "<same:1>")]
    assert changed == 1
    assert make_unique(words[:2], [0, 1], None) == (words[:2], 0)
    with pytest.raises(SeeError, match="too few"):
        make_unique([("a", "b")] * 3, [0] * 3, ["<same:1>"][:0])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("abcd"), st.integers(0, 1)), max_size=40),
    st.booleans(),
)
def test_all_words_end_up_distinct(drawn: list[tuple[str, str, int]], bounded: bool) -> None:
    words, others = [(a, b) for a, b, _ in drawn], [other for *_, other in drawn]
    spares = [f"<rest:{k}>" for k in range(1, 8)] if bounded else None
    distinct, changed = make_unique(words, others, spares)
    pairs = list(zip(others, distinct, strict=True))
    assert len(set(pairs)) == len(pairs)
    assert changed == sum(a != b for a, b in zip(words, distinct, strict=True))
    assert changed == len(words) - len(set(zip(others, words, strict=True)))
