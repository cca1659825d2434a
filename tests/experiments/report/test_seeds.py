"""Means and spreads over seeds."""

import math
from dataclasses import replace

import pytest

from experiments.report.runs import read_results
from experiments.report.seeds import Spread, by_setting
from fairseq_see.errors import SeeError
from tests.experiments.report.conftest import make_run
from tests.unit.embeddings.conftest import random_index


def test_mean_and_sample_deviation():
    spread = Spread.of([1.0, 2.0, 6.0])
    assert (spread.mean, spread.low, spread.high, spread.count) == (3.0, 1.0, 6.0, 3)
    assert math.isclose(spread.deviation, math.sqrt((4 + 1 + 9) / 2))
    assert str(spread) == "3.0 ± 2.6"
    assert Spread.of([4.0]).deviation is None and str(Spread.of([4.0])) == "4.0"


def test_runs_that_differ_in_the_seed_alone_are_one_setting(data):
    made = [
        make_run(data, name, seed=seed, dropout=d) for name, seed, d in (("a", 10, 0.1), ("b", 2, 0.1), ("c", 2, 0.3))
    ]
    results = [result for run in made for result in read_results(run)]
    assert [[result.name for result in group] for group in by_setting(results)] == [["b", "a"], ["c"]]
    with pytest.raises(SeeError, match="same settings and seed"):
        by_setting([*results, results[0]])


def test_a_random_control_that_each_seed_draws_anew_is_one_setting(data):
    """Though each has an index of its own, in a folder of its own. Another lexicon is another setting."""
    results = []
    for number, (lexicon, seed) in enumerate([("a.tsv", 1), ("a.tsv", 2), ("b.tsv", 1)]):
        made_from = {"senses": lexicon, "control": "random-senses", "seed": seed}
        index = replace(random_index(), provenance=made_from)
        run = make_run(data, f"run{number}", "see", seed=seed, index=index, vectors=2, see_index=f"random-{number}")
        results += read_results(run)
    assert [[result.name for result in group] for group in by_setting(results)] == [["run0", "run1"], ["run2"]]


def test_sizes_of_a_run(data):
    (result,) = read_results(make_run(data, "run", "matrix", 4))
    assert result.dense_parameters == 2 * 60 * 27 and 4 <= result.ratio <= 4.12
    # The rest of the model has 50 numbers of two bytes; its version counter is none of them.
    assert result.model_bytes == result.bytes + 2 * 50
    (dense,) = read_results(make_run(data, "dense"))
    assert (dense.compresses, dense.asked, dense.model_bytes) == (False, None, 2 * (2 * 60 * 27 + 50))
