"""scripts/distil.sh: a trained model compressed, taught by the one it was, and trained from nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.helpers import ROOT, contents, refused, script, write_beginning


@pytest.mark.slow
def test_distil_makes_and_scores_a_fit_and_trainings(tmp_path):
    text, folder = tmp_path / "text", tmp_path / "with a space"
    write_beginning(text)
    sets = ("--train", text / "train", "--dev", text / "dev", "--test", f"test={text / 'test'}")
    short = ("lr_scheduler.total_num_update=4", "optimization.max_update=4")
    for words in (
        ("prepare.sh", *sets, "--size", "300", "--out", folder),
        ("index.sh", folder, "--hownet", text / "senses.tsv"),
        ("train.sh", "demo_zh_en", folder / "data-bin", folder / "dense", "model.see_method=dense", *short),
    ):
        done = script(*words)
        assert done.returncode == 0, done.stderr
    words = (
        "distil.sh",
        folder / "dense",
        folder,
        folder / "out",
        "--methods",
        "svd",
        "--updates",
        "4",
        "--start",
        "2",
    )
    words += ("--trainings", "distilled scratch", "--jobs", "1")
    words += ("--config", "distil_zh_en", "--scratch-config", "demo_zh_en")
    done = script(*words)
    assert done.returncode == 0, done.stderr
    runs = sorted(path.name for path in (folder / "out").iterdir() if path.is_dir())
    assert runs == ["svd-10x-distilled", "svd-10x-fit", "svd-10x-scratch"]
    for run in runs:
        assert re.search(rf"^\| {run} \| [\d.]+ \| [\d.]+ \|$", done.stdout, re.M)
        assert json.loads((folder / "out" / run / "test.scores.json").read_text())["bleu"] >= 0
    log = (folder / "out/svd-10x-distilled/train.log").read_text()
    assert "loading pretrained model from" in log and "start stage from update 0" in log
    assert "formal stage from update 2" in log
    assert "teacher" not in (folder / "out/svd-10x-scratch/hydra/config.yaml").read_text()

    def made():
        kept = (".pt", ".scores.json")
        return {name: times for name, times in contents(folder / "out").items() if name.endswith(kept)}

    before = made()
    assert script(*words).returncode == 0 and made() == before


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout whose fit.sh, train.sh and score.sh only leave what is looked at; with a teacher and its data."""
    folder = tmp_path / 'a node\'s "disk"'
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in ("fairseq_see", "configs"):
        (folder / name).symlink_to(ROOT / name)
    for name, body in (
        ("fit.sh", 'mkdir -p "$2"; echo "valid on | ppl 20.5 |" >"$2/valid.log"'),
        ("train.sh", 'mkdir -p "$3"; printf "%s\\n" "${@:4}" >"$3/called"; cp "${3%-*}-fit/valid.log" "$3"'),
        ("score.sh", """echo '{"bleu": 12.34}' >"$1/test.scores.json" """),
    ):
        (folder / "scripts" / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
    for name in ("prepared/data-bin", "dense/checkpoints"):
        (folder / name).mkdir(parents=True)
    (folder / "dense/checkpoints/checkpoint_best.pt").touch()
    return folder


def distil(checkout: Path, *words: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "FAIRSEQ_SEE_VENV": sys.prefix}
    command = ["bash", "scripts/distil.sh", "dense", "prepared", "out", "--jobs", "1", *words]
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)


def test_trainings_are_told_their_teacher_whatever_its_path(checkout):
    done = distil(checkout, "--methods", "direction", "--ratio", "5", "--updates", "60", "--start", "7", "a.b=c")
    assert done.returncode == 0, done.stderr
    assert "| direction-5x-unstaged | 20.5 | 12.3 |" in done.stdout
    shared = {
        **{"lr_scheduler._name": "polynomial_decay", "lr_scheduler.warmup_updates": 10},
        **{"lr_scheduler.total_num_update": 60, "optimization.max_update": 60, "optimization.max_epoch": 0},
        **{"model.see_method": "low_rank", "model.see_args.bias": True, "model.see_ratio": 5, "a.b": "c"},
    }
    taught = {
        "criterion.teacher": str(checkout / "dense/checkpoints/checkpoint_best.pt"),
        "checkpoint.finetune_from_model": str(checkout / "out/direction-5x-fit/checkpoints/checkpoint_best.pt"),
    }
    staged = taught | {"criterion.start_updates": 7}
    for training, more in (("distilled", staged), ("unstaged", taught), ("scratch", {})):
        said = (checkout / f"out/direction-5x-{training}/called").read_text().splitlines()
        read = OverridesParser.create().parse_overrides(said)
        assert {override.key_or_group: override.value() for override in read} == shared | more


def test_a_run_without_a_perplexity_has_an_empty_cell(checkout):
    (checkout / "out/other").mkdir(parents=True)
    (checkout / "out/other/test.scores.json").write_text('{"bleu": 5}')
    done = distil(checkout, "--methods", "svd", "--trainings", "")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2:] == ["| other |  | 5.0 |", "| svd-10x-fit | 20.5 | 12.3 |"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--methods", "lstm"), "unknown method lstm"),
        (("--trainings", "again"), "unknown training again"),
        (("--updates", "10", "--start", "10"), "leaves none of the 10 updates"),
        (("--updates", "ten"), "whole numbers"),
        ((), "checkpoint_best.pt; scripts/train.sh makes it"),
    ],
)
def test_bad_input_is_refused(words, problem, tmp_path):
    assert refused(script("distil.sh", tmp_path, tmp_path, tmp_path / "out", *words), problem)
    assert not (tmp_path / "out").exists()
