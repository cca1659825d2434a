"""The archive for machines without network: its parts here, the whole of it in a clean environment (slow)."""

import gzip
import importlib.metadata
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from experiments.__main__ import main as laboratory
from experiments.offline import fairseq_source, work
from experiments.run_list import Run
from fairseq_see.errors import SeeError
from tests.helpers import ROOT

CONFIGS = ROOT / "configs"


# -- fairseq's source --------------------------------------------------------------------------------------------------


def sdist(path: Path, **changed: str) -> Path:
    files = {name: "" for name in fairseq_source.DROPPED}
    files |= {
        "setup.py": "theirs",
        "LICENSE": "MIT",
        "fairseq/version.txt": "0.12.9\n",
        "fairseq/utils.py": "import os",
    }
    files |= {
        "fairseq/examples/big.py": "from sklearn import x",
        "fairseq_cli/train.py": "",
        "tests/a.py": "",
        **changed,
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"fairseq_fixed-0.12.9/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_the_source_of_fairseq_is_cut_down(tmp_path):
    output = tmp_path / "out.tar.gz"
    fairseq_source.cut_down(sdist(tmp_path / "in.tar.gz"), output)
    with tarfile.open(output) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        setup = archive.extractfile("fairseq_fixed-0.12.9/setup.py").read().decode()
    assert names == {
        *("setup.py", "pyproject.toml", "LICENSE"),
        *("fairseq/version.txt", "fairseq/version.py", "fairseq/utils.py", "fairseq_cli/train.py"),
    }
    compile(setup, "setup.py", "exec")
    assert "version='0.12.9'" in setup and "cuda" not in setup.lower()


def test_a_damaged_source_is_refused(tmp_path):
    whole = sdist(tmp_path / "in.tar.gz", **{"fairseq/data.py": "x" * 20_000}).read_bytes()
    # After 9,000 bytes, what no compressor writes.
    broken = gzip.compress(gzip.decompress(whole)[:9000]) + gzip.compress(b"")[:10] + b"\xff" * 64
    for damaged in (whole[: len(whole) // 2], broken):
        (tmp_path / "in.tar.gz").write_bytes(damaged)
        with pytest.raises(SeeError, match=r"cannot read .*in\.tar\.gz: "):
            fairseq_source.cut_down(tmp_path / "in.tar.gz", tmp_path / "out.tar.gz")


def test_a_source_that_needs_what_is_not_packed_is_refused(tmp_path):
    changed = sdist(tmp_path / "in.tar.gz", **{"fairseq/new.py": "import os\nfrom scipy.stats import x\n"})
    with pytest.raises(SeeError, match=r"fairseq/new\.py needs scipy"):
        fairseq_source.cut_down(changed, tmp_path / "out.tar.gz")
    with pytest.raises(SeeError, match="not the source of fairseq"):
        fairseq_source.cut_down(sdist(tmp_path / "b.tar.gz", **{"fairseq/version.txt": ""}), tmp_path / "out.tar.gz")
    assert not (tmp_path / "out.tar.gz").exists()


# -- scheduling, with scripts that only pretend ------------------------------------------------------------------------

# Stops like fairseq: with status 0 and a line in its log. A run's config is what it pretends.
TRAIN = r"""
echo "start $1 $(date +%s.%N)" >>"$(dirname "$0")/calls"; run=$3; mkdir -p "$run/checkpoints"
ls "$run"/checkpoints/*.pt >/dev/null 2>&1 || rm -f "$run/train.log"
echo "${*:4}" >>"$run/overrides"; cp "$(dirname "$0")/settings" "$run/train.settings" 2>/dev/null
case "$1 $*" in
broken*) echo "RuntimeError: no such thing" | tee "$run/train.log" >&2; exit 1 ;;
*max_update=1*) exit 0 ;;
stubborn*) touch "$run/checkpoints/checkpoint_best.pt"; sleep 60 ;;
endless*) touch "$run/checkpoints/checkpoint_best.pt"
    [[ "$*" != *stop_time_hours* ]] || echo "Stopping training due to cumulative_training_time: 1" >>"$run/train.log" ;;
slow*) sleep 0.7 ;;
esac
echo "[t][train][INFO] - epoch 001 | ppl 5 | num_updates 7" >>"$run/train.log"
touch "$run/checkpoints/checkpoint_best.pt" "$run/done"
echo "end $1 $(date +%s.%N)" >>"$(dirname "$0")/calls"
"""
SCORE = r"""echo '{"test": "t", "bleu": 12.34, "chrf": 5}' >"$1/t.scores.json"; echo hello >"$1/t.hyp" """


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """``bundle(*configs, **options)`` works through runs of these names and returns their states and the folder."""
    scripts = tmp_path / "bundle/source/scripts"
    scripts.mkdir(parents=True)
    for name, text in (("train.sh", TRAIN), ("score.sh", SCORE)):
        (scripts / name).write_text(text)
    monkeypatch.setattr(work.Work, "_trained_hours", lambda self, folder: 3.0)

    def run(*configs: str, check: bool = True, **options: float) -> tuple[dict[str, str], Path]:
        doing = work.Work(tmp_path / "bundle", tmp_path / "work", tmp_path / "out/results.tar.gz", **options)
        outcomes = [work.Outcome(Run(f"{config}{i}", config, ["a=b"])) for i, config in enumerate(configs)]
        if check:
            doing.each(doing.check, outcomes)
        doing.each(doing.do, outcomes)
        return {outcome.run.name: outcome.state for outcome in outcomes}, tmp_path / "work"

    return run


def test_runs_are_checked_trained_scored_and_gathered(bundle, tmp_path, capsys):
    states, folder = bundle("quick", "broken")
    assert states == {"quick0": "finished", "broken1": "failed"}
    assert {path.name for path in (folder / "results/quick0").iterdir()} == {
        *("run.json", "curve.tsv", "train.log", "t.scores.json", "t.hyp", "done")
    }
    facts = json.loads((folder / "results/broken1/run.json").read_text())
    assert (facts["state"], facts["problem"]) == ("failed", "its first update: RuntimeError: no such thing")
    assert "no such thing" in (folder / "results/broken1/train.log").read_text()
    assert (folder / "results/quick0/curve.tsv").read_text().splitlines()[1].startswith("train\t1\t7")
    with tarfile.open(tmp_path / "out/results.tar.gz") as archive:
        assert {"results/quick0/t.hyp", "results/broken1/run.json"} <= set(archive.getnames())
    assert not (folder / "check/quick0").exists()
    capsys.readouterr()
    assert bundle("quick")[0] == {"quick0": "finished"}
    assert "[quick0] is trained already" in capsys.readouterr().out
    assert (tmp_path / "bundle/source/scripts/calls").read_text().count("start quick") == 2  # a check and a training


def test_a_time_limit_stops_and_a_later_call_goes_on(bundle, tmp_path):
    (tmp_path / "bundle/source/scripts/settings").write_text("data x\noverride optimization.stop_time_hours=0.001\n")
    states, folder = bundle("endless", deadline=time.time() + 3600, scoring=1800)
    run = folder / "runs/endless0"
    assert states == {"endless0": "stopped"}
    (hours,) = re.findall(r"stop_time_hours=(\S+)", (run / "overrides").read_text())
    assert 0.49 < float(hours) < 0.5
    assert not (run / "finished").exists()
    # The time trained before counts for fairseq; train.sh must find its settings unchanged but for the limit.
    assert bundle("endless", deadline=time.time() + 3600, scoring=1800)[0] == {"endless0": "stopped"}
    assert 3.49 < float(re.findall(r"stop_time_hours=(\S+)", (run / "overrides").read_text())[1]) < 3.5
    work._forget_limit(run, ["optimization.stop_time_hours=7"])
    assert (run / "train.settings").read_text() == "data x\noverride optimization.stop_time_hours=7\n"
    assert not (run / "done").exists()
    assert bundle("endless")[0] == {"endless0": "finished"}


def test_a_run_without_a_checkpoint_may_say_less_than_the_last_time(bundle, tmp_path):
    log = tmp_path / "work/runs/endless0/train.log"
    log.parent.mkdir(parents=True)
    log.write_text("a long story " * 100)
    assert bundle("endless", deadline=time.time() + 3600, scoring=1800)[0] == {"endless0": "stopped"}


def test_nothing_outlives_the_deadline(bundle):
    started = time.time()
    states, folder = bundle("stubborn", "quick", check=False, deadline=started + work.PACKING + work.SHORTEST + 2)
    assert (states, time.time() - started < work.PACKING + work.SHORTEST + 2) == (
        {"stubborn0": "waiting", "quick1": "waiting"},
        True,
    )  # two minutes are kept for scores: too few are left to train
    states, _ = bundle(
        *("stubborn", "quick"), check=False, deadline=started + work.PACKING + work.SHORTEST + 2, scoring=0
    )
    assert states == {"stubborn0": "stopped", "quick1": "waiting"}
    assert time.time() < started + work.PACKING + work.SHORTEST + 2
    assert "killed" in json.loads((folder / "results/stubborn0/run.json").read_text())["problem"]


@pytest.mark.parametrize("parallel", [1, 2])
def test_as_many_at_once_as_asked(bundle, tmp_path, parallel):
    assert set(bundle("slow", "slow", "slow", check=False, parallel=parallel)[0].values()) == {"finished"}
    most = now = 0
    for line in sorted((tmp_path / "bundle/source/scripts/calls").read_text().splitlines(), key=lambda x: x.split()[2]):
        now += 1 if line.startswith("start") else -1
        most = max(most, now)
    assert most == parallel


# -- the two scripts ---------------------------------------------------------------------------------------------------


def command(*words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "FAIRSEQ_SEE_VENV": sys.prefix, "OMP_NUM_THREADS": "1", **env}
    return subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False)


GOOD = ["--python", "3.12", "--data", "d", "--runs", "r"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "d", "--runs", "r", "o"], "--python is missing"),
        (["--python", "3", "--data", "d", "--runs", "r", "o"], "write it like 3.12"),
        (["--python"], "--python needs a value"),
        (["--bpe", "3"], "unknown option --bpe"),
        (GOOD, "OUT.tar.gz is missing"),
        ([*GOOD, "o"], "cannot read r"),
        (["--python", "3.12", "--data", "d", "--runs", CONFIGS / "bundle_demo.yaml", "o"], "no data-bin and tests.txt"),
        ([*GOOD, "o", "p"], "one archive at a time"),
    ],
)
def test_a_wrong_packing_command_is_told_in_one_line(tmp_path, words, message):
    done = command(ROOT / "scripts/bundle.sh", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture
def unpacked(tmp_path):
    """What ``run_bundle.sh`` reads before it does anything."""
    (tmp_path / "b/source/scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/bundle/run_bundle.sh", tmp_path / "b")
    shutil.copy(ROOT / "scripts/common.sh", tmp_path / "b/source/scripts")
    (tmp_path / "b/bundle.txt").write_text("python 3.1\nplatform x\n")
    return tmp_path / "b"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parallel", "0"], "--parallel 0: not a whole number"),
        (["--minutes", "soon"], "--minutes soon: not a number"),
        (["--work", "a:b"], "may have a colon"),
        (["--fast"], "unknown option --fast"),
        ([], "the archive is for 3.1; set PYTHON"),
    ],
)
def test_a_wrong_working_command_is_told_in_one_line(unpacked, words, message):
    done = command("bash", unpacked / "run_bundle.sh", *words, cwd=unpacked, PYTHON=sys.executable)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not (unpacked / "work").exists()


def test_the_python_of_an_archive_starts_wherever_it_was_unpacked(unpacked):
    """There are no wheels, so that pip ends the script; it has written its python by then."""
    there = unpacked.rename(unpacked.with_name("l'été"))
    (there / "bundle.txt").write_text("python {}.{}\n".format(*sys.version_info))
    done = command("bash", there / "run_bundle.sh", cwd=there, PYTHON=sys.executable, LC_ALL="C")
    assert "pip failed" in done.stderr, done.stderr
    path = command(there / "work/env/bin/python", "-c", "import sys; print(*sys.path)", cwd=there, PYTHONUTF8="1")
    assert f"{there}/source {there}/work/env/fairseq {there}/work/env/lib" in path.stdout, path.stderr


def test_run_bundle_tells_its_use(unpacked):
    done = command("bash", unpacked / "run_bundle.sh", "--help", cwd=unpacked)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["bash", "run_bundle.sh"])
    text = (ROOT / "scripts/bundle/run_bundle.sh").read_text()
    assert "set -euo pipefail" in text and os.access(ROOT / "scripts/bundle/run_bundle.sh", os.X_OK)


# -- the whole of it ---------------------------------------------------------------------------------------------------


def machine_with_torch(folder: Path) -> Path:
    """A Python that has torch, numpy, what they need and pip, but nothing else of this environment."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    wanted, seen = ["torch", "numpy"], set()
    while wanted:
        name = wanted.pop()
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name in seen or name in ("cython", "wheel"):
            continue
        seen.add(name)
        needs = map(Requirement, found.requires or ())
        wanted += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
        for part in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            source = Path(str(found.locate_file(part)))
            if source.exists() and not (packages / part).exists():
                (packages / part).symlink_to(source)
    return folder / "bin/python"


RUNS = """
tiny: &tiny
  model.encoder_layers: 1
  model.decoder_layers: 1
  model.encoder_embed_dim: 8
  model.decoder_embed_dim: 8
  model.encoder_ffn_embed_dim: 16
  model.decoder_ffn_embed_dim: 16
  model.encoder_attention_heads: 2
  model.decoder_attention_heads: 2
runs:
  - {name: short, config: demo_zh_en, overrides: {<<: *tiny, model.see_method: dense, optimization.max_epoch: 1}}
  - name: endless
    config: demo_zh_en
    overrides: {<<: *tiny, +model.see_args.vectors: 1, optimization.max_update: 1000000}
"""


@pytest.mark.slow
def test_the_archive_trains_without_network(toy, tmp_path):
    data = tmp_path / "prepared"
    shutil.copytree(toy / "data-bin", data / "data-bin")
    for kind in ("raw", "tok"):
        (data / kind).mkdir()
        shutil.copy(toy / "test/toy.en", data / kind / "toy.en")
    (data / "tests.txt").write_text("test\ttoy\n")
    for folder in (data / "data-bin", data / "data-bin/control"):
        folder.mkdir(exist_ok=True)
        (folder / "openhownet-0.tsv").write_text("zh\t打\t1\tbeat|打\n", encoding="utf-8")
    (tmp_path / "RUNS.yaml").write_text(RUNS)
    python = "{}.{}".format(*sys.version_info)
    packed = command(
        *(ROOT / "scripts/bundle.sh", "--python", python, "--platform", f"manylinux_2_28_{os.uname().machine}"),
        *("--data", data / "data-bin", "--runs", tmp_path / "RUNS.yaml", "out/b.tar.gz"),
        cwd=tmp_path,
    )
    assert packed.returncode == 0, packed.stderr
    archive = tmp_path / "out/b.tar.gz"
    assert list(archive.parent.iterdir()) == [archive]
    assert archive.stat().st_size < 30e6

    machine = machine_with_torch(tmp_path / "machine")
    there = tmp_path / "a node's disk"
    there.mkdir()
    shutil.unpack_archive(archive, there)
    assert not list(there.rglob("openhownet-*")), "HowNet is not ours to pass on, and an index needs it no more"
    offline = ["unshare", "-rn"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*offline, "true"], capture_output=True, check=False).returncode
    ):
        offline = []  # pip is told to use no network in any case
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHON": str(machine)}
    environment["OMP_NUM_THREADS"] = "1"

    def run(*words: str) -> str:
        done = subprocess.run(
            [*offline, "bash", there / "run_bundle.sh", "--cpu", "--parallel", "2", *words],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    checked = run("--check")
    assert "compiling" in checked
    assert "short: one update took" in checked and "endless: one update took" in checked
    started = time.time()
    said = run("--minutes", "2.5", "--score-minutes", "0.5", "--checkpoints")
    assert time.time() - started < 150
    assert "compiling" not in said
    assert re.search(r"^short: finished  toy BLEU", said, re.M) and re.search(
        r"^endless: stopped  toy BLEU", said, re.M
    )
    shutil.unpack_archive(there / "results.tar.gz", tmp_path)
    assert (there / "results.tar.gz").stat().st_size < 2e6
    for name in ("short", "endless"):
        result = tmp_path / "results" / name
        assert {path.name for path in result.iterdir()} == {
            *("config.yaml", "train.log", "curve.tsv", "run.json", "provenance.json", "checkpoints"),
            *("train.settings", "train.indexes", "dict.en.txt", "dict.zh.txt"),
            *("toy.scores.json", "toy.hyp", "toy.hyp.tok", "toy.generate", "toy.ref", "toy.ref.tok"),
            *(["done"] if name == "short" else []),
        }
        assert len((result / "toy.hyp").read_text().splitlines()) == 40
        assert json.loads((result / "run.json").read_text())["valid"]["ppl"]
    # At home they are runs like those of this machine.
    assert (
        laboratory(["report", str(tmp_path / "results"), "--out", str(tmp_path / "report"), "--data", str(data)]) == 0
    )
    report = (tmp_path / "report/report.md").read_text()
    assert "stop_time_hours" not in report and "### Paired bootstrap" in report
    assert "results/endless was scored before its training ended" in report
    assert json.loads((tmp_path / "results/machine.json").read_text())["fairseq"].startswith("0.12")
