import runpy

from experiments.corpus import summary
from experiments.corpus.clean import Limits, Report, clean


def test_the_table_accounts_for_every_pair(tmp_path, capsys, monkeypatch):
    """A set of seven pairs, filtered to two of its fit ones, and unfiltered."""
    (tmp_path / "a.zh").write_text("一\n一\n\n二\n三\n四五六七\n八\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("one\none\nnothing\ntwo\nthree\nfour\n" + "x" * 1001 + "\n", encoding="utf-8")
    for name, options in (("train", {"max_pairs": 2, "limits": Limits(max_ratio=3)}), ("test", {"filtered": False})):
        report = str(tmp_path / f"{name}.json")
        clean(tmp_path / "a.zh", tmp_path / "a.en", tmp_path / name, report_file=report, **options)
    monkeypatch.setattr("sys.argv", ["summary", str(tmp_path), "train", "test"])
    runpy.run_path(summary.__file__, run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    train, test = zip(*(line.split()[-2:] for line in lines[1:-1]), strict=True)
    # Read, kept; empty, too long, long word, length ratio, duplicate; beyond --max-pairs.
    assert train == ("7", "2", "1", "0", "1", "1", "1", "1") and test == ("7", "7", "1", "0", "1", "0", "1", "0")
    assert lines[0].split() == ["set", "train", "test", "*"] and lines[-1].startswith("* nothing is dropped")


def test_without_test_sets_there_is_no_note():
    assert "*" not in summary.format_reports({"train": vars(Report(read=1, kept=1))})
