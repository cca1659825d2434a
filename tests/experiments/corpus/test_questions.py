"""Questions and statements as a task of classification."""

from collections import Counter

import pytest

from experiments.corpus import questions
from fairseq_see.errors import SeeError


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["You like it ?", "I like it ."], {"You like it": "question", "I like it": "statement"}),
        (["▁You ▁like ▁it ▁?"], {"▁You ▁like ▁it": "question"}),
        (["You li@@ ke it ?", "You li@@ ke it ?"], {"You li@@ ke it": "question"}),
        # Both; one subword; a mark inside; another end; nothing.
        (["You like it ?", "You like it .", "Why ?", "Why ? I see .", "No !", "Mr . X ?", ""], {}),
    ],
)
def test_labels_are_closing_marks_that_are_taken_away(lines, expected):
    assert questions.find_labels(lines) == expected


def test_sets_are_balanced_disjoint_and_the_same_each_time(tmp_path, capsys):
    lines = [f"is word{i} here ?" for i in range(50)] + [f"word{i} is here ." for i in range(400)]
    (tmp_path / "text").write_text("\n".join(lines) + "\n")
    written = []
    for name in ("a", "b"):
        questions.main(str(tmp_path / "text"), str(tmp_path / name))
        written.append({path.name: path.read_text() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1] and "train 80" in capsys.readouterr().out
    labels = Counter(label for name in ("train", "valid", "test") for label in written[0][f"{name}.label"].split())
    assert labels == {"question": 50, "statement": 50}
    sentences = [line for name in ("train", "valid", "test") for line in written[0][f"{name}.input"].splitlines()]
    assert len(set(sentences)) == 100
    for sentence, label in zip(written[0]["test.input"].splitlines(), written[0]["test.label"].split(), strict=True):
        assert sentence.startswith("is") == (label == "question")


def test_too_few_are_refused(tmp_path, capsys):
    with pytest.raises(SeeError, match="has 1 questions and 0 statements"):
        questions.draw_balanced({"is it": "question"}, 1)
    (tmp_path / "text").write_text("is it ?\n")
    with pytest.raises(SystemExit) as end:
        questions.main(str(tmp_path / "text"), str(tmp_path / "out"))
    assert end.value.code == 2 and not (tmp_path / "out").exists()
    assert capsys.readouterr().err.startswith("error: ")
