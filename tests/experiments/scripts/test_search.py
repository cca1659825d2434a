"""scripts/search.sh, and what its recipes do in scripts/reproduce.sh."""

import json
import re

import pytest
import yaml

from experiments.__main__ import main as laboratory
from tests.helpers import contents, refused, script, write_beginning


@pytest.mark.slow
def test_a_search_its_recipes_and_a_record_of_what_they_train(tmp_path):
    text, folder, out = tmp_path / "text", tmp_path / "with a space", tmp_path / "trials"
    write_beginning(text)
    sets = ("--train", text / "train", "--dev", text / "dev", "--test", f"test={text / 'test'}")
    for words in (
        ("prepare.sh", *sets, "--size", "300", "--out", folder),
        ("index.sh", folder, "--senses", text / "senses.tsv"),
    ):
        done = script(*words)
        assert done.returncode == 0, done.stderr

    search = ("search.sh", folder, out, "--ratio", "10", "--updates", "4", "--warmups", "1", "--jobs", "1")
    search += ("model.dropout=0.2",)
    done = script(*search, "--methods", "dense matrix", "--rates", "0.001")
    assert done.returncode == 0, done.stderr
    for method in ("dense", "matrix"):
        assert re.search(rf"^\| {method} \| 0.001 \| 1 \| 4 \| [\d.]+ \| \d+ \| best \|$", done.stdout, re.M)
    assert not list(out.glob("*/*.hyp*")) and not list(out.glob("*/*.scores.json"))
    # The rate falls to zero at the fourth update.
    log = (out / "matrix-rate0.001-warmup1-updates4/train.log").read_text()
    assert re.search(r"\[train\]\[INFO\].* num_updates 4 \| lr 0 \|", log)

    def made():
        return {name: times for name, times in contents(out).items() if name.endswith((".pt", "train.log"))}

    # One more trial, the others left alone. At 1e30 nothing is a number any more after the first update.
    before = made()
    done = script(*search, "--methods", "matrix", "--rates", "1e30")
    assert done.returncode == 0, done.stderr
    assert before.items() < made().items() and len(re.findall(r"^\| (?:dense|matrix) ", done.stdout, re.M)) == 3
    assert re.search(r"^\| matrix \| 1e\+30 \| 1 \| 4 \|.*\| diverged: gradients are Nan/Inf", done.stdout, re.M)
    assert "matrix: rate 0.001 is the lowest of those tried" in done.stdout
    assert "the methods have not had the same trials (matrix 2, dense 1, of 2 different ones)" in done.stdout
    assert refused(script(*search, "--seed", "4"), "trials with other settings")
    recipes = yaml.safe_load((out / "recipes.yaml").read_text())
    assert recipes.keys() == {"dense", "matrix"} and recipes["dense"]["model.dropout"] == "0.2"

    # The recipe as it is, for another length and another ratio, and the test set scored once.
    words = ("reproduce.sh", "table2", "--dataset", folder, "--scale", "tiny", "--methods", "matrix", "--ratios", "20")
    words += ("--recipes", out / "recipes.yaml", "--updates", "3", "--jobs", "1", "--out", tmp_path / "out")
    done = script(*words)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "out/cells/matrix-20x-seed1"
    assert re.search(r"\[train\]\[INFO\].* num_updates 3 \| lr 0 \|", (run / "train.log").read_text())
    assert "dropout: 0.2" in (run / "hydra/config.yaml").read_text()

    records = tmp_path / "records"
    assert laboratory(["report", str(run.parent), "--records", str(records)]) == 0
    (file,) = records.iterdir()
    record = json.loads(file.read_text())
    assert file.name == "matrix-20x-seed1.json" and file.stat().st_size < 4096 and str(tmp_path) not in file.read_text()
    assert record["overrides"]["optimization.lr"] == "[0.001]" and record["trained_updates"] == 3
    assert record["scores"]["test"]["bleu"] >= 0 and record["dev_perplexity"] > 1 and record["seconds"] >= 0
    assert record["data"]["training_pairs"] > 100 and len(record["data"]["dictionaries"]) == 2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--updates", "10", "--rates", "fast"), "--rates fast"),
        (("--updates", "10", "--warmups", "1.5"), "whole numbers, not 1.5"),
        (("--updates", "10", "--ratio", "x"), "--ratio x"),
        (("--updates", "10", "--methods", ""), "must not be empty"),
        (("--updates", "10", "--config", "absent"), "no configuration absent"),
        (("--updates", "10", "--methods", "sea", "--warmups", "5"), "unknown embedding method 'sea'"),
        (("--updates", "10", "--warmups", "5", "optimization.max_epoch=3"), "no part of a recipe"),
        ((), "--updates is missing"),
    ],
)
def test_bad_input_is_refused(words, problem, tmp_path):
    (tmp_path / "data-bin").mkdir()
    assert refused(script("search.sh", tmp_path, tmp_path / "out", *words), problem)
    assert refused(script("search.sh", tmp_path / "x", tmp_path / "out", "--updates", "9"), "prepare.sh makes it")
    assert not (tmp_path / "out").exists()
