"""scripts/reproduce.sh and what starts the same cells elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.__main__ import main as laboratory
from experiments.run_list import read_json, read_yaml
from tests.helpers import ROOT, contents, refused, script, write_beginning


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """The beginning of data/."""
    folder = tmp_path_factory.mktemp("text")
    write_beginning(folder)
    return folder


@pytest.mark.slow
def test_missing_cells_are_made_and_the_others_left_alone(text, tmp_path):
    words = ("table2", "--dataset", text, "--scale", "tiny", "--out", tmp_path)
    short = ("optimization.max_update=2", "--jobs", "1")
    done = script("reproduce.sh", *words, "--methods", "dense", *short)
    assert done.returncode == 0, done.stderr
    before = contents(tmp_path / "cells/dense-seed1")
    done = script("reproduce.sh", *words, "--methods", "dense", "see", "--ratios", "10", "80", *short)
    assert done.returncode == 0, done.stderr
    for name in ("dense-seed1", "see-10x-seed1"):
        folder = tmp_path / "cells" / name
        assert {"train.log", "curve.tsv", "provenance.json", "test.hyp", "test.scores.json", "done"} <= set(
            os.listdir(folder)
        )
        assert (folder / "hydra/config.yaml").is_file()
        assert json.loads((folder / "test.scores.json").read_text())["bleu"] >= 0
    assert "see_ratio: 10.0" in (tmp_path / "cells/see-10x-seed1/hydra/config.yaml").read_text()
    after = contents(tmp_path / "cells/dense-seed1")
    made = [path for path in before if path.endswith((".pt", ".json", ".hyp", ".log", "done"))]
    assert len(made) > 5 and all(before[path] == after[path] for path in made)

    # Quantised, it is a run like any other, but that it has no training; and made once.
    quantised = tmp_path / "cells/int8-seed1"
    fit = ("fit.sh", tmp_path / "cells/dense-seed1", quantised, "--see-method", "int8", "--epochs", "0")
    assert script(*fit).returncode == 0
    assert script("score.sh", quantised, tmp_path / "prepared").returncode == 0
    assert laboratory(["report", str(tmp_path / "cells"), "--out", str(tmp_path / "out")]) == 0
    assert re.search(r"\| int8 \| fitted to dense-seed1 in closed form \|", (tmp_path / "out/report.md").read_text())
    assert {side["method"] for side in json.loads((quantised / "fit.json").read_text())} == {"int8"}
    assert "is fitted already" in script(*fit).stderr
    assert refused(script(*fit[:-1], "1"), "fitted with other settings")
    assert refused(
        script("fit.sh", tmp_path / "x", tmp_path / "y", "--see-method", "int8"), "scripts/train.sh makes it"
    )
    unmade = ("fit.sh", tmp_path / "cells/dense-seed1", tmp_path / "y", "--see-method", "int8", "--see-ratio", "9")
    assert refused(script(*unmade), "nearest ratio") and not (tmp_path / "y/done").exists()

    # What a method cannot reach on these dictionaries is told, and not tried.
    assert re.search(r"see-80x-seed1\tout of reach: .*nearest ratio: 3", done.stderr)
    assert sorted(path.name for path in (tmp_path / "cells").iterdir() if path.is_dir()) == [
        "dense-seed1",
        "int8-seed1",
        "see-10x-seed1",
    ]


def test_cells_are_listed_before_anything_is_prepared(text, tmp_path):
    listed = script("reproduce.sh", "table5", "--dataset", text, "--out", tmp_path / "out", "--list")
    assert listed.stdout.splitlines() == [f"{name}-seed1\tmissing" for name in ("dense", "morph_lstm", "sememe_lstm")]
    assert not list(tmp_path.iterdir())


def test_a_grid_is_of_the_settings_that_are_asked_for(text, tmp_path):
    words = ("grid", "--dataset", text, "--out", tmp_path / "out", "--list")
    assert len(script("reproduce.sh", *words).stdout.splitlines()) == 27
    listed = script("reproduce.sh", *words, "--ranks", "5", "--orders", "2", "3", "--ms", "9", "--seeds", "2").stdout
    assert listed == "".join(f"see-rank5-order{order}-m9-seed2\tmissing\n" for order in (2, 3))
    assert refused(script("reproduce.sh", *words, "--ranks", "2.5"), "--ranks 2.5: not a whole number")
    assert refused(script("reproduce.sh", "figure5", *words[1:], "--ms", "3"), "--ms go with grid")


def test_words_that_are_refused(text, tmp_path):
    assert refused(script("reproduce.sh", "table9", "--dataset", text), "no table table9")
    assert refused(script("reproduce.sh", "table2"), "--dataset is missing")
    assert refused(script("reproduce.sh", "table2", "--dataset", tmp_path / "x"), "no folder")
    assert refused(script("reproduce.sh", "table2", "--dataset", text, "--scale", "huge"), "--scale huge")
    assert refused(script("reproduce.sh", "table2", "--dataset", text, "--out", tmp_path / "o"), "sees no GPU")
    assert refused(
        script("reproduce.sh", "table2", "--dataset", tmp_path, "--scale", "tiny"), "download_iwslt17_zh_en.sh"
    )
    assert refused(script("reproduce.sh", "table5", "--dataset", text, "--ratios", "10", "--list"), "no ratios")
    assert refused(script("reproduce.sh", "table2", "--dataset", text, "--ratios", "x", "--list"), "--ratios x")
    assert refused(script("reproduce.sh", "table2", "--dataset", text, "--seeds", "1.5", "--list"), "--seeds 1.5")
    assert refused(
        script("reproduce.sh", "table2", "--dataset", text, "--sizes", "9"), "--sizes goes with practitioner"
    )
    assert refused(script("reproduce.sh", "practitioner", "--dataset", text, "--sizes", "x", "--list"), "--sizes x")
    assert refused(
        script("reproduce.sh", "practitioner", "--dataset", text, "--methods", "see", "--list"), "no methods"
    )
    # Told before anything is prepared.
    grid = ("grid", "--dataset", text, "--scale", "tiny", "--orders", "1", "--out", tmp_path / "o")
    assert refused(script("reproduce.sh", *grid), "order 1 is out of range; choose 2 to 16")
    assert not (tmp_path / "o").exists()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout whose train.sh and score.sh only note how they are called."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in ("fairseq_see", "configs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "scripts/train.sh").write_text(
        '#!/usr/bin/env bash\nmkdir -p "$3"; echo "$EPOCHREALTIME" >"$3/from"; sleep 0.4\n'
        'echo "${CUDA_VISIBLE_DEVICES-none}" "$1" "${@:4}" >"$3/train.log"\n'
        'touch "$3/done"; echo "$EPOCHREALTIME" >"$3/to"\n'
    )
    (folder / "scripts/score.sh").write_text('#!/usr/bin/env bash\ntouch "$1/test.scores.json"\n')
    (folder / "prepared/data-bin").mkdir(parents=True)
    (folder / "prepared/tests.txt").write_text("test\ttest\n")
    rows = "".join(f"- {{name: r{i}, config: demo_zh_en, overrides: {{common.seed: {i}}}}}\n" for i in range(4))
    (folder / "runs.yaml").write_text(f"runs:\n{rows}")
    return folder


def start(checkout: Path, name: str, *words: object, **env: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "FAIRSEQ_SEE_VENV": sys.prefix, **env}
    command = ["bash", checkout / "scripts" / name, *map(str, words)]
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)


def test_training_and_scoring_can_be_two_calls(checkout):
    words = ("sweep.sh", "runs.yaml", "prepared", "out", "--jobs", "2")
    for more, scored in ((("--train-only",), 0), ((), 4)):
        done = start(checkout, *words, *more)
        assert done.returncode == 0, done.stderr
        assert len(list(checkout.glob("out/*/done"))) == 4
        assert len(list(checkout.glob("out/*/test.scores.json"))) == scored


def test_recipes_go_to_the_cells_of_their_method(checkout, text):
    (checkout / "scripts/prepare.sh").write_text('#!/usr/bin/env bash\nmkdir -p "${!#}/data-bin"\n')
    recipes = checkout / "recipes.yaml"
    recipes.write_text(
        "dense: {optimization.lr: [0.001], model.dropout: 0.2}\nmatrix: {lr_scheduler._name: inverse_sqrt}\n"
    )
    words = ("reproduce.sh", "practitioner", "--dataset", text, "--scale", "tiny", "--sizes", "500", "--out", "out")
    words += ("--recipes", recipes, "--jobs", "1")
    assert refused(start(checkout, *words), "does not tell how long to train: add --updates N")
    assert refused(start(checkout, *words, "--updates", "0"), "--updates 0")
    (checkout / "scripts/fit.sh").write_text('#!/usr/bin/env bash\nmkdir -p "$2"\n')
    done = start(checkout, *words, "--updates", "7", "optimization.lr=[0.1]")
    assert done.returncode == 0, done.stderr
    said = {path.parent.name: path.read_text().split()[2:] for path in checkout.glob("out/cells/*/train.log")}
    assert set(said) == {f"dense{name}-seed1" for name in ("", "-d108", "-d56", "-bpe500", "-shared")}
    for overrides in said.values():
        assert overrides[-1] == "optimization.lr=[0.1]" and overrides.index("optimization.lr=[0.001]") > 0
        assert {"model.dropout=0.2", "optimization.max_update=7", "optimization.max_epoch=0"} < set(overrides)
    # Told before anything is prepared.
    for content, problem in (
        ("see: {x: 1}", "has no recipe for dense"),
        ("dense: [", "is no YAML"),
        ("dense: 0.1", "recipes.yaml, dense: write a mapping"),
        ("mystery: {x: 1}", "recipes.yaml: unknown embedding method 'mystery'"),
        ("dense: {optimization.max_update: 3}", "optimization.max_update is no part of a recipe"),
        ("dense: {model.see_method: see}", "model.see_method is set already, to dense"),
    ):
        recipes.write_text(content)
        assert refused(start(checkout, *words, "--updates", "7", "--out", "other"), problem), content
    assert not (checkout / "other").exists()


def test_each_run_has_a_gpu_for_itself(checkout):
    done = start(checkout, "sweep.sh", "runs.yaml", "prepared", "out", "--gpus", "3,5")
    assert done.returncode == 0, done.stderr
    at_work = {"3": [], "5": []}
    for i in range(4):
        gpu = (checkout / f"out/r{i}/train.log").read_text().split()[0]
        at_work[gpu].append(tuple(float((checkout / f"out/r{i}/{name}").read_text()) for name in ("from", "to")))
    for times in at_work.values():
        (_, first_end), (second_start, _) = sorted(times)
        assert first_end <= second_start
    assert refused(start(checkout, "sweep.sh", "runs.yaml", "prepared", "out", "--gpus", "0,,1"), "--gpus 0,,1")


def test_what_practitioners_do_is_trained_on_its_text_and_quantised_afterwards(checkout, text):
    """prepare.sh and fit.sh note how they are called, too."""
    (checkout / "scripts/prepare.sh").write_text(
        '#!/usr/bin/env bash\nout=${!#}; mkdir -p "$out/data-bin"; echo "$@" >"$out/called"\n'
    )
    (checkout / "scripts/fit.sh").write_text(
        '#!/usr/bin/env bash\nmkdir -p "$2"; echo "$@" >"$2/called"; touch "$2/done"\n'
    )
    words = ("practitioner", "--dataset", text, "--scale", "tiny", "--out", "out", "--ratios", "10", "--sizes", "500")
    done = start(checkout, "reproduce.sh", *words, "--jobs", "1", "optimization.max_update=7")
    assert done.returncode == 0, done.stderr
    out = checkout / "out"
    sizes = {path.name: re.search("--size.*(?= --out)", (path / "called").read_text())[0] for path in out.glob("prep*")}
    assert sizes == {
        "prepared": "--size 4000",
        "prepared-bpe500": "--size 500",
        "prepared-joined": "--size 4000 --joined",
    }
    said = {path.parent.name: path.read_text().split()[2:] for path in out.glob("cells/*/train.log")}
    assert set(said["dense-d108-seed1"]) > {"model.encoder_embed_dim=108", "model.decoder_embed_dim=108"}
    assert set(said["dense-shared-seed1"]) > {"+model.share_all_embeddings=true", "optimization.max_update=7"}
    assert set(said) == {f"dense{name}-seed1" for name in ("", "-d108", "-d56", "-bpe500", "-shared")}
    fits = {path.parent.name: path.read_text().split() for path in out.glob("cells/*/called")}
    assert fits == {
        name: [str(out / "cells/dense-seed1"), str(out / "cells" / name), *options.split(), "--epochs", "0"]
        for name, options in (
            ("int8-seed1", "--see-method int8"),
            ("product_quantised-10x-seed1", "--see-method product_quantised --see-ratio 10.0"),
        )
    }
    listed = start(checkout, "reproduce.sh", *words, "--list").stdout.splitlines()
    assert len(listed) == 7 and all(line.endswith("\tdone") for line in listed)


def test_a_slurm_array_of_what_is_missing(checkout, tmp_path):
    """sbatch is one of ours, which notes its options and runs the tasks of the array."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/sbatch"
    fake.write_text(
        '#!/usr/bin/env bash\nprintf "%s\\n" "$@" >sbatch.txt\n'
        "for word; do case $word in --array=*) array=${word#*=} ;; --wrap=*) command=${word#*=} ;; esac; done\n"
        'for task in ${array//,/ }; do SLURM_ARRAY_TASK_ID=$task sh -c "$command" || exit; done\n'
    )
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    (checkout / "out/r1").mkdir(parents=True)
    for name in ("done", "test.scores.json"):
        (checkout / "out/r1" / name).touch()
    words = ("slurm_array.sh", "runs.yaml", "prepared", "out", "optimization.max_update=7", "+note=l'été")
    words += ("--", "--time", "1:00:00")
    # Where bash quotes letters like é in a way of its own.
    done = start(checkout, *words, PATH=path, LC_ALL="C")
    assert done.returncode == 0, done.stderr
    options = (checkout / "sbatch.txt").read_text().splitlines()
    assert (
        "--array=1,3,4" in options and "--gres=gpu:1" in options and options.index("--time") < options.index("1:00:00")
    )
    assert not (checkout / "out/r1/train.log").exists()
    assert len(read_json(checkout / "out/runs.runs.json")) == 4
    said = (checkout / "out/r2/train.log").read_text().split()
    assert said[1:] == ["demo_zh_en", "common.seed=2", "optimization.max_update=7", "+note=l'été"]
    assert "all 4 runs are in" in start(checkout, *words, PATH=path).stderr
    # Cut off between two test sets.
    (checkout / "prepared/tests.txt").write_text("test\ttest\ntest1\tnews\n")
    for run in ("r0", "r1", "r2"):
        (checkout / f"out/{run}/news.scores.json").touch()
    assert start(checkout, *words, PATH=path).returncode == 0
    assert "--array=4" in (checkout / "sbatch.txt").read_text().splitlines()


@pytest.mark.slow
def test_the_list_for_other_machines(text, tmp_path):
    """--prepare leaves what scripts/bundle.sh takes: a list and a folder whose indexes it names without a path."""
    words = ("ablation", "--dataset", text, "--scale", "tiny", "--out", tmp_path, "--prepare")
    done = script("reproduce.sh", *words)
    assert done.returncode == 0, done.stderr
    runs = read_yaml(tmp_path / "ablation.yaml", ROOT / "configs")
    assert [run.name for run in runs][1] == "see-random-senses-20x-seed1"
    for run in runs[1:]:
        (index,) = (word.partition("=")[2] for word in run.overrides if "see_index" in word)
        assert (tmp_path / "prepared/data-bin" / index / "dict.zh.see").is_file()
    assert not (tmp_path / "cells").exists()
    # Nor is an older list taken for that of a table which nobody can train.
    (tmp_path / "none").mkdir()
    (tmp_path / "none/table2.yaml").write_text("of other cells")
    cell = ("--methods", "word2ket", "--ratios", "80", "--out", tmp_path / "none")
    done = script("reproduce.sh", "table2", "--dataset", tmp_path / "prepared", "--scale", "tiny", *cell)
    assert done.returncode == 0 and done.stderr.endswith("none of them can be trained\n"), done.stderr
    assert not (tmp_path / "none/table2.yaml").exists()
