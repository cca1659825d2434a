"""``fairseq-see translate``: raw text gives what segmenting, fairseq-generate and detokenising by hand give."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jieba
import pytest
from sacremoses import MosesDetokenizer, MosesTokenizer
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from fairseq_see.cli.main import main
from fairseq_see.cli.translate import read_available
from fairseq_see.errors import SeeError
from fairseq_see.export_config import write_config
from fairseq_see.translator import Translator, _batch_by_length
from tests.fairseq.training import train
from tests.forks import make_environment
from tests.helpers import ROOT, make_environ, run_command

ODD = {
    "zh": [
        # Raw, and as it should be normalised.
        ("山人 水口\U0001f600 火手", "山人 水口\U0001f600 火手"),
        ("\ufeff山人ＡＢＣ１２３，（火手）", "山人ABC123，（火手）"),
        ("木足\u2028金目\x85土耳\u3000日心\r", "木足 金目 土耳 日心"),
        ("月\u200b门 cafe\u0301 <unk> </s> &amp;", "月门 café <unk> </s> &amp;"),
        ("山人▁水口 @@ 火手@@", "山人▁水口 @@ 火手@@"),
    ],
    "en": [
        ("balan0 derit1, \U0001f600 fisol2", "balan0 derit1, \U0001f600 fisol2"),
        ("balan0 derit1ＡＢＣ，（fisol2）", "balan0 derit1ABC,(fisol2)"),
        ("Gotem3\u2028kulan4\x85larit5\r", "Gotem3 kulan4 larit5"),
        ("mesol6's cafe\u0301 <unk> </s> &amp;", "mesol6's café <unk> </s> &amp;"),
        ('it\'s "balan0" @-@ derit1@@', 'it\'s "balan0" @-@ derit1@@'),
    ],
}
OTHER = {"zh": "en", "en": "zh"}


def segment(line: str, language: str) -> str:
    found = jieba.cut(line) if language == "zh" else MosesTokenizer("en").tokenize(line, escape=False)
    return " ".join(" ".join(found).split())


def spell(folder: Path, lines: list[str], language: str, scheme: str) -> str:
    """Lines of words as lines of subwords, by the packages' own ways."""
    if scheme == "bpe":
        text = "".join(f"{line}\n" for line in lines)
        return run_command("subword-nmt", "apply-bpe", "--codes", folder / f"codes.{language}", input=text).stdout
    model = SentencePieceProcessor(model_file=str(folder / f"spm.{language}.model"))
    spelled = ([model.id_to_piece(i) for i in model.encode(line)] for line in lines)
    return "".join(f"{' '.join(each)}\n" for each in spelled)


def prepare(folder: Path, toy: Path, source: str, scheme: str) -> None:
    """Leave in a folder what scripts/prepare.sh leaves, of the toy task: codes.* or spm.*, data-bin."""
    for language in ("zh", "en"):
        lines = {}
        for split in ("train", "dev"):
            text = (toy / f"{split}/toy.{language}").read_text(encoding="utf-8")
            lines[split] = [segment(line, language) for line in text.splitlines()]
        if scheme == "bpe":
            learnt = run_command(
                "subword-nmt", "learn-bpe", "-s", "40", input="".join(f"{x}\n" for x in lines["train"])
            )
            (folder / f"codes.{language}").write_text(learnt.stdout, encoding="utf-8")
        else:
            SentencePieceTrainer.train(
                sentence_iterator=iter(lines["train"]),
                model_prefix=str(folder / f"spm.{language}"),
                vocab_size=50,
                bos_id=-1,
                eos_id=-1,
                minloglevel=2,
                normalization_rule_name="identity",
            )
        for split, text in lines.items():
            (folder / f"{split}.{language}").write_text(spell(folder, text, language, scheme), encoding="utf-8")
    run_command(
        *("fairseq-preprocess", "-s", source, "-t", OTHER[source], "--destdir", folder / "data-bin"),
        *("--trainpref", folder / "train", "--validpref", folder / "dev"),
    )


@pytest.fixture(scope="module", params=[("zh", "bpe"), ("en", "sentencepiece")], ids=str)
def shipped(request, toy, tmp_path_factory):
    """Source language, scheme and the folder of a model that is trained on the toy task and exported."""
    source, scheme = request.param
    folder = tmp_path_factory.mktemp(source)
    prepare(folder, toy, source, scheme)
    options = ("--see-method", "dense", "--max-epoch", "12", "--max-source-positions", "60")
    train(folder / "data-bin", folder / "run", *options)
    assert main(["export", str(folder / "run/checkpoint_last.pt"), "-o", str(folder / "small")]) == 0
    # In the precision of the small model, all of them.
    outputs = ("--to-dense", folder / "dense.pt", "--to-ctranslate2", folder / "ct2")
    assert main(["export", str(folder / "small"), *map(str, outputs)]) == 0
    return source, scheme, folder


@pytest.fixture(scope="module")
def expected(shipped, toy):
    """Raw lines, and their translations by fairseq-generate."""
    source, scheme, folder = shipped
    target = OTHER[source]
    toys = (toy / f"test/toy.{source}").read_text(encoding="utf-8").splitlines()
    normalised = [*toys, *(line for _, line in ODD[source])]
    text = spell(folder, [segment(line, source) for line in normalised], source, scheme)
    (folder / f"odd.{source}").write_text(text, encoding="utf-8")
    run_command(
        *("fairseq-preprocess", "-s", source, "-t", target, "--only-source", "--testpref", folder / "odd"),
        *("--srcdict", folder / f"data-bin/dict.{source}.txt", "--destdir", folder / "odd-bin"),
    )
    (folder / f"odd-bin/dict.{target}.txt").write_bytes((folder / f"data-bin/dict.{target}.txt").read_bytes())
    done = run_command(
        *("fairseq-generate", folder / "odd-bin", "--path", folder / "small/model.safetensors", "--beam", "5"),
        *("--user-dir", ROOT / "fairseq_see", "-s", source, "-t", target, "--required-batch-size-multiple", "1"),
        *("--remove-bpe", "subword_nmt" if scheme == "bpe" else scheme),
    )
    found = {int(i): line for i, line in re.findall(r"^H-(\d+)\t\S+\t(.*)$", done.stdout, re.M)}
    tokenised = [found[i] for i in range(len(normalised))]
    if target == "zh":
        translations = [line.replace(" ", "") for line in tokenised]
    else:
        moses = MosesDetokenizer("en")
        translations = [moses.detokenize(line.split(), unescape=False) for line in tokenised]
    assert len(set(translations)) > 20
    return [*toys, *(line for line, _ in ODD[source])], translations


@pytest.mark.slow
def test_the_command_translates_as_fairseq_generate(shipped, expected):
    """Line by line; empty lines and lines that are too long keep their place."""
    _, _, folder = shipped
    lines, translations = expected
    too_long = " ".join(f"q{i}" for i in range(60))
    text = "\r\n".join([*lines[:3], "", " \u3000", *lines[3:], too_long, lines[0]])
    program = [make_environment() / "bin/fairseq-see", "translate", folder / "small", "--threads", "1"]
    done = subprocess.run(program, env=make_environ(), input=text.encode(), capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()
    expected_lines = [*translations[:3], "", "", *translations[3:], "", translations[0]]
    assert done.stdout.decode() == "".join(f"{line}\n" for line in expected_lines)
    assert b"tokens and the model takes 59: q0 q1" in done.stderr
    one_by_one = Translator.load(folder / "small", device="cpu", batch_size=1, threads=1)
    assert one_by_one.translate(lines) == translations


@pytest.mark.slow
def test_ctranslate2_translates_the_same_and_needs_neither_torch_nor_fairseq(shipped, expected):
    _, _, folder = shipped
    lines, translations = expected
    code = (
        "import sys, json; sys.modules['torch'] = sys.modules['fairseq'] = None\n"
        "from fairseq_see.translator import Translator\n"
        f"print(json.dumps(Translator.load({str(folder / 'ct2')!r}, threads=1).translate(json.load(sys.stdin))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, input=json.dumps(lines), capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    assert json.loads(done.stdout) == translations


@pytest.mark.slow
def test_ctranslate2s_own_command_converts_a_dense_checkpoint(shipped, tmp_path):
    """Without options: languages are read from the checkpoint, which loads safely."""
    _, _, folder = shipped
    run_command(
        *("ct2-fairseq-converter", "--model_path", folder / "dense.pt", "--data_dir", folder / "data-bin"),
        *("--output_dir", tmp_path / "theirs"),
    )
    assert (tmp_path / "theirs/model.bin").read_bytes() == (folder / "ct2/model.bin").read_bytes()


@pytest.mark.slow
def test_int8_is_smaller_and_translates(shipped, expected, tmp_path):
    _, _, folder = shipped
    lines, translations = expected
    words = ("--to-ctranslate2", str(tmp_path / "int8"), "--quantization", "int8")
    assert main(["export", str(folder / "small"), *words]) == 0
    sizes = [(path / "model.bin").stat().st_size for path in (folder / "ct2", tmp_path / "int8")]
    assert sizes[1] < 0.5 * sizes[0]
    found = Translator.load(tmp_path / "int8", device="cpu", threads=1).translate(lines)
    assert sum(ours == theirs for ours, theirs in zip(found, translations, strict=True)) > 0.8 * len(lines)


@pytest.mark.slow
def test_translations_are_no_longer_than_the_model_allows(shipped, expected, tmp_path):
    lines, translations = expected
    for name in ("small", "ct2"):
        shutil.copytree(shipped[2] / name, tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text(encoding="utf-8"))
        assert config["text"]["target"]["max_tokens"] == 1023
        config["text"]["target"]["max_tokens"] = 1
        (tmp_path / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
        found = Translator.load(tmp_path / name, device="cpu").translate(lines)
        assert max(map(len, found)) < 8 < max(map(len, translations))
        with pytest.raises(SeeError, match=f"cannot load {tmp_path / name}: "):
            Translator.load(tmp_path / name, device="cuda:99")


def test_batches_hold_every_sentence_once_and_no_more_tokens_than_allowed():
    lengths = [3, 0, 5, 1, 9, 3, 3, 0, 2]
    batches = list(_batch_by_length(lengths, 6))
    assert sorted(i for batch in batches for i in batch) == [i for i, length in enumerate(lengths) if length]
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 6
    assert len(batches) == 5  # 1 2, 3 3, 3, 5, 9


def make_pipe(*parts: bytes) -> SimpleNamespace:
    """What gives its parts one at a time."""
    left = iter(parts)
    return SimpleNamespace(read1=lambda size: next(left, b""))


def test_lines_are_given_as_they_arrive():
    pipe = make_pipe(b"\xef\xbb\xbfa\r\nb", b"c\n", "d\u2028e\rf".encode(), b"\n\n", b"\r\ng")
    assert list(read_available(pipe)) == [["a"], ["bc"], ["d\u2028e\rf", ""], [""], ["g"]]
    with pytest.raises(SeeError, match="line 2 of the input is not UTF-8"):
        list(read_available(make_pipe(b"a\n\xff\n")))


def test_a_folder_without_subwords_is_refused(tmp_path, capsys):
    write_config(tmp_path, {"text": None})
    assert main(["translate", str(tmp_path)]) == 2
    assert f"error: {tmp_path} has no subwords for raw text; export the model again" in capsys.readouterr().err
