"""scripts/distil.sh: a trained model compressed, taught by the one it was, and trained from nothing."""

import json
import re

import pytest

from tests.scripts.test_prepare import contents, refused, script, write_beginning


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
