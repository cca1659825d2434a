"""Tables by experiments/Snakefile, run for real on a tiny corpus: whole, interrupted, through Slurm."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.forks import make_environment
from tests.helpers import ROOT, make_environ, refused, script, write_beginning

# A table takes minutes on a machine that is busy.
pytestmark = pytest.mark.timeout(3000)
TABLE = (
    *("scale=tiny", "size=200", "methods=see", "ratios=5 100", "updates=12"),
    "overrides=lr_scheduler.warmup_updates=4 checkpoint.save_interval_updates=3 checkpoint.keep_interval_updates=1",
)
SLURM = {
    "sbatch": """\
echo "$*" >>"$STUB/calls"
for word in "$@"; do [[ $word != --wrap=* ]] || command=${word#--wrap=}; done
[[ -n ${command:-} ]] || while (($#)); do if [[ $1 == --wrap ]]; then command=$2; fi; shift; done
id=$(ls "$STUB" | wc -l)
(SLURM_JOB_ID=$id bash -c "$command" >"$STUB/log" 2>&1 && echo COMPLETED || echo FAILED) >"$STUB/$id.state" &
echo "$id"
""",
    "srun": 'while [[ $1 == -* ]]; do shift; done\nexec "$@"\n',
    "sacct": 'cd "$STUB"; for file in *.state; do [[ ! -s $file ]] || echo "${file%.state}|$(cat "$file")"; done\n',
    "sacctmgr": "echo lab\n",
    **dict.fromkeys(("sinfo", "squeue", "scancel", "scontrol", "sshare"), "exit 0\n"),
}


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory) -> Iterator[Path]:
    """A Slurm that runs jobs at once. If there is one that does not answer, snakemake waits for it at every start."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "bin").mkdir()
    for name, body in SLURM.items():
        (folder / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}")
        (folder / "bin" / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        patch.setenv("STUB", str(folder))
        yield folder


def make_words(folder: Path, target: str, *config: str, options=("--cores", "1")) -> list[str]:
    """What follows ``snakemake``."""
    words = ["-s", ROOT / "experiments/Snakefile", "-d", folder, target, *options, "--config", *config]
    return list(map(str, words))


def environment() -> dict[str, str]:
    # Snakefile and scripts see to it that modules of the current folder are not executed.
    return make_environ(FAIRSEQ_SEE_VENV=str(make_environment()), PYTHONSAFEPATH="")


def snakemake(*words, **options) -> subprocess.CompletedProcess:
    command = [make_environment() / "bin/snakemake", *make_words(*words, **options)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    done.stdout += done.stderr
    return done


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text") / "real"
    write_beginning(folder)
    return folder


@pytest.fixture(scope="module")
def table(text, tmp_path_factory) -> Path:
    """A folder in which table2 was made in one go."""
    folder = tmp_path_factory.mktemp("with a space")
    done = snakemake(folder, "table2", f"corpus={text}", "out=out", *TABLE)
    assert done.returncode == 0, done.stdout[-4000:]
    return folder


def results(folder: Path) -> dict[str, tuple]:
    """Of each cell, what a kill must not change."""
    found = {}
    for path in sorted((folder / "out/cells").glob("*/run.json")):
        record = json.loads(path.read_text())
        best = path.parent / "checkpoints/checkpoint_best.pt"
        weights = torch.load(best, weights_only=True)["model"] if best.is_file() else {}
        total = {name: value.double().sum().item() for name, value in weights.items()}
        scores = (record["state"], record["updates"], record["dev_perplexity"], record["metrics"])
        found[path.parent.name] = (*scores, record["curve"], total)
    return found


@pytest.mark.slow
def test_a_table_has_a_record_of_every_cell(table):
    found = results(table)
    assert list(found) == ["see-100x-seed1", "see-5x-seed1"]
    assert found["see-100x-seed1"][0] == "infeasible"
    assert found["see-5x-seed1"][0] == "scored" and found["see-5x-seed1"][4][-1][0] == 12
    assert 0 <= found["see-5x-seed1"][3]["test"]["bleu"] <= 100
    record = json.loads((table / "out/cells/see-5x-seed1/run.json").read_text())
    assert record["config"] == {"corpus": "real", "scale": "tiny", "method": "see", "ratio": 5.0, "seed": 1}
    assert len(record["checksums"]["checkpoint"]) == 64 and record["overrides"]["lr_scheduler.warmup_updates"] == "4"


@pytest.mark.slow
def test_only_what_has_changed_is_made_again(table, text):
    words = (table, "table2", f"corpus={text}", "out=out", *TABLE)
    options = ("--cores", "1", "--dry-run")
    # Files that are newer and the same, and an older one with other weights.
    touched = [text / "train.zh", table / "out/prepared/data-bin/dict.zh.see"]
    best = table / "out/cells/see-5x-seed1/checkpoints/checkpoint_best.pt"
    times = [path.stat().st_mtime for path in touched]
    for path in touched:
        os.utime(path)
    shutil.move(best, table / "kept.pt")
    state = torch.load(table / "kept.pt", weights_only=True)
    next(iter(state["model"].values())).add_(1)
    torch.save(state, best)
    os.utime(best, (1, 1))
    planned = snakemake(*words, options=options).stdout
    shutil.move(table / "kept.pt", best)
    for path, when in zip(touched, times, strict=True):
        os.utime(path, (when, when))
    assert planned.count("score.sh out/cells/see-5x-seed1") == 1 and planned.count("scripts/") == 1
    more = snakemake(*words[:-1], words[-1].replace("warmup_updates=4", "warmup_updates=5"), options=options).stdout
    assert "train.sh" in more and "fairseq-preprocess" not in more


@pytest.mark.slow
def test_a_table_that_is_killed_while_it_trains_has_the_same_results(table, text, tmp_path):
    # In the current folder of all commands.
    for name in ("json", "torch", "numpy", "fairseq"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    config = (f"corpus={text}", "out=out", f"prepared={table / 'out/prepared'}", *TABLE)
    words = [sys.executable, "-m", "snakemake", *make_words(tmp_path, "table2", *config, options=("--cores", "2"))]
    moments = random.Random(1)

    def measure_logs() -> int:
        return sum(path.stat().st_size for path in tmp_path.glob("out/cells/*/train.log"))

    for _ in range(2):
        before, quiet = measure_logs(), {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, env=environment(), start_new_session=True, **quiet)
        while process.poll() is None and measure_logs() == before:
            time.sleep(0.1)
        time.sleep(moments.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert results(tmp_path) == results(table)
    left = [
        path for path in tmp_path.rglob("*") if path.name.endswith(".tmp") or path.name.startswith((".run", ".train"))
    ]
    assert left == []


@pytest.mark.slow
def test_scripts_train_and_score_the_other_direction_wherever_they_are_called(table, tmp_path):
    data, run = table / "out/prepared", tmp_path / "run"
    for name in ("json", "torch", "numpy", "fairseq"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    direction = ("task.source_lang=en", "task.target_lang=zh", "model.see_method=dense", "optimization.max_update=2")
    train = ("train.sh", "demo_zh_en", data / "data-bin", run, *direction)
    for words in (train, ("score.sh", run, data)):
        # In the environment itself: forks have these modules already.
        done = script(*words, cwd=tmp_path, FAIRSEQ_SEE_VENV=sys.prefix)
        assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((run / "run.json").read_text())
    assert "tok:zh" in record["metrics"]["test"]["bleu_signature"] and record["data"]["target_lang"] == "zh"
    assert (run / "test.ref").read_text("utf-8") == (data / "raw/test.zh").read_text("utf-8")
    done = script("distil_text.sh", run, data, tmp_path / "text")
    assert refused(done, "translates en to zh", "no training text en-zh") and not (tmp_path / "text").exists()
    # Killed after its last checkpoint, it has no record; it is not trained on.
    before = (run / "checkpoints/checkpoint_last.pt").read_bytes()
    for name in ("train.json", "run.json"):
        (run / name).unlink()
    assert script(*train).returncode == 0 and json.loads((run / "train.json").read_text())["updates"] == 2
    assert (run / "checkpoints/checkpoint_last.pt").read_bytes() == before


@pytest.mark.slow
def test_sentencepiece_and_a_further_test_set_of_its_subwords(text, tmp_path):
    own = ("subwords=sentencepiece", "size=1000", "joined=true")
    for words in ((text, "one", *own), (text, "two", "like=one", own[0], f"tests=more={text}/dev")):
        done = script("prepare.sh", *words, cwd=tmp_path, SNAKEMAKE="--cores 1")
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    one, two = tmp_path / "one/data-bin", tmp_path / "two/data-bin"
    dictionary = (one / "dict.zh.txt").read_bytes()
    assert dictionary == (one / "dict.en.txt").read_bytes() == (two / "dict.zh.txt").read_bytes()
    assert (tmp_path / "two/tests.txt").read_text() == "test\tmore\n" and not [*two.glob("train*")]


@pytest.mark.slow
def test_the_slurm_profile_submits_a_job_for_each_rule(text, tmp_path, slurm):
    options = (
        *("--default-resources", "slurm_account=lab", "slurm_partition=gpu"),
        *("--workflow-profile", ROOT / "configs/slurm", "--slurm-init-seconds-before-status-checks", "1"),
    )
    done = snakemake(tmp_path, "out/prepared/tests.txt", f"corpus={text}", "out=out", "scale=tiny", options=options)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "out/prepared/tests.txt").read_text() == "test\ttest\n"
    calls = (slurm / "calls").read_text()
    assert "lab" in calls and "-p gpu" in calls.replace("--partition=", "-p ")


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_good_bash_and_print_their_use(path):
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    if path.name not in ("common.sh", "fetch.sh"):
        done = subprocess.run([path, "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.startswith(f"scripts/{path.name}")


def test_each_training_takes_a_gpu_of_its_own(tmp_path):
    command = 'source "$1/scripts/common.sh"; take_gpu; echo "$CUDA_VISIBLE_DEVICES"; read -r || true'
    env = {**os.environ, "SEE_GPUS": "5,7", "TMPDIR": str(tmp_path)}

    def begin() -> subprocess.Popen:
        words = ["bash", "-c", command, "bash", ROOT]
        return subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with begin() as first, begin() as second:
        gpu = first.stdout.readline()
        assert {gpu, second.stdout.readline()} == {"5\n", "7\n"}
        with begin() as third:
            first.communicate()
            assert third.stdout.readline() == gpu


def test_what_is_missing_is_printed_for_every_table(tmp_path):
    more = ("table3", "table5", "figure5", "grid", "ablation", "practitioner", "distillation", "language_model")
    options = (*more, "classification", "bert", "llm", "report", "-n", "--cores", "1", "--quiet", "reason")
    for corpus, scale in (("iwslt17", "paper"), ("wmt17-v15", "tiny")):
        done = snakemake(tmp_path, "table2", f"corpus={corpus}", f"scale={scale}", "openhownet=/x", options=options)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "train.sh" in done.stdout and "download_" in done.stdout
    done = snakemake(tmp_path, "table2", f"corpus={tmp_path}/none", options=("-n", "--cores", "1"))
    assert done.returncode and f"no text {tmp_path}/none/train.zh; corpus= is one of iwslt17, wmt17" in done.stdout
    done = snakemake(tmp_path, "table5", "methods=see", "senses=x", options=("-n", "--cores", "1"))
    assert done.returncode and "see compresses, and the methods of table5 do not" in done.stdout


@pytest.mark.parametrize(("name", "words"), [("score.sh", ["DIR"]), ("fit.sh", ["out", "DIR", "--see-method", "int8"])])
def test_a_run_that_is_not_there_is_one_line_and_nothing_is_written(tmp_path, name, words):
    assert refused(script(name, "absent", *words, cwd=tmp_path), "absent", "scripts/train.sh makes")
    assert not list(tmp_path.iterdir())
