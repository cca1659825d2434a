"""The words of the experiment on new words and their F1, by hand; test_add_words.py runs all of it."""

import io

import pytest
from subword_nmt.apply_bpe import BPE

from experiments.hold_out import main
from experiments.new_words import choose_words, count_f1, pair_words


def test_words_are_rare_split_and_in_the_test_set():
    train = [["a", "b", "3"], ["a", "c", "3"], ["d", "d", "e"]]
    assert choose_words(train, [["a", "b", "3"], ["d", "f"]], {"d"}, range(2, 3)) == {"a"}


def test_words_are_paired_by_dice():
    source = [["cat", "sat"], ["cat"], ["sat"], ["sat", "down"]]
    target = [["Katze", "sass", "."], ["Katze", "die"], ["sass", "."], ["sass", "die", "."]]
    # cat and Katze: 2 * 2 / (2 + 2); other words are with cat once.
    assert pair_words({"cat", "sat", "down"}, source, target) == {"cat": {"Katze"}, "sat": {"sass"}, "down": set()}


def test_f1_counts_repeats():
    wanted = [{"a"}, {"b", "c"}]
    # Right: a once, b once; the references have 2 + 2, the translations 1 + 2.
    assert count_f1(wanted, [["a", "a", "x"], ["b", "c"]], [["a", "c"], ["b", "b", "y"]]) == pytest.approx(4 / 7)
    assert count_f1([set()], [["a"]], [["a"]]) == 0


def test_words_that_are_held_out_are_split_and_others_are_not(tmp_path, capsysbinary):
    codes = "#version: 0.2\nl o\nlo w</w>\nlo g</w>\nb low</w>\n"
    for name, text in (("codes", codes), ("train", "low low log blow blow blow\n"), ("test", "low log\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = ("--train", str(tmp_path / "train"), "--test", str(tmp_path / "test"))
    main([str(tmp_path / "codes"), *files, "--seen", "2", "3"])
    held = capsysbinary.readouterr().out.decode()
    line = "low log blow"
    assert BPE(io.StringIO(codes)).segment(line) == line
    assert BPE(io.StringIO(held)).segment(line) == "lo@@ w log b@@ lo@@ w"
