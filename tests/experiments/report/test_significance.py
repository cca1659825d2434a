"""The paired bootstrap against sacrebleu's own command."""

import json
import subprocess
import sys

import pytest
from sacrebleu.metrics import BLEU

from experiments.report.significance import Comparison, compare, paired_bootstrap
from experiments.report.tables import _verdict
from tests.experiments.report.conftest import REFERENCES, write

BASELINE = ["the cat sat on the mat .", "a dog barked at a cat .", "birds sang in the tree .", "we saw rain ."]
SYSTEM = ["a cat sat on a mat .", "a dog at the cat .", "birds sing in the old tree .", "we saw no rain ."]


def test_it_is_sacrebleus(tmp_path, monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    difference, p = paired_bootstrap(BASELINE * 5, SYSTEM * 5, REFERENCES * 5, BLEU())
    monkeypatch.delenv("SACREBLEU_SEED")
    for name, lines in (("ref", REFERENCES), ("baseline", BASELINE), ("system", SYSTEM)):
        write(tmp_path / name, lines * 5)
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", "baseline", "system", "-m", "bleu", "--paired-bs"]
    done = subprocess.run(
        [*command, "--paired-bs-n", "1000", "-w", "4", "-f", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = (row["BLEU"] for row in json.loads(done.stdout))
    assert difference == pytest.approx(second["score"] - first["score"], abs=1e-3)
    assert p == pytest.approx(second["p_value"], abs=1e-4) and 0.001 < p < 1


@pytest.mark.parametrize(
    ("differences", "p_values", "verdict"),
    [
        ((1.0, 2.0), (0.02, 0.001), "better"),
        ((-1.0,), (0.02,), "worse"),
        ((-1.0, 1.0), (0.01, 0.01), "open"),
        # sacrebleu's p is of one side: this is 6% of both.
        ((1.0,), (0.03,), "open"),
    ],
)
def test_a_verdict_is_what_all_seeds_say_at_5_percent(differences, p_values, verdict):
    assert _verdict(Comparison((1, 2)[: len(differences)], differences, p_values)) == verdict


def test_seeds_are_paired():
    ours, theirs = {1: SYSTEM, 2: REFERENCES}, {2: BASELINE, 3: SYSTEM}
    found = compare(ours, theirs, REFERENCES, BLEU())
    expected = 100 - BLEU().corpus_score(BASELINE, [REFERENCES]).score
    assert found.seeds == (2,) and found.differences == (pytest.approx(expected),)
    assert compare({1: SYSTEM}, {2: SYSTEM}, REFERENCES, BLEU()).seeds == ()
