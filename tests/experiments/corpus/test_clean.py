import json
import marshal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.__main__ import main as laboratory
from experiments.corpus import tokenize
from experiments.corpus.clean import DUPLICATE, EMPTY, LONG_WORD, RATIO, TOO_LONG, Limits, clean, find_fault
from fairseq_see.errors import SeeError
from tests.helpers import make_environ


def write(folder: Path, zh: str | bytes, en: str | bytes) -> tuple[Path, Path]:
    for name, text in (("raw.zh", zh), ("raw.en", en)):
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / "raw.zh", folder / "raw.en"


def cleaned(folder: Path, zh: str | bytes, en: str | bytes, **options):
    report = clean(*write(folder, zh, en), folder / "out", **options)
    return report, [(folder / f"out.{side}").read_text(encoding="utf-8").splitlines() for side in ("zh", "en")]


@pytest.mark.parametrize(
    ("zh", "en", "expected"),
    [
        ("你好", "hello", None),
        ("", "hello", EMPTY),
        ("你好", "", EMPTY),
        ("好" * 11, "word " * 7, TOO_LONG),
        ("好" * 10, "word " * 7, None),
        ("好", "long-long-word " * 3, TOO_LONG),
        ("好" * 7, "good", RATIO),
        ("好" * 6, "good", None),
        ("好", "x" * 1001, LONG_WORD),
    ],
)
def test_fault(zh, en, expected):
    assert find_fault(zh, en.strip(), Limits(max_words=10, max_chars=40, max_ratio=6)) == expected


def test_files_are_cleaned_and_everything_is_counted(tmp_path):
    zh = "\ufeff你好 。\r\n\n再见\n再见\n" + "很" * 40 + "\n水\n"
    en = "Hello.\r\nempty\nBye\nBye\nvery\n" + "x" * 10_000 + "\n"
    report, lines = cleaned(tmp_path, zh, en)
    assert lines == [["你好 。", "再见"], ["Hello.", "Bye"]]
    assert (report.read, report.kept) == (6, 2)
    assert report.faults == {EMPTY: 1, TOO_LONG: 0, LONG_WORD: 1, RATIO: 1, DUPLICATE: 1}


def test_duplicates_are_pairs_not_sides(tmp_path):
    zh, en = "是\n是\n是\n", "yes\nis\nyes\n"
    assert cleaned(tmp_path, zh, en)[1][1] == ["yes", "is"]
    assert cleaned(tmp_path, zh, en, keep_duplicates=True)[1][1] == ["yes", "is", "yes"]


def test_a_test_set_keeps_every_line(tmp_path):
    report, lines = cleaned(tmp_path, "一\n\n一\n", f"one\nnothing\n{'x' * 5000}\n", filtered=False)
    assert lines == [["一", "", "一"], ["one", "nothing", "x" * 1000]]
    assert (report.kept, report.faults[EMPTY], report.faults[LONG_WORD]) == (3, 1, 1)


@pytest.mark.parametrize(
    ("zh", "en", "message"),
    [
        ("一\n二\n", "one\n", r"raw\.zh has 2 lines and .*raw\.en has 1"),
        ("一\n", "one\ntwo\nthree\n", r"raw\.zh has 1 lines and .*raw\.en has 3"),
        ("", "one\n", r"raw\.zh is empty"),
        ("一\n", "", r"raw\.en is empty"),
        ("一\n二\n".encode() + b"\xff\n", "one\ntwo\nthree\n", r"raw\.zh is not UTF-8 \(line 3, byte 8\)"),
        ("\ufeffab".encode() + b"\xff\n", "one\n", r"raw\.zh is not UTF-8 \(line 1, byte 5\)"),
        ("你好".encode("gb18030"), "one\n", r"raw\.zh is not UTF-8 \(line 1, byte 0\)"),
        ("\n\n", "one\ntwo\n", r"nothing is left .*2 empty"),
    ],
)
def test_bad_files_are_refused_and_nothing_is_written(tmp_path, zh, en, message):
    with pytest.raises(SeeError, match=message):
        cleaned(tmp_path, zh, en)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw.en", "raw.zh"]


def test_nothing_is_written_over_what_is_read(tmp_path):
    texts = "中文\n中文\n", "a b\na b\n"
    write(tmp_path, *texts)
    source, target = (tmp_path / f"raw.{side}" for side in ("zh", "en"))
    (tmp_path / "link").symlink_to(tmp_path)
    for output in (tmp_path / "raw", tmp_path / "link/raw"):
        with pytest.raises(SeeError, match=r"raw\.zh is one of the inputs"):
            clean(source, target, output)
    assert (source.read_text(encoding="utf-8"), target.read_text(encoding="utf-8")) == texts


def test_words_are_not_those_of_a_cache_that_others_can_write(tmp_path):
    (tmp_path / "jieba.cache").write_bytes(marshal.dumps(({"帮": 0, "帮他": 10**9}, 10**9)))
    command = [sys.executable, "-m", "experiments.corpus.tokenize", "split", "--lang", "zh"]
    # Not a fork of a process that knows its temporary folder already.
    options = {"env": make_environ(TMPDIR=str(tmp_path)), "capture_output": True, "encoding": "utf-8"}
    done = subprocess.run(command, input="你应该帮他。\n", **options)
    assert (done.stdout, done.stderr) == ("你 应该 帮 他 。\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["jieba.cache"]


def test_many_processes_keep_the_order():
    lines = [f"Line {i}, please." for i in range(1200)]
    assert list(tokenize.split_all(lines, "en", workers=2)) == [f"Line {i} , please ." for i in range(1200)]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.zh").write_text("你好\n你好\n\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("Hello\nHello\nNothing\n", encoding="utf-8")
    return [str(tmp_path / "a.zh"), str(tmp_path / "a.en"), "--output", str(tmp_path / "sub/out")]


def test_clean_writes_both_sides_a_table_and_a_report(files, tmp_path, capsys):
    assert laboratory(["clean", *files, "--report", str(tmp_path / "report.json")]) == 0
    assert (tmp_path / "sub/out.zh").read_text(encoding="utf-8") == "你好\n"
    assert (tmp_path / "sub/out.en").read_text(encoding="utf-8") == "Hello\n"
    printed = capsys.readouterr().out
    assert "dropped: empty" in printed
    assert "dropped: duplicate" in printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["read"], report["kept"], report["faults"]["duplicate"]) == (3, 1, 1)


def test_a_report_over_a_text_is_refused(files, tmp_path, capsys):
    for text, what in (("a.zh", "one of the inputs"), ("sub/out.en", "what the en text writes")):
        assert laboratory(["clean", *files, "--report", str(tmp_path / text)]) == 2
        assert f"--report {tmp_path / text} is {what}; write it to another file" in capsys.readouterr().err
    assert (tmp_path / "a.zh").read_text(encoding="utf-8").startswith("你好") and not (tmp_path / "sub").exists()


@pytest.mark.parametrize("option", [["--max-words", "0"], ["--max-ratio", "inf"], ["--max-pairs", "0"]])
def test_senseless_limits_are_refused(files, option, capsys):
    assert laboratory(["clean", *files, *option]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_files_given_the_wrong_way_round_are_pointed_out(files, capsys):
    files[0], files[1] = files[1], files[0]
    assert laboratory(["clean", *files]) == 0
    assert "no Chinese character" in capsys.readouterr().err


def test_cleaning_needs_neither_torch_nor_fairseq():
    code = "import sys, experiments.corpus.clean; print({'torch', 'fairseq'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
