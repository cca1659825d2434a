"""run.json: written once, read again, refused in one line if damaged; and what it takes from log and checkpoint."""

import json
import logging
import os

import pytest
import torch

from experiments import run_record
from experiments.run_record import RunRecord, measure_sizes, read, read_curve, write
from fairseq_see.embeddings import build
from fairseq_see.errors import SeeError

RECORD = RunRecord(
    name="see20",
    config={"method": "see", "ratio": 20, "seed": 1},
    state="scored",
    updates=1200,
    seconds=900.5,
    matrices=[[60, 27], [50, 27]],
    curve=[[600, 40.5], [1200, 20.0]],
    metrics={"short": {"bleu": 12.0, "bleu_signature": "BLEU|tok:13a"}},
    checksums={"data": "abc"},
)


def test_a_record_is_read_as_it_was_written(tmp_path):
    write(tmp_path, RECORD)
    assert read(tmp_path) == RECORD


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no run record"),
        ("[" * 100_000, "is no run record"),
        ("[]", "is no run record"),
        ('{"kind": "fit"}', "is no run record"),
        ('{"name": 3}', "name is 3"),
        ('{"name": "a", "kind": "poem"}', "kind is 'poem', not one of translation"),
        ('{"name": "a", "state": null}', "state is None"),
        ('{"name": "a", "updates": "many"}', "updates is 'many'"),
        ('{"name": "a", "metrics": []}', "metrics is []"),
        ('{"name": "a", "metrics": {"short": 3}}', "metrics is {'short': 3}"),
        ('{"name": "a", "metrics": {"short": {"bleu": "high"}}}', "bleu is 'high'"),
        ('{"name": "a", "metrics": {"short": {}}}', "metrics of short hold no number"),
        ('{"name": "a", "config": {"ratio": "ten"}}', "ratio is 'ten'"),
        ('{"name": "a", "checksums": {"data": 1}}', "checksums is {'data': 1}"),
        ('{"name": "a", "curve": [[1, null]]}', "curve is [[1, None]]"),
        ('{"name": "a", "curve": [[1]]}', "no lists of pairs"),
        ('{"name": "a", "curve": [[1, NaN]]}', "NaN is no number"),
        ('{"name": "a", "upda', "is no run record"),
        ('{"name": "a", "matrices": [5]}', "matrices is [5]"),
        ('{"name": "a", "version": 2}', "version is 2, not one of 1"),
        ('{"name": "a", "mood": "good"}', "unknown fields: mood"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(SeeError, match="run") as error:
        read(tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_curve_is_what_fairseq_logs(tmp_path):
    """Written by fairseq's own progress bar, with the handlers that it adds in every epoch."""
    from fairseq.logging import progress_bar

    log = tmp_path / "log.json"
    before = list(progress_bar.logger.handlers)
    progress_bar.logger.setLevel(logging.INFO)
    try:
        for update, perplexity in ((100, 75.5), (200, 13.25), (100, 70.5), (300, 9.0)):
            bar = progress_bar.progress_bar([1], "json", log_file=str(log), epoch=1)
            bar.print({"loss": 2.0, "ppl": 90.0, "num_updates": update}, tag="train")
            bar.print({"loss": 2.0, "ppl": perplexity, "num_updates": update}, tag="valid")
    finally:
        for handler in set(progress_bar.logger.handlers) - set(before):
            progress_bar.logger.removeHandler(handler)
            handler.close()
    with log.open("a") as file:
        file.write('begin training epoch 1\n{"valid_ppl": "8.0", "valid_num')
    assert read_curve(log) == [[100, 70.5], [200, 13.25], [300, 9.0]]


def test_sizes_are_those_of_the_checkpoint(tmp_path):
    embedding = build("matrix", 60, 27, 1, rank=4)
    resolved = {"ratio": None, "encoder": embedding.describe(), "decoder": embedding.describe()}
    model = {
        f"{side}.embed_tokens.{k}": v for side in ("encoder", "decoder") for k, v in embedding.state_dict().items()
    }
    model |= {"encoder.layers.0.weight": torch.zeros(10, 5), "encoder.version": torch.tensor([3.0])}
    path = tmp_path / "checkpoint_best.pt"
    torch.save({"cfg": {"model": {"see_resolved": json.dumps(resolved)}}, "model": model}, path)
    sizes = measure_sizes(path)
    # The two matrices share their storage here; each side counts its own. k (V + d) parameters a side.
    assert sizes["embedding_parameters"] == 2 * 4 * (60 + 27)
    assert sizes["embedding_bytes"] == 4 * 4 * (60 + 27)
    # An export has a byte a parameter, and two for the scale of each of 60 + 4 rows.
    assert sizes["shipped_bytes"] == 2 * (4 * (60 + 27) + 2 * (60 + 4))
    assert sizes["model_parameters"] == sizes["embedding_parameters"] + 50
    assert sizes["model_bytes"] == sizes["embedding_bytes"] + 100
    assert sizes["matrices"] == [[60, 27], [60, 27]] and sizes["dense_parameters"] == 2 * 60 * 27
    assert sizes["parameter_ratio"] == sizes["byte_ratio"] == 60 * 27 / (4 * (60 + 27))


def test_packed_source_names_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(run_record, "__file__", str(tmp_path / "experiments/run_record.py"))
    assert run_record.find_commit() == "unknown"
    (tmp_path / "COMMIT").write_text("abc1234-dirty\n")
    assert run_record.find_commit() == "abc1234-dirty"


def test_machine_and_versions_are_those_of_this_process():
    versions = run_record.collect_versions()
    assert versions["torch"] == torch.__version__ and versions["fairseq"].startswith("0.12")
    assert run_record.collect_machine().startswith(f"{os.cpu_count()} cores of ")
