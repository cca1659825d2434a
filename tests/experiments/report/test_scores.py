"""Bootstrap as sacrebleu's own command prints it, F1 by frequency as counted by hand."""

import json
import math
import random
import subprocess
import sys

import pytest
from sacrebleu.metrics import BLEU

from experiments.report import scores
from experiments.run_record import read
from fairseq_see.errors import SeeError
from tests.experiments.report.conftest import make_run, write_lines


def test_paired_bootstrap_is_that_of_the_sacrebleu_command(tmp_path, monkeypatch):
    generator = random.Random(0)
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "barked", "at", "birds", "in", "old", "trees"]
    references = [" ".join(generator.choices(words, k=9)) for _ in range(40)]
    systems = {
        name: [" ".join(w if generator.random() < keep else "x" for w in line.split()) for line in references]
        for name, keep in (("a", 0.7), ("b", 0.74))
    }
    for name, lines in {"ref": references, **systems}.items():
        write_lines(tmp_path / name, lines)
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    words = ["sacrebleu", tmp_path / "ref", "-i", tmp_path / "a", tmp_path / "b", "-m", "bleu", "--paired-bs"]
    command = [sys.executable, "-m", *words, "--format", "json", "-w", "6"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    first, second = (row["BLEU"] for row in json.loads(done.stdout))
    # Whatever the environment has.
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    difference, p_value = scores.bootstrap(systems["a"], systems["b"], references, BLEU())
    assert difference == pytest.approx(second["score"] - first["score"], abs=1e-5)
    assert p_value == pytest.approx(second["p_value"], abs=1e-9) and 0 < p_value < 1


def test_equal_texts_do_not_differ():
    assert scores.bootstrap(["a b c d"], ["a b c d"], ["a b c e"], BLEU()) == (0.0, 1.0)


def test_bands_are_counted_by_hand():
    hypotheses = ["the the cat dog", "rare new new"]
    references = ["the cat cat dog", "rare new"]
    bands = scores.count_bands(hypotheses, references, {"the": 1000, "cat": 150, "dog": 99, "rare": 1})
    # In the references, in the translations, in both as often as both have them.
    assert bands[["references", "hypotheses", "right"]].T.to_dict("list") == {
        "never": [1, 2, 1],
        "1-9": [1, 1, 1],
        "10-99": [1, 1, 1],
        "100-999": [2, 1, 1],
        "1,000 or more": [1, 2, 1],
    }
    # Recall 1/2, precision 1/1.
    assert bands.f1["100-999"] == pytest.approx(100 * 2 * (0.5 * 1) / (0.5 + 1))
    assert math.isnan(scores.count_bands(["a"], ["b"], {"a": 5}).f1["1-9"])


@pytest.mark.parametrize(
    ("ending", "lines", "message"),
    [
        ("hyp", ["another text"] * 4, "BLEU of test is .* recorded as"),
        ("ref.tok", ["one line"], "not of equally many lines"),
        ("hyp.tok", None, "cannot read"),
    ],
)
def test_texts_that_are_not_those_of_the_scores_are_refused(tmp_path, ending, lines, message):
    run = make_run(tmp_path, "run")
    (run / f"test.{ending}").unlink()
    if lines:
        write_lines(run / f"test.{ending}", lines)
    with pytest.raises(SeeError, match=message):
        scores.read_texts(run, "test", read(run).metrics["test"])
