"""Perplexity, fine-tuning and the script, on a tiny BERT with data of ours."""

import json
import re
import sys

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, Trainer

from experiments.llm import bert, glue, minilm
from experiments.llm.bert import Schedule, classify, perplexity
from fairseq_see.errors import SeeError
from tests.experiments.llm import small
from tests.helpers import contents, script

SST2 = glue.TASKS["sst2"]
LEXICON = "en\tteacher\t1\thuman teach\nen\tgarden\t1\tland plant\nen\tgood\t1\tgood\n"


@pytest.fixture(scope="module")
def tokenizer():
    return small.tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A model and data, in a folder whose path has a space."""
    folder = tmp_path_factory.mktemp("with a space")
    small.write_data(folder / "data")
    small.model(len(tokenizer)).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (folder / "senses.tsv").write_text(LEXICON, encoding="utf-8")
    return folder


def test_perplexity_of_a_model_that_knows_nothing_is_the_size_of_its_vocabulary(tokenizer):
    model = small.model(len(tokenizer))
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    lines = [text for text, _ in small.sentences(20, seed=7)]
    assert perplexity(model, tokenizer, lines, 64, seed=1) == pytest.approx(len(tokenizer))
    # One that knows how frequent tokens are is better, and the draw depends on nothing but the seed.
    ids = torch.tensor([i for line in tokenizer(lines)["input_ids"] for i in line])
    model.cls.predictions.bias.data = torch.bincount(ids, minlength=len(tokenizer)).add(0.1).log()
    assert perplexity(model, tokenizer, lines, 64, seed=1) < len(tokenizer) / 3
    assert perplexity(model, tokenizer, lines, 64, seed=1) != perplexity(model, tokenizer, lines, 64, seed=2)
    with pytest.raises(SeeError, match="too short"):
        perplexity(model, tokenizer, [""], 64, seed=1)


def test_an_interrupted_training_goes_on_and_ends_alike(folder, tokenizer, tmp_path, monkeypatch):
    sets = glue.read("sst2", folder / "data")
    schedule = Schedule(epochs=2, batch_size=16, lr=2e-3, length=32)
    compressed = small.model(len(tokenizer))
    bert.compress(compressed, tokenizer, "svd", 2, seed=1)
    compressed.save_pretrained(tmp_path / "model")

    def tuned(name):
        torch.manual_seed(1)
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
        classify(model, tokenizer, SST2, sets, schedule, tmp_path / name)
        return model.state_dict()

    whole = tuned("whole")
    step, steps = Trainer.training_step, []

    def broken(*args, **kwargs):
        steps.append(1)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return step(*args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", broken)
    with pytest.raises(KeyboardInterrupt):
        tuned("again")
    again = tuned("again")
    # Four updates an epoch: five were done, and those of the second epoch are done anew.
    assert len(steps) == 6 + 4
    for name, tensor in whole.items():
        torch.testing.assert_close(again[name], tensor)


@pytest.mark.parametrize(
    ("name", "labels", "metrics"),
    [
        ("stsb", [0.0, 2.5, 5.0, 1.0], {"pearson", "spearman"}),
        ("mnli", [0, 1, 2, 0], {"matched accuracy", "mismatched accuracy"}),
    ],
)
def test_numbers_are_predicted_and_all_validation_sets_are_scored(tokenizer, tmp_path, name, labels, metrics):
    task = glue.TASKS[name]
    texts = [text for text, _ in small.sentences(4, seed=9)]
    rows = Dataset.from_dict({**dict.fromkeys(task.columns, texts), "label": labels})
    small.model(len(tokenizer)).save_pretrained(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", num_labels=task.labels)
    sets = dict.fromkeys(("train", *task.validation), rows)
    schedule = Schedule(epochs=1, batch_size=4, length=32)
    assert classify(model, tokenizer, task, sets, schedule, tmp_path / "training").keys() == metrics
    assert (model.config.problem_type == "regression") == (name == "stsb")


@pytest.mark.slow
def test_script_compresses_scores_and_goes_on_from_what_is_there(folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--model", folder / "model", "--out", out, "--data", folder / "data", "--lexicon", folder / "senses.tsv")
    words += ("--method", "svd", "see", "--ratio", "2", "--epochs", "8", "--batch-size", "8", "--lr", "0.002")
    words += ("--length", "64")
    done = script("compress_bert.sh", *words, "--task", "mlm", "sst2", "squad")
    assert done.returncode == 0, done.stderr[-3000:]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert header == [
        *("table", "parameters", "ratio", "mlm input", "mlm tied"),
        *("sst2 accuracy", "squad exact_match", "squad f1"),
    ]
    dense, svd, see = (dict(zip(header, row, strict=True)) for row in rows)
    assert [row["table"] for row in (dense, svd, see)] == ["dense", "svd 2x", "see 2x"]
    assert dense["mlm input"] == dense["mlm tied"] and svd["mlm input"] != svd["mlm tied"]
    for row in (dense, svd, see):
        assert (
            float(row["sst2 accuracy"]) > 80 and 0 <= float(row["squad exact_match"]) <= float(row["squad f1"]) <= 100
        )
    assert 2 <= float(svd["ratio"].strip("x")) <= 2.06 and 2 <= float(see["ratio"].strip("x")) <= 2.06
    table = json.loads((out / "svd-2x/table.json").read_text())["results"]
    assert 0.5 < table["cosine"] < 1
    # No dense table is stored, and no checkpoint is left.
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
    words = ("--model", folder / "model", "--text", folder / "data/mlm.txt", "--methods", "svd", "--ratios", "2", "4")
    monkeypatch.setattr(sys, "argv", ["minilm", *map(str, words), "--json", str(tmp_path / "minilm.json")])
    minilm.main()
    measured = json.loads((tmp_path / "minilm.json").read_text())["results"]
    near, far = measured["svd 2x"], measured["svd 4x"]
    assert all(near[name] > far[name] for name in ("cosine", "neighbours", "sentence_cosine", "spearman"))
    assert near["sentence_cosine"] < 1 and "| svd 2x |" in capsys.readouterr().out


def test_wrong_input_is_one_line(folder, tmp_path, capsys):
    def error(*words):
        with pytest.raises(SystemExit) as end:
            bert.main(["--out", str(tmp_path), *map(str, words)])
        assert end.value.code == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert re.fullmatch(r"error: cannot load .*/none: .*; give a name.*", error("--model", tmp_path / "none"))
    there = ("--model", folder / "model", "--data", folder / "data")
    assert "error: cannot read" in error(*there, "--task", "cola")
    assert "error: cannot get wikitext-2-raw-v1 of Salesforce/wikitext" in error(
        "--model", folder / "model", "--task", "mlm"
    )
    assert "no token has a sense" in error(*there, "--task", "mlm", "--method", "see", "--ratio", "2")


def test_a_line_that_is_no_example_is_named(tmp_path):
    small.write_data(tmp_path)
    path = tmp_path / "sst2/train.jsonl"
    assert glue.read("sst2", tmp_path)["train"].column_names == ["sentence", "label"]
    for line in ('{"sentence": "a"}', "[1]", "a"):
        path.write_text('{"sentence": "a", "label": 1}\n' + line + "\n")
        with pytest.raises(SeeError, match=r"train\.jsonl, line 2: expected an object with sentence, label"):
            glue.read("sst2", tmp_path)
