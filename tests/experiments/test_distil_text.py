"""A training text whose targets are a teacher's translations."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from experiments.distil_text import choose_targets
from fairseq_see.errors import SeeError
from tests.helpers import ROOT, contents, refused, run_command, script, write_toy_corpus

SIDES = (("src", "zh"), ("tgt", "en"))
SMALL = (
    *("model.encoder_embed_dim=64", "model.decoder_embed_dim=64", "dataset.max_tokens=400"),
    *("optimization.lr=[0.005]", "lr_scheduler.warmup_updates=1"),
)


@pytest.fixture
def text(tmp_path) -> tuple[Path, Path]:
    (tmp_path / "train.zh").write_text("山 人@@\n水 口\n火\n", encoding="utf-8")
    (tmp_path / "train.en").write_text("a b@@\nc\nd\n", encoding="utf-8")
    return tmp_path / "train.zh", tmp_path / "train.en"


def write_generated(path: Path, *lines: tuple[int, str, str]) -> Path:
    """As fairseq-generate prints it."""
    printed = (f"S-{n}\t{s}\nT-{n}\tx\nH-{n}\t-0.5\t{t}\nD-{n}\t-0.5\t{t}\nP-{n}\t-0.1 -0.4\n" for n, s, t in lines)
    path.write_text(f"2026-01-01 | INFO | S-9\n{''.join(printed)}Generate train with beam=5: BLEU4 = 1.00\n", "utf-8")
    return path


def test_translations_are_in_the_order_of_the_text_and_an_empty_one_leaves_the_reference(text, tmp_path, capsys):
    parts = [
        write_generated(tmp_path / "0", (2, "火", "D@@ ä"), (0, "山 <unk>", "A <unk>")),
        write_generated(tmp_path / "1", (1, "水 口", "")),
    ]
    assert choose_targets(*text, parts) == ["A <unk>", "c", "D@@ ä"]
    assert capsys.readouterr().err == "3 pairs; 1 have an empty translation and keep their reference\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (((0, "山 人@@", "A"), (1, "水 口", "B")), "3 sources, 3 references, 2 translations, 0 twice"),
        (((0, "山 人@@", "A"), (1, "水 口", "B"), (2, "火", "C"), (2, "火", "C")), "3 translations, 1 twice"),
        (((0, "山 人@@", "A"), (1, "火", "B"), (2, "水 口", "C")), "train.zh, line 2, is not what was translated"),
        (((0, "山 人@@ 口", "A"), (1, "水 口", "B"), (2, "火", "C")), "line 1,"),
        (((0, "山 人@@", "A"), (1, "水 口", "B"), (3, "火", "C")), "line 3,"),
    ],
)
def test_a_line_that_is_missing_or_shifted_is_refused(text, tmp_path, lines, message):
    with pytest.raises(SeeError, match=message):
        choose_targets(*text, [write_generated(tmp_path / "0", *lines)])


def test_sides_of_different_lengths_are_refused(text, tmp_path):
    text[1].write_text("a\nb\n", encoding="utf-8")
    generated = write_generated(tmp_path / "0", (0, "山 人@@", "A"), (1, "水 口", "B"), (2, "火", "C"))
    with pytest.raises(SeeError, match="3 sources, 2 references"):
        choose_targets(*text, [generated])


@pytest.fixture(scope="module")
def prepared(toy, tmp_path_factory) -> Path:
    """The toy task in a folder as scripts/prepare.sh makes it, each word a subword, with more to translate."""
    folder = tmp_path_factory.mktemp("with a space") / "prepared"
    write_toy_corpus(folder / "text", 1200, seed=1)
    for kind, name, source in [
        ("tok", "train", folder / "text"),
        ("raw", "test", toy / "test"),
        ("tok", "test", toy / "test"),
    ]:
        for side in ("zh", "en"):
            (folder / kind).mkdir(exist_ok=True)
            shutil.copy2(source / f"toy.{side}", folder / kind / f"{name}.{side}")
    shutil.copytree(folder / "tok", folder / "subwords")
    shutil.copytree(toy / "data-bin", folder / "data-bin")
    data, dictionaries = folder / "data-bin", [f"--{a}dict={toy}/data-bin/dict.{b}.txt" for a, b in SIDES]
    words = ("--source-lang", "zh", "--target-lang", "en", "--trainpref", folder / "subwords/train", "--destdir", data)
    run_command("fairseq-preprocess", *words, *dictionaries)
    for side in ("zh", "en"):
        shutil.copy(toy / f"data-bin/dict.{side}.see", data)
    # So large that it is translated in two parts; what follows the text is not read.
    with (data / "train.zh-en.en.bin").open("ab") as file:
        file.write(bytes(2**17))
    (folder / "tests.txt").write_text("test\ttest\n")
    return folder


def train(data: Path, run: Path, updates: int, *more: str) -> None:
    done = script("train.sh", "demo_zh_en", data / "data-bin", run, *SMALL, f"optimization.max_update={updates}", *more)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_a_teachers_translations_take_the_place_of_the_training_targets(prepared, tmp_path):
    teacher, out = tmp_path / "teacher", tmp_path / "distilled"
    best = teacher / "checkpoints/checkpoint_best.pt"
    train(prepared, teacher, 60, "model.see_method=dense")
    before = contents(prepared)

    def distil(teacher: Path, out: Path):
        return script("distil_text.sh", teacher, prepared, out, cwd=tmp_path, SNAKEMAKE="--cores 1")

    done = distil(teacher, out)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "1,200 pairs; 0 have an empty translation" in done.stderr and contents(prepared) == before
    assert {path.name for path in (out / "translations").iterdir()} == {"0.txt", "0.log", "1.txt", "1.log"}
    new = ("subwords/train.en", "data-bin/train.zh-en.en.bin", "data-bin/train.zh-en.en.idx", "data-bin/preprocess.log")
    for path in before.keys() - {*new, "text/toy.zh", "text/toy.en"}:
        assert (out / path).read_bytes() == (prepared / path).read_bytes(), path

    sources = (prepared / "subwords/train.zh").read_text("utf-8").splitlines()
    targets = (out / "subwords/train.en").read_text("utf-8").splitlines()
    # Not all of them the same, so that their order matters.
    assert len(targets) == 1200 and len({targets[number] for number in (0, 599, 1199)}) == 3
    interactive = ("fairseq-interactive", prepared / "data-bin", "--user-dir", ROOT / "fairseq_see", "--path", best)
    options = ("--source-lang", "zh", "--target-lang", "en", "--beam", "5")
    for number in (0, 599, 1199):
        printed = run_command(*interactive, *options, input=f"{sources[number]}\n").stdout
        assert targets[number] == printed.split("\nD-0\t")[1].split("\n")[0].split("\t")[1]

    train(out, tmp_path / "student", 2, "model.see_ratio=3")
    assert script("score.sh", tmp_path / "student", out).returncode == 0
    record = json.loads((tmp_path / "student/run.json").read_text())
    assert record["updates"] == 2 and 0 <= record["metrics"]["test"]["bleu"] <= 100
    # A table trains on the folder as it is.
    table = ("table2", f"prepared={out}", f"out={tmp_path / 'table'}", f"corpus={tmp_path}", "methods=see", "ratios=3")
    planned = script("reproduce.sh", *table, cwd=tmp_path, SNAKEMAKE="--dry-run --cores 1").stdout
    assert "train.sh" in planned and "score.sh" in planned
    assert not [name for name in ("apply-bpe", "learn-bpe", "preprocess", "index.sh") if name in planned]

    # What a kill left incomplete is made again from the translations.
    translated, binary = contents(out / "translations"), (out / new[1]).read_bytes()
    shutil.rmtree(out / "data-bin")
    assert distil(teacher, out).returncode == 0
    assert contents(out / "translations") == translated and (out / new[1]).read_bytes() == binary

    # Neither another folder nor the text of another teacher is replaced, or kept as if it were this one.
    assert refused(distil(teacher, prepared), "was not made from") and contents(prepared) == before
    other = tmp_path / "other"
    (other / "checkpoints").mkdir(parents=True)
    state = torch.load(best, weights_only=True)
    next(iter(state["model"].values())).add_(1)
    torch.save(state, other / "checkpoints/checkpoint_best.pt")
    assert refused(distil(other, out), "was not made from", str(other))
    (other / "dict.zh.txt").write_text("one 1\n")
    assert refused(distil(other, tmp_path / "none"), "has another dict.zh.txt") and not (tmp_path / "none").exists()
