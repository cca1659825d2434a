"""What is one setting, what stands beside what, and what is refused."""

import pandas
import pytest

from experiments.report.comparison import arrange_runs, format_scores, make_sections
from experiments.results import read_runs
from fairseq_see.errors import SeeError
from tests.experiments.report.conftest import GOOD, POOR, make_run


def test_means_and_deviations_are_computed_by_hand():
    # Squared distances from 5: 9, 1, 16; over n - 1 = 2.
    assert format_scores(pandas.Series([2.0, 4.0, 9.0])) == f"5.0 ± {13**0.5:.1f}" == "5.0 ± 3.6"
    assert format_scores(pandas.Series([2.0])) == "2.0" and format_scores(pandas.Series([2.0, None])) == ""


def test_runs_that_differ_in_the_seed_alone_are_one_setting(tmp_path):
    for seed in (10, 9):
        make_run(tmp_path, f"a{seed}", "matrix", 4, seed=seed)
    make_run(tmp_path, "b", "matrix", 4, seed=9, overrides={"model.dropout": 0.3})
    make_run(tmp_path, "c", "matrix", 4, seed=9, config={"variant": "bpe4000"})
    (section,) = make_sections(read_runs([tmp_path]))
    assert section.settings.seed.to_dict() == {
        "low_rank, 4x": "9, 10",
        "low_rank (bpe4000), 4x": "9",
        "low_rank (dropout 0.3), 4x": "9",
    }
    make_run(tmp_path, "d", "matrix", 4, seed=10)
    with pytest.raises(SeeError, match=r"a10 and .*d have the same settings and seed"):
        arrange_runs(read_runs([tmp_path]))


def test_a_run_without_a_ratio_stands_where_its_true_ratio_is(tmp_path):
    for vectors, ratio in ((9, 20.4), (7, 25.7)):
        sizes = {"parameter_ratio": ratio, "byte_ratio": ratio / 2}
        make_run(tmp_path, f"v{vectors}", "see", config={"see_args": {"vectors": vectors}}, **sizes)
    make_run(tmp_path, "codes", "product_quantised", 20, parameter_ratio=9.0, byte_ratio=20.3)
    make_run(tmp_path, "missed", "matrix", 20, parameter_ratio=21.0, byte_ratio=21.0)
    (section,) = make_sections(read_runs([tmp_path]))
    found = section.settings.set_index("name")[["column", "mark"]].T.to_dict("list")
    assert found == {"v9": [20, ""], "v7": [25.7, ""], "codes": [20, ""], "missed": [20, "*"]}


def test_test_sets_with_other_references_are_kept_apart(tmp_path):
    make_run(tmp_path, "a")
    make_run(tmp_path, "b", "matrix", 4, references=GOOD, hypotheses=POOR)
    make_run(tmp_path, "lm", "matrix", 4, kind="language_model", metrics={"wikitext": {"perplexity": 31.5}})
    sections = make_sections(read_runs([tmp_path]))
    assert [(each.test, each.metric, [*each.runs["name"]]) for each in sections] == [
        ("test", "bleu", ["a"]),
        ("test", "bleu", ["b"]),
        ("wikitext", "perplexity", ["lm"]),
    ]
    assert sections[0].digest != sections[1].digest


def test_who_is_compared_with_whom(tmp_path):
    make_run(tmp_path, "dense", hypotheses=GOOD)
    make_run(tmp_path, "other-text", config={"variant": "bpe"}, dictionary="d2")
    make_run(tmp_path, "see", "see", 4, hypotheses=GOOD)
    make_run(tmp_path, "control", "see", 4, config={"variant": "no-senses"}, hypotheses=POOR)
    make_run(tmp_path, "matrix", "matrix", 4, hypotheses=POOR)
    make_run(tmp_path, "small", "matrix", 8)
    (section,) = make_sections(read_runs([tmp_path]))
    names = section.settings["name"]
    assert {(names[one], role, names[other]) for one, role, other in section.list_comparisons()} == {
        # The best dense model of its dictionaries is compared with the best of any.
        ("dense", "dense", "other-text"),
        *((name, "dense", "dense") for name in ("see", "control", "matrix", "small")),
        ("see", "best other method", "matrix"),
        ("see", "its variant", "control"),
        ("control", "best other method", "matrix"),
        ("matrix", "best other method", "see"),
    }


def test_perplexity_is_better_where_it_is_lower(tmp_path):
    for name, value in (("a", 40.0), ("b", 30.0)):
        metrics = {"text": {"perplexity": value}}
        make_run(tmp_path, name, config={"variant": name}, kind="language_model", metrics=metrics)
    (section,) = make_sections(read_runs([tmp_path]))
    assert section.settings["name"][section.settings.gain.idxmax()] == "b"
