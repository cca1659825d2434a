"""What scripts/train.sh checks and keeps, without training: its python only notes how it is called."""

import functools
import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT, refused, script


@pytest.fixture
def data(tmp_path) -> Path:
    """A data-bin with the usual unit indexes and another pair."""
    folder = tmp_path / "data-bin"
    for place in (folder, folder / "other"):
        place.mkdir()
        for language in ("en", "zh"):
            (place / f"dict.{language}.see").write_text(f"index {place.name} {language}")
    for name in ("dict.en.txt", "dict.zh.txt", "train.zh-en.en.bin"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def train(tmp_path, data):
    """Runs the script on ``data``, or another folder, into a folder beside it."""
    tools = tmp_path / "venv/bin"
    tools.mkdir(parents=True)
    (tools / "fairseq-see").touch(mode=0o755)
    (tools / "python").write_text(
        f'#!/usr/bin/env bash\n[[ $* != *hydra_train* ]] || {{ printf "%s\\n" "$@" >{tmp_path}/called\n'
        "for word; do case $word in *save_dir=*) folder=${word#*=} ;; esac; done\n"
        'touch "${folder//\\\'/}/checkpoint_last.pt"; }\n'
    )
    (tools / "python").chmod(0o755)

    def call(run: str, *overrides: str, data: Path = data) -> subprocess.CompletedProcess:
        command = ["bash", ROOT / "scripts/train.sh", "demo_zh_en", data, tmp_path / run, *overrides]
        env = {**os.environ, "FAIRSEQ_SEE_VENV": str(tools.parent)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return call


def checksum(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


@pytest.mark.parametrize("given", ["", "other", "PATH/other", "other/dict.zh.see:dict.en.see"])
def test_the_indexes_of_a_run_are_those_that_its_model_reads(given, data, train, tmp_path):
    overrides = [f"+model.see_index={given.replace('PATH', str(data))}"] if given else []
    assert train("run", *overrides).returncode == 0
    if ":" in given:
        paths = [data / "other/dict.zh.see", data / "dict.en.see"]
    else:
        paths = [(data / "other" if given else data) / f"dict.{language}.see" for language in ("en", "zh")]
    assert (tmp_path / "run/train.indexes").read_text().strip() == checksum(*paths)
    again = train("run", *overrides)
    assert "is trained already" in again.stderr and "other unit indexes" not in again.stderr
    paths[0].write_text("rebuilt")
    assert "other unit indexes" in train("run", *overrides).stderr


def test_a_later_override_counts_though_both_add_their_key(train, tmp_path):
    """As a recipe's and the command line's may; hydra refuses to add a key twice, and takes ++ for either."""
    overrides = ["+model.see_args.frequent_share=0", "common.seed=2", "+model.see_args.frequent_share=0.2"]
    assert train("run", *overrides).returncode == 0
    said = (tmp_path / "called").read_text().splitlines()
    assert said[-3:] == ["++model.see_args.frequent_share=0", "common.seed=2", "++model.see_args.frequent_share=0.2"]
    settings = (tmp_path / "run/train.settings").read_text().splitlines()
    assert settings[-3:] == [f"override {override}" for override in overrides]


def test_other_settings_are_refused_whatever_the_name_of_the_folder(train, tmp_path):
    assert train("h[1] *", "common.seed=1").returncode == 0
    assert refused(train("h[1] *", "common.seed=2"), "was trained with other settings")
    assert (tmp_path / "h[1] */done").exists()


def test_what_a_run_said_that_left_no_checkpoint_is_not_said_by_the_next(train, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("train.log", "curve.tsv"):
        (run / name).write_text("of other settings")
    assert train("run", "common.seed=2").returncode == 0
    assert (run / "train.log").read_text() == "" and not (run / "curve.tsv").exists()
    assert (run / "train.log.before").read_text() == "of other settings"
    # From a checkpoint, one log goes on.
    (run / "train.log").write_text("so far")
    (run / "done").unlink()
    assert train("run", "common.seed=2").returncode == 0
    assert (run / "train.log").read_text() == "so far"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_who_ends_the_script_ends_the_training(data, train, tmp_path, ending):
    stub = tmp_path / "venv/bin/python"
    stub.write_text('#!/usr/bin/env bash\n[[ $* != *hydra_train* ]] || { echo "$$"; exec sleep 100; }\n')
    words = ["bash", ROOT / "scripts/train.sh", "demo_zh_en", data, tmp_path / "run"]
    env = {**os.environ, "FAIRSEQ_SEE_VENV": str(stub.parents[1])}
    # Tests that were started in the background, or by nohup, ignore signals, and so would all that they start.
    heed = functools.partial(signal.signal, ending, signal.SIG_DFL)
    script = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    log = tmp_path / "run/train.log"
    while not (log.is_file() and log.read_text().strip()):
        time.sleep(0.05)
    trainer = int(log.read_text())
    os.kill(trainer, 0)
    script.send_signal(ending)
    assert script.wait(20) == 130
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(trainer, 0)
            time.sleep(0.05)
    assert subprocess.run(["flock", "-n", tmp_path / "run/.lock", "true"], check=False).returncode == 0


def test_what_fairseq_says_last_is_in_the_log(train, tmp_path):
    stub = tmp_path / "venv/bin/python"
    stub.write_text(
        '#!/usr/bin/env bash\n[[ $* != *hydra_train* ]] || { echo first; echo "error: last" >&2; exit 3; }\n'
    )
    done = train("run")
    assert done.returncode == 3 and "error: last" in done.stderr.splitlines()
    assert (tmp_path / "run/train.log").read_text() == "first\nerror: last\n"


def test_an_override_that_the_configuration_does_not_take_is_one_line(data, tmp_path):
    for override, message in (
        ("model.see_method=foo", "Invalid value 'foo'"),
        ("model.foo=3", "has no 'model.foo'"),
        ("optimization.lr=[0.1", "an override cannot be read: no viable alternative at input '[0.1'"),
        ("model.dropout=}0.3", "an override cannot be read: model.dropout=}0.3: extraneous input '}'"),
        ("model.see_method='abc", "an override cannot be read: model.see_method='abc"),
    ):
        done = script("train.sh", "small_zh_en", data, tmp_path / override, override)
        shown = [line for line in done.stderr.splitlines() if not line.startswith("training ")]
        assert done.returncode == 1 and len(shown) == 1 and shown[0].startswith("error: ") and message in shown[0]


def test_a_wrong_configuration_is_told_by_its_name(data, train, tmp_path):
    for words in ([], ["common.seed=1"]):
        done = script("train.sh", "nosuch", data, tmp_path / "run", *words)
        assert refused(done, f"no configuration nosuch and no {ROOT}/configs/nosuch.yaml")


def test_data_without_training_data_is_none_to_train_on(data, train):
    for path in data.glob("train*"):
        path.unlink()
    assert refused(train("run"), "no training data in")


def test_cd_may_print_where_it_goes(train, monkeypatch):
    monkeypatch.setenv("CDPATH", ".:/tmp")
    assert train("run").returncode == 0


def test_a_folder_without_dictionaries_is_none_to_train_on(train, data, tmp_path):
    assert refused(train("run", data=data.parent), "no dictionary in")
    assert not (tmp_path / "run").exists()
