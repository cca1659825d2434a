"""Distillation by the real commands, from a teacher that stock fairseq trained."""

import json
import logging
import re

import pytest
import torch

from experiments.training import begin
from tests.fairseq.training import SHAPE, generate, train
from tests.helpers import run_command


def read_logged(log, split, name):
    """The values that a JSON log has of something, in order."""
    key = name if split == "train_inner" else f"{split}_{name}"
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [float(line[key]) for line in lines if key in line]


@pytest.mark.slow
def test_a_run_of_the_yaml_learns_and_translates(toy, trained, tmp_path):
    overrides = [
        *(f"criterion.teacher={trained('stock')}", "common.log_interval=5"),
        *(f"model.{name.strip('-').replace('-', '_')}={value}" for name, value in SHAPE.items()),
        *("model.see_ratio=3", "dataset.max_tokens=400", "optimization.max_epoch=8", "criterion.start_updates=20"),
        *("lr_scheduler.warmup_updates=5", "model.see_args={frequent_share: 0, init: normal}"),
    ]
    begin("distil_zh_en", toy / "data-bin", tmp_path, overrides)
    done = run_command("fairseq-hydra-train", "--config-dir", tmp_path, "--config-name", "training")
    log = tmp_path / "train.log"
    assert re.findall(r"(\w+) stage from update (\d+)", done.stdout + done.stderr) == [("start", "0"), ("formal", "20")]
    # What a stage learns, falls: the first line of the stage, and its last.
    for name in ("embedding_loss", "hidden_loss", "kl_loss", "ce_loss"):
        values = read_logged(log, "train_inner", name)
        assert values[-1] < values[0], (name, values)
    perplexity = read_logged(log, "valid", "ppl")
    assert len(perplexity) == 8 and perplexity[-1] < perplexity[0] / 2
    best = tmp_path / "checkpoints/checkpoint_best.pt"
    state = torch.load(best, weights_only=True)
    config = json.loads(state["cfg"]["model"]["see_resolved"])["decoder"]["config"]
    assert config["init"] == "normal" and not config["frequent_share"]
    assert state["criterion"] is None and not [name for name in state["model"] if "teacher" in name]
    assert state["extra_state"]["best"] == pytest.approx(min(read_logged(log, "valid", "loss")), abs=1e-3)
    generate(toy / "data-bin", best)


@pytest.mark.parametrize(
    ("length", "stages"),
    [
        # After a stop at the end of each epoch.
        (("--start-updates", "9"), [[("start ", "7"), ("formal ", "9")], [("formal ", "14")]]),
        (("--start-epochs", "1"), [[("formal ", "7")]]),
    ],
)
def test_resuming_before_and_after_the_border_is_exact(toy, trained, tmp_path, caplog, length, stages):
    caplog.set_level(logging.INFO, logger="fairseq_see")
    words = ("--criterion", "see_distillation", "--teacher", trained("stock"), *length, "--max-epoch", "3")
    words += ("--see-method", "low_rank", "--see-ratio", "2")
    straight = train(toy / "data-bin", tmp_path / "straight", *words)
    for stop, expected in enumerate(stages, 1):
        folder = tmp_path / f"stopped{stop}"
        train(toy / "data-bin", folder, *words, "--max-epoch", stop)
        caplog.clear()
        resumed = train(toy / "data-bin", folder, *words)
        assert re.findall(r"(\w+ )stage from update (\d+)", caplog.text) == expected
        assert all(value.equal(resumed["model"][name]) for name, value in straight["model"].items())
