"""What surrounds a training and a translation: resuming, records, faults that earlier scripts had."""

import gzip
import json
import os
import subprocess
import sys
import time

import pytest
import torch
import yaml

from experiments import progress, recording, training
from experiments.__main__ import main as laboratory
from experiments.corpus import unpack
from experiments.corpus.formats import read_segments
from experiments.run_record import RunRecord, read, write
from experiments.scoring import arrange, choose_tests, pass_on, record_scores
from fairseq_see.embeddings import build
from fairseq_see.errors import SeeError
from tests.helpers import ROOT


def save(path, updates, weight=0.0, epoch=1, seconds=36.0):
    """A checkpoint as far as resuming reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "model": {"weight": torch.full((64,), weight)},
        "optimizer_history": [{"num_updates": updates}],
        "extra_state": {"train_iterator": {"epoch": epoch}, "previous_training_time": seconds},
    }
    torch.save(state, path)
    return path


@pytest.fixture
def data(tmp_path):
    """A folder data-bin, as far as ``begin`` looks at it."""
    folder = tmp_path / "data-bin"
    folder.mkdir()
    for name in ("dict.zh.txt", "dict.en.txt", "train.zh-en.zh.bin", "train.zh-en.en.bin"):
        (folder / name).write_text(name)
    return folder


def begin(data, run, *overrides, **options):
    words = ["model.see_method=low_rank", "optimization.max_update=20", *overrides]
    return training.begin("demo_zh_en", data, run, words, **options)


@pytest.mark.parametrize(
    ("limits", "before", "after"),
    [((), (19, 1), (20, 1)), (("optimization.max_update=0", "optimization.max_epoch=2"), (7, 2), (8, 3))],
)
def test_a_training_that_has_all_its_updates_or_epochs_is_not_trained_on(data, tmp_path, limits, before, after):
    run = tmp_path / "run"
    assert begin(data, run, *limits)
    for (updates, epoch), left in ((before, True), (after, False)):
        save(run / "checkpoints/checkpoint_last.pt", updates, epoch=epoch)
        assert begin(data, run, *limits) is left


def test_a_truncated_checkpoint_is_replaced_by_the_newest_whole_one_whatever_its_date(data, tmp_path, capsys):
    run = tmp_path / "run"
    begin(data, run)
    folder = run / "checkpoints"
    best, last = save(folder / "checkpoint_best.pt", 8, 1.0), save(folder / "checkpoint_last.pt", 10)
    save(folder / "checkpoint_1_4.pt", 4, 2.0)
    os.utime(best, (1, 1))
    last.write_bytes(last.read_bytes()[:-200])
    (folder / "checkpoint_1_9.pt.tmp").touch()
    (run / ".train.json.abc").touch()
    assert begin(data, run)
    assert "resuming from checkpoint_best.pt" in capsys.readouterr().err
    assert torch.load(last, weights_only=True)["model"]["weight"].eq(1).all()
    # What a kill left half-written is gone.
    assert not [*folder.glob("*.tmp")] and not [*run.glob(".train*")]


def test_checkpoints_of_other_settings_or_data_are_not_resumed(data, tmp_path):
    run = tmp_path / "run"
    begin(data, run)
    (run / "train.log").write_text("{}")
    # Without a checkpoint other settings may be tried.
    assert begin(data, run, "model.dropout=0.5") and not (run / "train.log").exists()
    save(run / "checkpoints/checkpoint_last.pt", 5)
    with pytest.raises(SeeError, match=r"was trained with model.dropout 0.5, not 0.05; choose another folder"):
        begin(data, run)
    # An index that the method does not read may come and go.
    (data / "dict.en.see").touch()
    assert begin(data, run, "model.dropout=0.5")
    (data / "train.zh-en.en.bin").write_text("other")
    with pytest.raises(SeeError, match="was trained with another data"):
        begin(data, run, "model.dropout=0.5")


def test_a_time_limit_counts_what_was_trained_before(data, tmp_path, monkeypatch):
    run, source = tmp_path / "run", save(tmp_path / "source.pt", 90, seconds=1800.0)
    words = (f"checkpoint.finetune_from_model={source}",)
    # fairseq adds to the hours of the model that is fine-tuned, then to those of the checkpoint that is resumed.
    for before in (1800, 2520):
        assert begin(data, run, *words, deadline=time.time() + 3600)
        hours = yaml.safe_load((run / "training.yaml").read_text())["optimization"]["stop_time_hours"]
        assert hours == pytest.approx((before + 3600 - 30) / 3600, abs=0.01)
        save(run / "checkpoints/checkpoint_last.pt", 5, seconds=2520.0)
    with pytest.raises(SeeError, match="the time limit is reached before run; run again to resume"):
        begin(data, run, *words, deadline=time.time())
    save(run / "checkpoints/checkpoint_best.pt", 20, seconds=2700.0)
    monkeypatch.setattr(recording, "measure_sizes", lambda checkpoint: {})
    assert recording.record_end(run, 0) and read(run, "train.json").seconds == 900


def test_an_infeasible_cell_is_a_record_and_is_not_scored(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "cell.json").write_text(json.dumps({"config": {"method": "word2ket"}, "infeasible": "nearest ratio: 12x"}))
    assert not begin(data, run)
    assert pass_on(run)
    assert (read(run).state, read(run).reason) == ("infeasible", "nearest ratio: 12x")


def test_a_diverged_training_is_a_result_and_a_failed_one_an_error(data, tmp_path):
    run = tmp_path / "run"
    begin(data, run)
    (run / "train.log").write_text(
        '{"valid_ppl": "9", "valid_num_updates": "5"}\n{"valid_ppl": "nan", "valid_num_updates": "9"}'
    )
    (run / "fairseq.log").write_text("Traceback\nFloatingPointError: gradients are Nan/Inf\n")
    assert recording.record_end(run, 1)
    record = read(run, "train.json")
    assert (record.state, record.reason, record.curve) == ("failed", "diverged: gradients are Nan/Inf", [[5, 9.0]])
    (run / "fairseq.log").write_text("Traceback\nRuntimeError: no memory\n")
    with pytest.raises(SeeError, match="status 1: RuntimeError: no memory"):
        recording.record_end(run, 1)


def test_another_checkpoint_is_known_by_its_content_whatever_its_date(tmp_path):
    best, record = tmp_path / "checkpoints/checkpoint_best.pt", tmp_path / "train.json"
    save(best, 5, 1.0)
    recording.write_record(tmp_path, RunRecord("run", config={"method": "see"}, updates=5))
    before = record.read_bytes()
    os.utime(best)
    recording.note_replaced(tmp_path)
    assert record.read_bytes() == before
    save(best, 5, 2.0)
    os.utime(best, (1, 1))
    recording.note_replaced(tmp_path)
    replaced = read(tmp_path, "train.json")
    assert replaced.reason == "the checkpoint was replaced after training" and replaced.updates is None
    assert replaced.config == {"method": "see"} and replaced.checksums != json.loads(before)["checksums"]


def test_a_model_that_another_command_trained_is_described_when_it_is_scored(tmp_path):
    embedding = build("matrix", 60, 27, 1, rank=4)
    model = {"_name": "see_transformer", "see_method": "matrix", "see_ratio": 5.0}
    model["see_resolved"] = json.dumps({"ratio": 5.0, "encoder": embedding.describe()})
    state = {f"encoder.embed_tokens.{name}": value for name, value in embedding.state_dict().items()}
    run, data = tmp_path / "run", tmp_path / "prepared"
    for folder in (run / "checkpoints", data / "data-bin"):
        folder.mkdir(parents=True)
    cfg = {"model": model, "common": {"seed": 3}, "task": {"target_lang": "en"}}
    torch.save({"cfg": cfg, "model": state}, run / "checkpoints/checkpoint_best.pt")
    (data / "data-bin/dict.en.txt").write_text("the 1\n")
    (data / "tests.txt").write_text("test\tnews\n")
    score = {"name": "any", "score": 7.5, "signature": "tok:13a"}
    (run / "news.sacrebleu.json").write_text(json.dumps([score, score]))
    (run / "news.tokenised.json").write_text(json.dumps(score))
    record_scores(run, data, [])
    record = read(run)
    assert record.config == {"method": "matrix", "ratio": 5.0, "seed": 3, "architecture": "see_transformer"}
    assert record.embedding_parameters == 4 * (60 + 27) and record.metrics["news"]["bleu"] == 7.5
    assert {"dict.en.txt", "checkpoint"} == record.checksums.keys() and not (run / "train.json").exists()


def test_names_in_a_foreign_list_are_not_written_outside_of_the_run(tmp_path):
    for line in ("test\t../../elsewhere", "test\t/etc/x", "test\t.hidden", "../test\tx", "test"):
        (tmp_path / "tests.txt").write_text(line + "\n")
        with pytest.raises(SeeError, match="names no test set"):
            choose_tests(tmp_path, [])


def test_translations_are_arranged_like_the_test_set(tmp_path, capsys):
    (tmp_path / "generated").write_text("S-1\tb\nD-1\t-0.5\tsecond\x85 one\nD-0\t-0.1\tfirst\n", encoding="utf-8")
    (tmp_path / "references").write_text("a\nb\nc\n")
    assert list(arrange(tmp_path / "generated", tmp_path / "references")) == ["first", "second\x85 one", ""]
    assert "1 of 3 sentences are too long" in capsys.readouterr().err


@pytest.mark.timeout(60)
def test_segments_that_nobody_closed_take_linear_time():
    assert read_segments("<seg " * 400_000) == []


def test_a_small_archive_of_a_large_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST", 1 << 20)
    (tmp_path / "train.zh.gz").write_bytes(gzip.compress(bytes(2 << 20)))
    with pytest.raises(SeeError, match=r"train\.zh is larger than 1 MB unpacked"):
        unpack.read_files(tmp_path, {"train.zh"})


def test_a_broken_pipe_is_no_success(tmp_path):
    words = [sys.executable, "-m", "experiments", "progress", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


def test_progress_of_a_training(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    assert str(progress.read_progress(run)) == "waiting"
    (run / "training.yaml").write_text("optimization: {max_update: 0, max_epoch: 4}\n")
    assert str(progress.read_progress(run)) == "starting"
    lines = [
        {"epoch": 1, "update": 0.5, "num_updates": "50", "wps": "2000", "ups": "0.5"},
        {"epoch": 1, "valid_ppl": "12.345", "valid_num_updates": "100"},
        {"epoch": 2, "update": 1.5, "num_updates": "150", "wps": "2100", "ups": "0.5"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "train.log").write_text(text + '{"epoch": 2, "num_upd')
    assert str(progress.read_progress(run)) == (
        "training, 150/400 updates, 2,100 tokens/s, dev perplexity 12.35, 8 min left"
    )
    write(run, RunRecord("run"), "train.json")
    assert str(progress.read_progress(run)).startswith("trained, 150/400 updates")
    (tmp_path / "next").mkdir()
    (tmp_path / "next/cell.json").touch()
    assert laboratory(["progress", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "run: trained, 150/400 updates, dev perplexity 12.35",
        "1 of 2 runs have ended",
    ]
