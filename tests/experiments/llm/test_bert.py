"""Perplexity, fine-tuning and the script, on a tiny BERT with data of ours."""

import json
import re
import sys

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification

from experiments.llm import bert, glue, minilm
from experiments.llm.bert import Schedule, classify, measure_perplexity
from fairseq_see.errors import SeeError
from tests.experiments.llm import small
from tests.helpers import contents, script
from tests.hf.conftest import make_tiny

LEXICON = "en\tteacher\t1\thuman teach\nen\tgarden\t1\tland plant\nen\tgood\t1\tgood\n"


@pytest.fixture(scope="module")
def tokenizer():
    return small.train_tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A model and data, in a folder whose path has a space."""
    folder = tmp_path_factory.mktemp("with a space")
    small.write_data(folder / "data")
    make_tiny("bert", len(tokenizer)).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (folder / "senses.tsv").write_text(LEXICON, encoding="utf-8")
    return folder


def test_perplexity_of_a_model_that_knows_nothing_is_the_size_of_its_vocabulary(tokenizer):
    model = make_tiny("bert", len(tokenizer))
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    lines = [text for text, _ in small.make_sentences(20, seed=7)]
    assert measure_perplexity(model, tokenizer, lines, 64, seed=1) == pytest.approx(len(tokenizer))
    # One that knows how frequent tokens are is better, and the draw depends on nothing but the seed.
    ids = torch.tensor([i for line in tokenizer(lines)["input_ids"] for i in line])
    model.cls.predictions.bias.data = torch.bincount(ids, minlength=len(tokenizer)).add(0.1).log()
    assert measure_perplexity(model, tokenizer, lines, 64, seed=1) < len(tokenizer) / 3
    assert measure_perplexity(model, tokenizer, lines, 64, seed=1) != measure_perplexity(
        model, tokenizer, lines, 64, seed=2
    )
    with pytest.raises(SeeError, match="too short"):
        measure_perplexity(model, tokenizer, [""], 64, seed=1)


@pytest.mark.parametrize(
    ("name", "labels", "metrics"),
    [
        ("stsb", [0.0, 2.5, 5.0, 1.0], {"pearson", "spearman"}),
        ("mnli", [0, 1, 2, 0], {"matched accuracy", "mismatched accuracy"}),
    ],
)
def test_regression_is_trained_and_all_validation_sets_are_scored(tokenizer, tmp_path, name, labels, metrics):
    task = glue.TASKS[name]
    texts = [text for text, _ in small.make_sentences(4, seed=9)]
    rows = Dataset.from_dict({**dict.fromkeys(task.columns, texts), "label": labels})
    make_tiny("bert", len(tokenizer)).save_pretrained(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", num_labels=task.labels)
    sets = dict.fromkeys(("train", *task.validation), rows)
    schedule = Schedule(epochs=1, batch_size=4, length=32)
    assert classify(model, tokenizer, task, sets, schedule, tmp_path / "training").keys() == metrics
    assert (model.config.problem_type == "regression") == (name == "stsb")


@pytest.mark.slow
def test_script_compresses_scores_and_goes_on_from_what_is_there(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--model", folder / "model", "--out", out, "--data", folder / "data", "--lexicon", folder / "senses.tsv")
    words += ("--method", "svd", "see", "dpq", "--ratio", "2", "--epochs", "8", "--batch-size", "8", "--lr", "0.002")
    words += ("--length", "64")
    done = script("compress_bert.sh", *words, "--task", "mlm", "sst2", "squad")
    assert done.returncode == 0, done.stderr[-3000:]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    columns = "table parameters ratio mlm_input mlm_tied sst2_accuracy squad_exact_match squad_f1"
    assert [column.replace(" ", "_") for column in header] == columns.split()
    found = [dict(zip(header, row, strict=True)) for row in rows]
    dense, svd = found[:2]
    assert [row["table"] for row in found] == ["dense", "svd 2x", "see 2x", "dpq 2x"]
    assert dense["mlm input"] == dense["mlm tied"] and svd["mlm input"] != svd["mlm tied"]
    for row in found:
        assert float(row["sst2 accuracy"]) > 80
        assert 0 <= float(row["squad exact_match"]) <= float(row["squad f1"]) <= 100
        assert row is dense or 2 <= float(row["ratio"].strip("x")) <= 2.06
    table = json.loads((out / "svd-2x/table.json").read_text())["results"]
    assert 0.5 < table["cosine"] < 1
    # No dense matrix is stored, and no checkpoint is left.
    size = (out / "svd-2x/model/model.safetensors").stat().st_size
    assert size < (folder / "model/model.safetensors").stat().st_size and not [*out.rglob("*.training")]
    before = contents(out)
    bert.main([*map(str, words), "--task", "mlm", "sst2", "squad"])
    assert capsys.readouterr().out == done.stdout and contents(out) == before
    with pytest.raises(SystemExit):
        bert.main([*map(str, words), "--task", "mlm", "--seed", "2"])
    assert "made with --seed 1, not 2" in capsys.readouterr().err


@pytest.mark.slow
def test_minilm_measures_a_model_of_any_folder(folder, tmp_path, capsys, monkeypatch):
    words = ("--model", folder / "model", "--text", folder / "data/mlm.txt", "--ratios", "2", "4")
    words += ("--methods", "svd", "product_quantised", "dpq")
    monkeypatch.setattr(sys, "argv", ["minilm", *map(str, words), "--json", str(tmp_path / "minilm.json")])
    minilm.main()
    measured = json.loads((tmp_path / "minilm.json").read_text())["results"]
    printed = capsys.readouterr().out
    for method in ("svd", "product_quantised", "dpq"):
        near, far = measured[f"{method} 2x"], measured[f"{method} 4x"]
        assert all(near[name] > far[name] for name in ("cosine", "neighbours", "sentence_cosine", "spearman"))
        assert near["sentence_cosine"] < 1 and f"| {method} 2x " in printed


def test_wrong_input_is_one_line(folder, tmp_path, capsys):
    def read_error(*words):
        with pytest.raises(SystemExit) as end:
            bert.main(["--out", str(tmp_path), *map(str, words)])
        assert end.value.code == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert re.fullmatch(r"error: cannot load .*/none: .*; give a name.*", read_error("--model", tmp_path / "none"))
    there = ("--model", folder / "model", "--data", folder / "data")
    assert "error: cannot read" in read_error(*there, "--task", "cola")
    assert "error: cannot get wikitext-2-raw-v1 of Salesforce/wikitext" in read_error(*there[:2], "--task", "mlm")
    assert "no token has a sense" in read_error(*there, "--task", "mlm", "--method", "see", "--ratio", "2")


def test_a_line_that_is_no_example_is_named(tmp_path):
    small.write_data(tmp_path)
    path = tmp_path / "sst2/train.jsonl"
    assert glue.read("sst2", tmp_path)["train"].column_names == ["sentence", "label"]
    for line in ('{"sentence": "a"}', "[1]", "a"):
        path.write_text('{"sentence": "a", "label": 1}\n' + line + "\n")
        with pytest.raises(SeeError, match=r"train\.jsonl, line 2: expected an object with sentence, label"):
            glue.read("sst2", tmp_path)
