"""The scripts that measure language models and classifiers, on a corpus of a few hundred sentences."""

import random
import re
import shutil
from collections import Counter

import pytest

from fairseq_see.cli.main import main
from tests.helpers import contents, refused, script, write_toy_senses

TINY = ("--encoder-layers", "1", "--encoder-embed-dim", "64", "--encoder-attention-heads", "2")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What the scripts read of a folder that prepare.sh and index.sh made."""
    folder, rng = tmp_path_factory.mktemp("with a space") / "dir", random.Random(1)
    for name in ("pieces", "data-bin"):
        (folder / name).mkdir(parents=True)
    write_toy_senses(folder / "senses.tsv")
    words = [line.split("\t")[1] for line in (folder / "senses.tsv").read_text().splitlines() if line.startswith("en")]
    counts = Counter()
    for split, number in (("train", 300), ("dev", 30), ("test", 30)):
        rows = [rng.sample(words, 5) for _ in range(number)]
        rows = [["is", *row, "?"] if i % 2 else [*row, "."] for i, row in enumerate(rows)]
        (folder / f"pieces/{split}.en").write_text("".join(f"{' '.join(row)}\n" for row in rows))
        counts.update(word for row in rows for word in row)
    dictionary = folder / "data-bin/dict.en.txt"
    dictionary.write_text("".join(f"{word} {count}\n" for word, count in counts.most_common()))
    assert main(["index", str(dictionary), "--senses", str(folder / "senses.tsv"), "--morphology", "characters"]) == 0
    return folder


@pytest.mark.slow
def test_classify_prints_the_accuracy(prepared, tmp_path):
    words = ("--methods", "see", "--ratio", "2", *TINY, "--max-epoch", "10", "--warmup-updates", "10")
    done = script("classify.sh", prepared, tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    row = re.search(r"^\| `see` \| [\d,]+ \| 2\.0\dx \| ([\d.]+) \|$", done.stdout, re.M)
    # Every question begins with the same word.
    assert float(row[1]) > 90

    other = shutil.copytree(prepared, tmp_path / "other")
    with (other / "pieces/train.en").open("a") as file:
        file.write("another line .\n")
    assert refused(script("classify.sh", other, tmp_path / "out", *words), "is of another text or unit index")


def test_a_classifier_of_other_options_is_refused(prepared, tmp_path):
    """Its python only leaves a checkpoint, or prints what validating one does."""
    tools = tmp_path / "venv/bin"
    tools.mkdir(parents=True)
    (tools / "fairseq-see").touch(mode=0o755)
    (tools / "python").write_text(
        f'#!/usr/bin/env bash\necho "$@" >>{tmp_path}/called\nfolder=$*; folder=${{folder#*--save-dir }}\ncase $* in\n'
        "*fairseq_cli.train*--lr\\ 9*) exit 1 ;;\n"
        '*fairseq_cli.train*) touch "${folder%% *}/checkpoint_best.pt" ;;\n'
        '*) echo "encoder embedding: x, 2,300 parameters for 72 x 64 (2.00x)"; echo "accuracy 97.5" ;;\nesac\n'
    )
    (tools / "python").chmod(0o755)
    (tmp_path / "out/data-bin").mkdir(parents=True)

    def classify(*words: str):
        return script("classify.sh", prepared, tmp_path / "out", *words, FAIRSEQ_SEE_VENV=str(tools.parent))

    # What left no checkpoint may be tried again with other options.
    assert refused(classify("--lr", "9"), "failed")
    assert classify("--encoder-layers", "1", "--max-epoch", "3").returncode == 0
    assert "| `see` | 2,300 | 2.00x | 97.5 |" in classify("--max-epoch=4", "--encoder-layers", "1").stdout
    called = (tmp_path / "called").read_text()
    assert "--max-epoch=4" in called
    for words, run in (
        (("--encoder-layers", "2"), "dense"),
        (("--encoder-layers", "1", "--dropout", "0.3"), "dense"),
        ((), "dense"),
        (("--encoder-layers", "1", "--ratio", "20"), "see"),
    ):
        assert refused(classify(*words), f"out/{run} was trained with other settings")
    assert (tmp_path / "called").read_text() == called
    assert classify("--methods", "dense", "--encoder-layers", "1", "--ratio", "20").returncode == 0


@pytest.mark.slow
def test_lm_prints_perplexities_and_goes_on_from_what_is_there(prepared, tmp_path):
    small = {
        **{"model.decoder_embed_dim": 64, "model.decoder_layers": 1, "dataset.max_tokens": 200},
        **{"optimization.max_epoch": 3, "lr_scheduler.warmup_updates": 10},
    }
    overrides = [f"{name}={value}" for name, value in small.items()]
    words = (prepared, tmp_path / "out", "--methods", "svd", "--ratios", "2", *overrides)
    done = script("lm.sh", *words)
    assert done.returncode == 0, done.stderr
    dense = re.search(r"^\| dense \| 1x \| ([\d.]+) \| as beside \|$", done.stdout, re.M)
    svd = re.search(r"^\| svd \| 2x \| ([\d.]+) \| ([\d.]+) \|$", done.stdout, re.M)
    weighted = re.search(r"^\| svd, by frequency \| 2x \| ([\d.]+) \| ([\d.]+) \|$", done.stdout, re.M)
    # A uniform guess is 73.
    assert 1 < float(dense[1]) < 73 and len({dense[1], svd[1], svd[2], weighted[1], weighted[2]}) == 5

    def made():
        return {name: times for name, times in contents(tmp_path / "out").items() if name.endswith((".pt", ".log"))}

    before = made()
    assert script("lm.sh", *words).stdout == done.stdout and made() == before

    other = shutil.copytree(prepared, tmp_path / "other")
    (other / "data-bin/dict.en.see").write_bytes(b"another")
    assert refused(script("lm.sh", other, *words[1:]), "is of another text or unit index")


def test_without_data_they_refuse(tmp_path):
    for name in ("classify.sh", "lm.sh"):
        assert refused(script(name, tmp_path, tmp_path / "out"), "and index.sh first")
        assert not (tmp_path / "out").exists()
    assert refused(script("lm.sh", tmp_path, tmp_path / "out", "--weights", "all"), "unknown weights all")
    assert refused(script("lm.sh", tmp_path, tmp_path / "out", "--ratios", "5 ten"), "--ratios ten")
    assert refused(script("classify.sh", tmp_path, tmp_path / "out", "--ratio", "0"), "--ratio 0")
