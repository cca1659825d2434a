"""The shell scripts, run for real on a tiny corpus."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fairseq_see.units import UnitIndex, Vocabulary
from fairseq_see.units.inspection import indexed_symbols
from tests.helpers import ROOT, contents, refused, run_command, script
from tests.openhownet import concept, write_resources

SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci/run"]
SOURCED = ("common.sh", "fetch.sh")
SETTINGS = ("--size", "60", "--workers", "2")


def corpus(folder: Path, name: str, pairs: int) -> Path:
    subjects = [("我", "I"), ("他们", "They"), ("老师", "The teacher"), ("一个学生", "A student")]
    verbs = [("看见", "saw"), ("喜欢", "liked"), ("买了", "bought")]
    objects = [("那本书", "that book"), ("苹果和水", "apples & water"), ("新的电脑", 'a "new" computer'), ("你", "you")]
    rows = [(s, v, o) for o in objects for v in verbs for s in subjects]
    lines = [rows[(i * 7) % len(rows)] for i in range(pairs)]
    zh = [f"{s[0]}{v[0]}{o[0]}。" for s, v, o in lines]
    en = [f"{s[1]} {v[1]} {o[1]}." for s, v, o in lines]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.zh").write_text("\n".join(zh) + "\n", encoding="utf-8")
    (folder / f"{name}.en").write_text("\n".join(en) + "\n", encoding="utf-8")
    return folder / name


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Words of a prepare command, and the folder it made; the paths have spaces."""
    folder = tmp_path_factory.mktemp("with a space")
    train, dev = corpus(folder, "train", 48), corpus(folder, "dev", 12)
    small, odd = corpus(folder, "small", 9), corpus(folder, "odd", 3)
    # A reference with marks that are no ends of lines, and a line without text: both stay lines of their own.
    odd.with_suffix(".en").write_bytes("\ufeffI\u2028saw\r you.\r\n\r\nＹｅｓ.\r\n".encode())
    words = ["--train", train, "--dev", dev, "--test", f"small={small}", "--test", f"odd={odd}", *SETTINGS]
    out = folder / "out"
    done = script("prepare.sh", *words, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "[1/7] " in done.stderr
    assert "[7/7] " in done.stderr
    return words, out


def test_prepare_makes_what_fairseq_and_scoring_need(prepared):
    _, out = prepared
    assert (out / "tests.txt").read_text() == "test\tsmall\ntest1\todd\n"
    for split in ("train", "valid", "test", "test1"):
        for side in ("zh", "en"):
            assert (out / f"data-bin/{split}.zh-en.{side}.bin").is_file()
    assert (out / "raw/odd.en").read_text(encoding="utf-8") == "I saw  you.\n\nＹｅｓ.\n"
    assert (out / "tok/odd.en").read_text(encoding="utf-8") == "I saw you .\n\nYes .\n"
    assert "apples & water" in (out / "tok/train.en").read_text()
    assert json.loads((out / "clean/odd.json").read_text())["filtered"] is False
    assert not list(out.rglob("*.tmp"))


def test_what_was_dropped_is_reported(prepared):
    _, out = prepared
    report = json.loads((out / "report.json").read_text())
    assert list(report) == ["train", "dev", "small", "odd"]
    assert (report["odd"]["read"], report["odd"]["kept"], report["odd"]["faults"]["empty"]) == (3, 3, 1)
    rows = (out / "report.txt").read_text().splitlines()
    assert rows[4].split() == ["odd", "*", "3", "3", "1", "0", "0", "0", "0", "0"]
    assert rows[5].startswith("* nothing is dropped")


def test_a_second_run_does_nothing(prepared):
    words, out = prepared
    before = contents(out)
    assert script("prepare.sh", *words, "--out", out).returncode == 0
    assert contents(out) == before


def test_relative_paths_and_any_folder(prepared, tmp_path):
    words, out = prepared
    shutil.copytree(out, tmp_path / "moved")
    before = contents(tmp_path / "moved")
    assert script("prepare.sh", *words, "--out", "moved", cwd=tmp_path).returncode == 0
    assert contents(tmp_path / "moved") == before


def test_other_settings_or_text_are_refused(prepared, tmp_path):
    words, out = prepared
    before = contents(out)
    done = script("prepare.sh", *words, "--size", "50", "--out", out)
    assert done.returncode == 2
    assert "now:    bpe 50" in done.stderr
    assert "choose another --out" in done.stderr
    other = corpus(tmp_path, "other", 20)
    assert script("prepare.sh", *words, "--train", other, "--out", out).returncode == 2
    assert contents(out) == before


def test_an_interrupted_run_is_completed(prepared, tmp_path):
    words, out = prepared
    partial = tmp_path / "partial"
    shutil.copytree(out, partial)
    # As if killed while applying BPE: what comes after is missing, and a half-written file lies about.
    (partial / "pieces/train.en").rename(partial / "pieces/train.en.tmp")
    (partial / "pieces/train.en.tmp").write_text("half")
    shutil.rmtree(partial / "data-bin")
    (partial / "data-bin.tmp").mkdir()
    (partial / "data-bin.tmp/dict.zh.txt").write_text("half")
    (partial / "clean/odd.json").unlink()
    done = script("prepare.sh", *words, "--out", partial)
    assert done.returncode == 0, done.stderr
    assert not list(partial.rglob("*.tmp"))
    for name in ("pieces/train.en", "data-bin/dict.zh.txt", "data-bin/train.zh-en.en.bin", "clean/odd.en"):
        assert (partial / name).read_bytes() == (out / name).read_bytes()


def test_a_joined_dictionary(prepared, tmp_path):
    words, _ = prepared
    out = tmp_path / "joined"
    limits = ("--max-pairs", 30, "--max-words", 9, "--max-chars", 30, "--max-ratio", "1.6")
    done = script("prepare.sh", *words, "--joined", *limits, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (out / "data-bin/dict.zh.txt").read_bytes() == (out / "data-bin/dict.en.txt").read_bytes()
    zh, en = ((out / f"clean/train.{side}").read_text(encoding="utf-8").splitlines() for side in ("zh", "en"))
    report = json.loads((out / "report.json").read_text())["train"]
    assert report["limits"] == {"max_words": 9, "max_chars": 30, "max_ratio": 1.6}
    assert len(zh) == len(en) == report["kept"] < 30
    assert max(map(len, en)) <= 30
    assert all(report["faults"][reason] for reason in ("too long", "length ratio"))
    assert sum(report["faults"].values()) + report["kept"] == report["read"] == 48


@pytest.fixture(scope="module")
def sentencepiece(prepared):
    """The same with sentencepiece, after a size that the text is too small for was refused."""
    words, bpe = prepared
    words, out = [*words, "--subwords", "sentencepiece"], bpe.with_name("sentencepiece")
    done = script("prepare.sh", *words, "--size", 9999, "--out", out)
    assert refused(done, "the zh text is too small for 9999 pieces; the largest size is 47")
    assert [path.name for path in out.iterdir()] == [".lock"]
    words += ["--size", "40"]
    done = script("prepare.sh", *words, "--out", out)
    assert done.returncode == 0, done.stderr
    return words, out


def test_sentencepiece_cuts_words_and_joining_gives_them_back(sentencepiece, prepared):
    words, out = sentencepiece
    for name in ("train.zh", "train.en", "dev.zh", "small.en"):
        split = (out / "tok" / name).read_text(encoding="utf-8")
        assert split == (prepared[1] / "tok" / name).read_text(encoding="utf-8")
        lines = (out / "pieces" / name).read_text(encoding="utf-8").splitlines()
        assert [line.replace(" ", "").replace("▁", " ").strip() for line in lines] == split.splitlines()
    before = contents(out)
    assert script("prepare.sh", *words, "--out", out).returncode == 0
    assert contents(out) == before


def test_a_dictionary_has_pieces_of_its_model_alone(sentencepiece):
    from sentencepiece import SentencePieceProcessor

    _, out = sentencepiece
    for side in ("zh", "en"):
        model = SentencePieceProcessor(model_file=str(out / f"spm.{side}.model"))
        symbols = {line.split()[0] for line in (out / f"data-bin/dict.{side}.txt").read_text("utf-8").splitlines()}
        symbols = {symbol for symbol in symbols if not symbol.startswith("madeupword")}
        assert symbols <= {model.id_to_piece(i) for i in range(model.get_piece_size())}
        assert any(symbol.startswith("▁") and len(symbol) > 1 for symbol in symbols)
        assert "<unk>" not in symbols


@pytest.mark.slow
def test_text_that_was_refused_can_be_mended(tmp_path):
    train = corpus(tmp_path, "train", 48)
    english, whole = train.with_suffix(".en"), train.with_suffix(".en").read_text(encoding="utf-8")
    english.write_text(whole + "one too many\n", encoding="utf-8")
    words = ("--train", train, "--dev", train, "--test", f"t={train}", *SETTINGS, "--out", tmp_path / "out")
    assert refused(script("prepare.sh", *words), "they are not aligned")
    english.write_text(whole, encoding="utf-8")
    done = script("prepare.sh", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("theirs", ["raw/train.zh", "report.pdf", "tok/train.en"])
def test_what_is_not_its_own_stays(tmp_path, theirs):
    train = corpus(tmp_path, "train", 12)
    (tmp_path / "out" / theirs).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / theirs).write_text("mine")
    words = ("--train", train, "--dev", train, "--test", f"t={train}", *SETTINGS, "--out", tmp_path / "out")
    assert refused(script("prepare.sh", *words), "is not of scripts/prepare.sh; choose another --out")
    assert (tmp_path / "out" / theirs).read_text() == "mine"


@pytest.mark.parametrize("scheme", ["prepared", "sentencepiece"])
def test_pieces_of_another_vocabulary_are_refused(scheme, request, tmp_path):
    words, source = request.getfixturevalue(scheme)
    out = tmp_path / "out"
    shutil.copytree(source, out)
    zh, en = sorted(path for pattern in ("codes.*", "spm.*") for path in out.glob(pattern))[::-1]
    shutil.copy(en, zh)
    said = f"{zh} is not the one that {out}/data-bin was made with"
    assert refused(script("prepare.sh", *words, "--out", out), said)
    new = ["--test", words[words.index("--test") + 1], "--out", tmp_path / "new"]
    assert refused(script("prepare.sh", "--like", out, *new), said)
    shutil.copy(source / zh.name, zh)
    shutil.copy(out / "data-bin/dict.en.txt", out / "data-bin/dict.zh.txt")
    assert refused(script("prepare.sh", "--like", out, *new), "data-bin/dict.zh.txt is not the one")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dev", "x"], "--train is missing"),
        (["--train"], "--train needs a value"),
        (["--bpes", "3"], "unknown option --bpes"),
        (["--test", "x"], "write NAME=PREFIX"),
        (["--test", "../x=y"], "write NAME=PREFIX"),
        (["--test", "dev=y"], "cannot be named dev"),
        (["--test", "a=y", "--test", "a=z"], "two test sets are named a"),
        (["--train", "x", "--dev", "y", "--test", "a=z", "--out", "o", "--size", "0"], "not a whole number above 0"),
        (["--train", "x", "--dev", "y", "--test", "a=z", "--out", "o", "--max-ratio", "0.5"], "not a number from 1 on"),
        (["--train", "x", "--dev", "y", "--test", "a=z", "--out", "o", "--subwords", "spm"], "bpe or sentencepiece"),
        (["--train", "x", "--test", "a=z", "--out", "o", "--like", "d"], "--dev is missing"),
        (["--test", "a=z", "--out", "o", "--like", "d"], "nothing is prepared in d"),
        (["--test", "a=z", "--out", "o", "--like", "d", "--joined"], "leave out --subwords, --size and --joined"),
        (["--train", "x", "--dev", "y", "--test", "a=z", "--out", "o"], "cannot read x.zh"),
        (["--train", "x", "--dev", "y", "--test", "a=z", "--out", "o:p"], "colon"),
    ],
)
def test_a_wrong_command_is_told_in_one_line(tmp_path, words, message):
    done = script("prepare.sh", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


TINY = {
    **{f"model.{side}_embed_dim": 16 for side in ("encoder", "decoder")},
    **{f"model.{side}_ffn_embed_dim": 16 for side in ("encoder", "decoder")},
    **{f"model.{side}_layers": 1 for side in ("encoder", "decoder")},
    **{f"model.{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    "model.see_method": "dense",
    "optimization.max_epoch": 1,
    "common.log_interval": 1,
}
OVERRIDES = [f"{key}={value}" for key, value in TINY.items()]


def test_training_and_scoring(prepared, tmp_path, request):
    _, out = prepared
    run = tmp_path / "a run, 'quoted'"
    done = script("train.sh", "demo_zh_en", out / "data-bin", run, *OVERRIDES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "epoch 1: perplexity" in done.stdout
    assert (run / "checkpoints/checkpoint_best.pt").is_file()
    assert "num. shared model params" in (run / "train.log").read_text()

    again = script("train.sh", "demo_zh_en", out / "data-bin", run, *OVERRIDES)
    assert (again.returncode, "trained already" in again.stderr) == (0, True)
    other = script("train.sh", "demo_zh_en", out / "data-bin", run, *OVERRIDES, "model.dropout=0.5")
    assert other.returncode == 2
    assert "override model.dropout=0.5" in other.stderr

    # As if killed in the second epoch while the last checkpoint was being copied.
    (run / "done").unlink()
    last = run / "checkpoints/checkpoint_last.pt"
    last.write_bytes(last.read_bytes()[:5000])
    resumed = script("train.sh", "demo_zh_en", out / "data-bin", run, *OVERRIDES)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "going on from checkpoint_best.pt" in resumed.stderr
    assert "Loaded checkpoint" in resumed.stdout

    scored = script("score.sh", run, out)
    assert scored.returncode == 0, scored.stderr
    for name, lines in (("small", 9), ("odd", 3)):
        assert f"{name}: BLEU" in scored.stdout
        assert len((run / f"{name}.hyp").read_text(encoding="utf-8").split("\n")) == lines + 1
        scores = json.loads((run / f"{name}.scores.json").read_text())
        assert {"bleu", "chrf", "signature", "tokenised_bleu"} <= set(scores)
        for kept, of in ((f"{name}.ref", f"raw/{name}.en"), (f"{name}.ref.tok", f"tok/{name}.en")):
            assert (run / kept).read_bytes() == (out / of).read_bytes()
    assert len(json.loads((run / "provenance.json").read_text())) == 1
    # No sentence may go missing, whatever the size of the set.
    assert sum(line.startswith("D-") for line in (run / "small.generate").read_text().split("\n")) == 9
    before = contents(run)
    assert script("score.sh", run, out, "small").returncode == 0
    assert contents(run) == before
    assert "there are: small odd" in script("score.sh", run, out, "absent").stderr
    other = request.getfixturevalue("sentencepiece")[1]
    assert refused(script("score.sh", run, other), f"{other} has another dict.en.txt than {run} was trained with")


def test_scoring_with_what_an_archive_carries(sentencepiece, tmp_path):
    """No model of sentencepiece, nor the package itself; then another test set for the same model."""
    words, out = sentencepiece
    data = tmp_path / "data"
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent/sentencepiece.py").write_text("raise ImportError('not on this machine')")
    absent = {"PYTHONPATH": str(tmp_path / "absent")}
    for part in ("data-bin", "raw", "tok"):
        shutil.copytree(out / part, data / part)
    shutil.copy(out / "tests.txt", data)
    run = tmp_path / "run"
    done = script("train.sh", "demo_zh_en", data / "data-bin", run, *OVERRIDES, **absent)
    assert done.returncode == 0, done.stdout + done.stderr
    done = script("score.sh", run, data, "small", **absent)
    assert done.returncode == 0, done.stderr
    generated = [line.split("\t") for line in (run / "small.generate").read_text(encoding="utf-8").splitlines()]
    targets = {int(line[0][2:]): line[1] for line in generated if line[0].startswith("T-")}
    # Through pieces and back, the references are the words that they were.
    assert [targets[i] for i in range(9)] == (out / "tok/small.en").read_text(encoding="utf-8").splitlines()
    assert "▁" not in (run / "small.hyp").read_text(encoding="utf-8")

    new = tmp_path / "new"
    odd = words[words.index("--test") + 3].removeprefix("odd=")
    done = script("prepare.sh", "--like", out, "--test", f"small={odd}", "--out", new)
    assert done.returncode == 0, done.stderr
    for name in ("dict.zh.txt", "dict.en.txt"):
        assert (new / "data-bin" / name).read_bytes() == (out / "data-bin" / name).read_bytes()
    assert not (new / "data-bin/train.zh-en.zh.bin").exists()
    assert refused(script("index.sh", new, "--hownet", new / "tests.txt"), "prepared without training data")
    # Of the same name, but not the same set: it is translated too.
    done = script("score.sh", run, new)
    assert done.returncode == 0, done.stderr
    assert len((run / "small.hyp").read_text(encoding="utf-8").split("\n")) == 3 + 1


def test_a_failed_training_may_be_tried_with_other_settings(prepared, tmp_path):
    _, out = prepared
    failed = script("train.sh", "demo_zh_en", out / "data-bin", tmp_path / "run", *OVERRIDES, "model.see_method=absent")
    assert failed.returncode not in (0, 2)
    assert "train.log" in failed.stderr
    assert not (tmp_path / "run/done").exists()
    done = script("train.sh", "demo_zh_en", out / "data-bin", tmp_path / "run", *OVERRIDES)
    assert done.returncode == 0, done.stderr


def test_a_list_of_runs(prepared, tmp_path):
    """One of them fails: the other is trained and scored all the same, and not again the second time."""
    _, out = prepared
    (tmp_path / "runs.yaml").write_text(
        "runs:\n"
        "- {name: bad, config: demo_zh_en, overrides: {+model.see_args.vectors: 1, model.see_method: see}}\n"
        "- {name: good, config: demo_zh_en, overrides: {model.see_method: dense}, grid: {common.seed: [2]}}\n"
    )
    overrides = [override for override in OVERRIDES if "see_method" not in override]
    words = ["sweep.sh", tmp_path / "runs.yaml", out, tmp_path / "swept runs", "--jobs", 2, *overrides]
    done = script(*words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: failed: bad"
    assert "[bad] error: no unit index at " in done.stderr
    scores = tmp_path / "swept runs/good-2/small.scores.json"
    before = scores.stat().st_mtime_ns
    again = script(*words)
    assert again.stderr.splitlines()[-1] == "error: failed: bad"
    assert "[good-2] [1/2] small is scored already" in again.stderr
    assert scores.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.yaml", "{out}"], "cannot read absent.yaml"),
        (["absent.yaml", "absent"], "no absent/data-bin"),
        (["absent.yaml", "{out}", "--jobs", "0"], "not a whole number above 0"),
        (["absent.yaml", "{out}", "--parallel", "2"], "unknown option --parallel"),
    ],
)
def test_a_wrong_sweep_is_told_in_one_line(prepared, tmp_path, words, message):
    assert refused(script("sweep.sh", *(word.format(out=prepared[1]) for word in words), cwd=tmp_path), message)


def test_indexes_are_built_once(prepared, tmp_path):
    _, prepared_out = prepared
    out = tmp_path / "out"
    shutil.copytree(prepared_out, out)
    senses = tmp_path / "senses.tsv"
    senses.write_text("zh\t苹果\t1\tfruit|水果\nen\twater\t1\twater|水\n", encoding="utf-8")
    words = [out, "--hownet", senses, "--morphology", "characters"]
    assert "hownet is missing" in script("index.sh", out).stderr
    assert refused(script("index.sh", *words, f"--output={tmp_path}/one.see"), "--output is set by this script")
    done = script("index.sh", *words)
    assert done.returncode == 0, done.stderr
    before = contents(out)
    assert {"data-bin/dict.zh.see", "data-bin/dict.en.see"} <= set(before)
    assert script("index.sh", *words).returncode == 0
    assert contents(out) == before
    control = [*words, f"--out={tmp_path}/control", "--control", "no-senses"]
    for _ in range(2):
        assert script("index.sh", *control).returncode == 0
    assert contents(out) == before
    names = {f"dict.{side}.see{kind}" for side in ("zh", "en") for kind in ("", ".settings")}
    assert {path.name for path in (tmp_path / "control").iterdir()} == names
    assert script("index.sh", *words, "--rank", 3).returncode == 0
    assert contents(out) != before


def test_indexes_through_openhownet(prepared, tmp_path):
    _, prepared_out = prepared
    out = tmp_path / "out"
    shutil.copytree(prepared_out, out)
    hownet = tmp_path / "home/.openhownet"
    words = [out, "--openhownet", "--morphology", "characters"]
    missing = script("index.sh", *words, HOME=str(tmp_path / "home"))
    assert missing.returncode == 2
    assert f"no HowNet in {hownet}/resources" in missing.stderr
    write_resources(hownet, [concept("{fruit|水果}", zh="苹果"), concept("{water|水}", en="water")])
    done = script("index.sh", *words, HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("OpenHowNet reads") == done.stderr.count("OpenHowNet read from") == 1
    before = contents(out)
    # The same files by another name, and nothing to download.
    for folder in (hownet, hownet / "resources"):
        again = script("index.sh", out, "--openhownet", folder, "--download", "--morphology", "characters")
        assert (again.returncode, contents(out)) == (0, before), again.stderr
    write_resources(hownet, [concept("{fruit|水果}", zh="苹果"), concept("{liquid|液}", en="water")])
    assert script("index.sh", *words, HOME=str(tmp_path / "home")).returncode == 0
    assert contents(out) != before
    both = script("index.sh", *words, "--hownet", out / "data-bin/dict.zh.txt")
    assert (both.returncode, "not allowed with" in both.stderr) == (2, True)


def test_an_index_is_built_again_with_another_model_of_polyglot(prepared, tmp_path):
    _, prepared_out = prepared
    out, models = tmp_path / "out", tmp_path / "models"
    shutil.copytree(prepared_out, out)
    (tmp_path / "senses.tsv").write_text("zh\t苹果\t1\tfruit|水果\n", encoding="utf-8")
    words = ["index.sh", out, "--hownet", tmp_path / "senses.tsv", "--morphology", "en=polyglot"]
    done = script(*words, POLYGLOT_DATA_PATH=str(models))
    assert done.returncode == 2
    assert f"no polyglot model of en in {models}" in done.stderr
    run_command("fairseq-see", "morphology", "--corpus", out / "tok/train.en", "--lang", "en", "--output", models)
    assert script(*words, POLYGLOT_DATA_PATH=str(models)).returncode == 0
    before = contents(out)
    assert script(*words, POLYGLOT_DATA_PATH=str(models)).returncode == 0
    assert contents(out) == before
    run_command("fairseq-see", "morphology", "--corpus", out / "tok/odd.en", "--lang", "en", "--output", models)
    done = script(*words, POLYGLOT_DATA_PATH=str(models))
    assert done.returncode == 0, done.stderr
    assert contents(out)["data-bin/dict.en.see"] != before["data-bin/dict.en.see"]


def test_an_index_of_sentencepiece(sentencepiece, tmp_path):
    _, prepared_out = sentencepiece
    out = tmp_path / "out"
    shutil.copytree(prepared_out, out)
    senses = tmp_path / "senses.tsv"
    senses.write_text("zh\t水\t1\twater|水\nzh\t果\t1\tfruit|水果\nen\tbook\t1\treadings|读物\n", encoding="utf-8")
    done = script("index.sh", out, "--hownet", senses, "--morphology", "characters")
    assert done.returncode == 0, done.stderr
    found = {}
    for side in ("zh", "en"):
        vocabulary = Vocabulary.load(out / f"data-bin/dict.{side}.txt")
        index = UnitIndex.load(out / f"data-bin/dict.{side}.see")
        for word in ("水", "果", "book", ""):
            found |= {(side, row.symbol): row.senses for row in indexed_symbols(word, vocabulary, index)}
    # 果 is only there as the end of 苹果.
    assert found == {
        ("zh", "▁水"): [("water|水",)],
        ("zh", "果"): [],
        ("zh", "▁"): [],
        ("en", "▁book"): [("readings|读物",)],
        ("en", "▁"): [],
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_good_bash(path):
    assert subprocess.run(["bash", "-n", path], capture_output=True, text=True).stderr == ""
    text = path.read_text()
    if path.name not in SOURCED:
        assert os.access(path, os.X_OK)
        assert "set -euo pipefail" in text


@pytest.mark.parametrize(
    "name", [path.name for path in SCRIPTS if path.parent.name == "scripts" and path.name not in SOURCED]
)
def test_scripts_tell_their_use(name):
    done = script(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"scripts/{name}")


def test_a_command_without_words_is_told_its_use_as_an_error():
    done = script("train.sh")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("scripts/train.sh")


def test_setup_refuses_what_it_does_not_know():
    assert script("setup.sh", "--devel").returncode == 2


def test_setup_says_what_to_install(tmp_path):
    """A Python that is too old, one without venv, and none at all."""
    for name, body, message in (
        ("old", 'case $* in *version_info*) exit 1 ;; *) echo "Python 3.8.0" ;; esac', "too old"),
        ("bare", "case $* in *ensurepip*) exit 1 ;; esac", "apt-get install python3-venv"),
    ):
        python = tmp_path / name
        python.write_text(f"#!/bin/sh\n{body}\n")
        python.chmod(0o755)
        done = script("setup.sh", PYTHON=str(python), FAIRSEQ_SEE_VENV=str(tmp_path / f"venv-{name}"))
        assert done.returncode == 2
        assert message in done.stderr
    done = script("setup.sh", PYTHON="no-such-python", FAIRSEQ_SEE_VENV=str(tmp_path / "venv"))
    assert "apt-get install python3" in done.stderr


@pytest.mark.parametrize("compilable", ["already", "with apt-get", "never"])
def test_setup_installs_what_polyglot_is_compiled_with(tmp_path, compilable):
    """Or tells it. The environment, pip, apt-get and sudo are stand-ins; where all is in place they are not called."""
    venv, tools, log = tmp_path / "venv/bin", tmp_path / "tools", tmp_path / "log"
    for folder in (venv, tools, tmp_path / "icu", tmp_path / "Python.h"):
        folder.mkdir(parents=True)
    if compilable != "already":
        (tmp_path / "icu").rmdir()
    apt_get = {"with apt-get": f"mkdir {tmp_path}/icu", "never": "false"}.get(compilable, "true")
    programs = {
        venv / "fairseq-see": "",
        venv / "python": f"""case $* in
            *"pip install"*) echo pip install "${{@: -1}}" >>{log}; mkdir {tmp_path}/polyglot ;;
            *"import polyglot"*) [[ -d {tmp_path}/polyglot ]] ;;
            *sysconfig*) echo {tmp_path} ;;
            esac""",
        tools / "pkg-config": f"[[ -d {tmp_path}/icu ]]",
        tools / "apt-get": f"""echo apt-get "$@" >>{log}; {apt_get}""",
        tools / "sudo": """[[ $1 == -n ]] && shift && exec "$@" """,
    }
    for program, body in programs.items():
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
    checksums = 'source "$0/scripts/common.sh"; cd "$0"; checksum requirements/base.txt; echo "$0 $(checksum setup.py)"'
    base, package = subprocess.check_output(["bash", "-c", checksums, ROOT], text=True).splitlines()
    (tmp_path / "venv/.see-base").write_text(base)
    (tmp_path / "venv/.see-package").write_text(package)

    def setup(*words: str) -> subprocess.CompletedProcess:
        path = f"{tools}:{os.environ['PATH']}"
        return script("setup.sh", *words, PATH=path, FAIRSEQ_SEE_VENV=str(venv.parent))

    assert setup().returncode == 0
    assert not log.exists()
    done = setup("--polyglot")
    called = log.read_text().splitlines()
    asked = "apt-get -qq -y --no-install-recommends"
    installed = f"pip install {ROOT}/requirements/polyglot.txt"
    if compilable == "never":
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == "error: polyglot has to be compiled; apt-get install libicu-dev"
        assert called == [f"{asked} install libicu-dev", f"{asked} update"]
        return
    assert done.returncode == 0, done.stderr
    assert called == ([f"{asked} install libicu-dev"] if compilable == "with apt-get" else []) + [installed]
    assert setup("--polyglot").returncode == 0
    assert log.read_text().splitlines() == called
    (tmp_path / "polyglot").rmdir()  # as if the system had got another ICU
    assert setup("--polyglot").returncode == 0
    assert log.read_text().splitlines() == [*called, installed]


def test_every_requirement_is_pinned():
    for name in ("base", "dev", "polyglot"):
        lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        assert pins
        assert all(line.count("==") == 1 for line in pins)
