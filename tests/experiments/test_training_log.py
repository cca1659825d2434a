"""A training log as a table."""

import pytest

from experiments.training_log import best_perplexity, rows, seconds, write_curve

LOG = """\
[2026-01-01 12:00:00,1][fairseq_cli.train][INFO] - {'epoch': 1, 'train': 'x'}
[2026-01-01 12:00:01,1][train_inner][INFO] - epoch 001:     50 / 78 loss=10.487, nll_loss=10.351, ppl=1305.93, \
wps=4113.7, ups=2.32, num_updates=50, lr=0.000333333, gnorm=1.927, clip=74, train_wall=21, wall=23
[2026-01-01 12:00:02,1][valid][INFO] - epoch 001 | valid on 'valid' subset | loss 8.755 | nll_loss 8.338 | \
ppl 323.64 | wps 11382 | num_updates 78
[2026-01-01 12:00:02,1][train][INFO] - epoch 001 | loss 9.944 | nll_loss 9.734 | ppl 851.5 | wps 4013.6 | \
num_updates 78 | lr 5.2e-05 | gnorm nan | wall 36
"""


def test_the_curve_is_read_from_the_log(tmp_path):
    found = list(rows(LOG.splitlines()))
    assert [(row["split"], row["epoch"], row["updates"], row["ppl"]) for row in found] == [
        ("update", "1", "50", "1305.93"),
        ("valid", "1", "78", "323.64"),
        ("train", "1", "78", "851.5"),
    ]
    assert (found[2]["lr"], found[2]["gnorm"], found[0]["wall"]) == ("5.2e-05", "nan", "23")
    # What was trained again after a kill counts once, as it was the second time.
    (tmp_path / "train.log").write_text(LOG + LOG.replace("323.64", "111"))
    assert len(write_curve(tmp_path / "train.log", tmp_path / "curve.tsv")) == 3
    table = [line.split("\t") for line in (tmp_path / "curve.tsv").read_text().splitlines()]
    assert {len(line) for line in table} == {10}
    assert table[2][:6] == ["valid", "1", "78", "8.755", "8.338", "111"]
    assert write_curve(tmp_path / "absent.log", tmp_path / "curve.tsv") == []


@pytest.mark.parametrize(
    ("said", "expected"), [("23.5", 23.5), ("1.23457e+06", 1234570), ("1e-05", 1e-5), ("inf", None), ("nan", None)]
)
def test_the_perplexity_of_a_run_that_was_fitted_is_the_last_that_validating_said(said, expected, tmp_path):
    line = "2026-01-01 12:00:00 | INFO | valid | valid on 'valid' subset | loss 5 | ppl {} | wps 9\n"
    (tmp_path / "valid.log").write_text(line.format(2) + line.format(said) + "done\n")
    assert best_perplexity(tmp_path) == expected


def test_the_seconds_of_all_starts_count(tmp_path):
    log = tmp_path / "train.log"
    assert seconds(tmp_path) is None
    log.write_text(LOG)
    assert seconds(tmp_path) == 36
    # Killed, and gone on with: fairseq counts from 0 again.
    log.write_text(LOG + LOG.replace("num_updates=50", "num_updates=100").replace("num_updates 78", "num_updates 156"))
    assert seconds(tmp_path) == 72
    # Killed before the first checkpoint: the same updates again, and only that time counts.
    log.write_text(LOG + LOG)
    assert seconds(tmp_path) == 36
    # Not as far as that yet: the rows are in the order of training, and both starts count.
    log.write_text(LOG + "".join(LOG.splitlines(keepends=True)[:2]))
    assert seconds(tmp_path) == 36 + 23
