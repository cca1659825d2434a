"""What the documentation's blocks become: tables and charts of results, tables of options."""

import argparse
import sys
from types import SimpleNamespace

import pandas
import pytest

from experiments import site
from experiments.results import RESULTS, read_results
from fairseq_see.errors import SeeError
from tests.helpers import ROOT, read_table

ROWS = pandas.DataFrame(
    {
        "folder": folder,
        "method": method,
        "ratio": ratio,
        "short.bleu": bleu,
        "dev_perplexity": "20.5",
        "model_bytes": "7e6",
    }
    for folder, method, ratio, bleu in (
        ("a", "see", "20.0", "10.0"),
        ("a", "see", "20.0", "12.0"),
        ("a", "dense", "", "9.04"),
        ("b", "see", "20.0", "1.0"),
    )
)


def test_a_table_has_means_over_seeds_and_empty_cells():
    block = """
        corner: method
        where: {folder: a}
        rows:
          SEE: {method: see}
          dense: {method: dense}
          elsewhere: {method: see, folder: b}
          either: [{method: dense}, {folder: b}]
        columns:
          20x: {ratio: 20.0}
          BLEU: BLEU
          MB: MB
        show: BLEU / perplexity
    """
    assert read_table(site.render_results(block, ROWS)) == [
        ["method", "20x", "BLEU", "MB"],
        ["SEE", "11.0 ± 1.4 / 20.5 ± 0.0", "11.0 ± 1.4", "7.0"],
        ["dense", "", "9.0", "7.0"],
        ["elsewhere", "1.0 / 20.5", "1.0", "7.0"],
        ["either", "1.0 / 20.5", "5.0 ± 5.7", "7.0"],
    ]


def test_a_row_without_runs_is_an_error():
    with pytest.raises(SeeError, match="for the row 'see 40x'"):
        site.render_results("rows: {see 40x: {ratio: 40.0}}\ncolumns: {BLEU: BLEU}", ROWS)


def test_a_chart_has_its_labels_and_lengths(tmp_path):
    block = "chart: BLEU!\nbars: [BLEU]\nwhere: {folder: a}\nrows: {SEE: {method: see}}\ncolumns: {BLEU: BLEU}"
    drawing, table = site.render_results(block, ROWS).split("\n\n")
    assert drawing.startswith("<figure") and ">SEE</text>" in drawing and ">11.0</text>" in drawing
    assert read_table(table)[1] == ["SEE", "11.0 ± 1.4"]

    (tmp_path / "m.csv").write_text('# made by hand\nname,ms\n`fast`,1.5 (1-2)\nslow,"1,200"\n', encoding="utf-8")
    drawing, *_ = site.render_csv("m.csv\nms\n", tmp_path).split("\n\n")
    assert all(f">{text}</text>" in drawing for text in ("fast", "slow", "1.5", "1200.0"))


def test_a_file_of_measurements_is_a_table_with_what_made_it(tmp_path):
    (tmp_path / "m.csv").write_text("# python x.py; commit abc\nname,ms\nfast,1.5\n", encoding="utf-8")
    table, note = site.render_csv("m.csv\n", tmp_path).split("\n\n")
    assert read_table(table) == [["name", "ms"], ["fast", "1.5"]]
    assert note == "<small>python x.py; commit abc [CSV](m.csv)</small>"


def test_a_command_is_a_table_of_its_options(monkeypatch):
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("data", metavar="DATA", help="a folder")
        parser.add_argument("-n", "--number", type=int, default=3, help="how many | all (default: %(default)s)")

    monkeypatch.setitem(sys.modules, "some_command", SimpleNamespace(HELP="do it", add_arguments=add_arguments))
    assert read_table(site.describe_command("program", "name", "some_command")) == [
        ["option", "meaning"],
        ["`DATA`", "a folder"],
        ["`--number NUMBER`", "how many \\| all (default: 3)"],
    ]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.stem)
def test_every_block_of_the_pages_is_filled(page):
    rendered = site.on_page_markdown(
        page.read_text(encoding="utf-8"),
        SimpleNamespace(file=SimpleNamespace(src_path=page.relative_to(ROOT / "docs"))),
        {"docs_dir": ROOT / "docs"},
        None,
    )
    assert "```results" not in rendered and "```csv" not in rendered


def test_all_published_folders_of_results_are_named_in_the_pages():
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    folders = {*read_results(RESULTS).folder}
    assert not {folder for folder in folders if not folder.startswith("search-") and folder not in text}
