"""The whole report, of the folder of runs to its files."""

import csv
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser

import pytest
from sacrebleu.metrics import BLEU

from experiments.__main__ import main as laboratory
from tests.experiments.report.conftest import GOOD, POOR, REFERENCES, make_run, make_runs
from tests.helpers import read_table

# As Markdown has it.
LOW_RANK = r"low\_rank, 4x"
VOID = {"meta", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """Checks that elements close in their order; collects attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text.strip())


def report(runs, *more):
    """Write the report of runs beside them and return its text by form."""
    out = runs.parent / "out"
    assert laboratory(["report", str(runs), "--out", str(out), *more]) == 0
    return {form: (out / f"report.{form}").read_text("utf-8") for form in ("html", "md", "tex", "csv")}


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """The report of runs that no test adds to."""
    return report(make_runs(tmp_path_factory.mktemp("report")))


def rows_of(markdown, title):
    """The lines of a Markdown table, each by its headings."""
    names, *rows = read_table(markdown.split(f"### {title}\n\n")[1].split("\n\n")[0])
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_every_form_has_the_same_means(forms):
    dense = [BLEU(force=True).corpus_score(lines, [REFERENCES]).score for lines in (REFERENCES, GOOD)]
    mean = sum(dense) / 2
    cell = f"{mean:.1f} ± {abs(dense[0] - dense[1]) / 2**0.5:.1f}"
    sizes = {row["model"]: row for row in rows_of(forms["md"], "Models by size")}
    # Smallest first; dense is larger than the matrix, and better on average.
    assert list(sizes) == [LOW_RANK, "word2ketxs, 4x", "dense"]
    assert sizes["dense"]["BLEU"] == cell and sizes["dense"]["seeds"] == "1, 2"
    assert sizes[LOW_RANK]["against dense"] == f"{dense[1] - mean:+.1f}"
    assert [row["best of its size"] for row in sizes.values()] == ["yes", "", "yes"]
    assert cell in forms["html"] and cell.replace("±", r"$\pm$") in forms["tex"]
    rows = list(csv.DictReader(forms["csv"].splitlines()))
    assert {row["name"]: float(row["bleu"]) for row in rows}["dense-2"] == pytest.approx(dense[1], abs=1e-3)


def test_pairs_of_equal_seed_are_tested(forms):
    pairs = {(row["model"], row["against"]): row for row in rows_of(forms["md"], "Paired bootstrap")}
    # The dense run of seed 2 translated like the matrix.
    equal = pairs[LOW_RANK, "dense"]
    assert equal | {"is": "open", "difference of BLEU": "+0.0", "seeds": "2", "largest p": "1.000"} == equal
    assert float(pairs[LOW_RANK, "word2ketxs, 4x"]["difference of BLEU"]) > 0


def test_the_paper_stands_beside_and_empty_cells_have_reasons(runs):
    make_run(runs, "random", "matrix", 4, config={"variant": "bpe"}, hypotheses=POOR)
    markdown = report(runs)["md"]
    rows = rows_of(markdown, "Beside the paper")
    published = rows[[row["method"] for row in rows].index("see\\_paper") + 1]
    assert published | {"10x": "14.74", "80x": "12.62"} == published
    here = {row["method"]: row for row in rows if row["tokenised BLEU"] == "here"}
    assert here["tensor\\_train"]["20x"] == "failed" and here["low\\_rank"]["10x"] == "not run"
    assert here["low\\_rank (bpe)"]["10x"] == "" and here["low\\_rank (bpe)"]["4x"] == here["word2ketxs"]["4x"]
    missing = rows_of(markdown, "Runs without scores")
    assert missing == [{"run": "tt", "state": "failed", "why": r"a \| \<b\> & 100% \_c\_"}]


def test_the_page_is_whole_and_alone(forms):
    text = forms["html"]
    page = Page()
    page.feed(text)
    ids = [value for _, name, value in page.attributes if name == "id"]
    links = {value for _, name, value in page.attributes if name.split(":")[-1] in ("href", "src", "action", "data")}
    assert not page.open and max(Counter(ids).values()) == 1
    assert {link.removeprefix("#") for link in links} | set(re.findall(r"url\(#([^)]+)\)", text)) <= {*ids}
    assert not re.search(r"url\((?!#)|@import|<script", text)
    assert "a | <b> & 100% _c_" in page.text
    # First the plot, then the table.
    assert text.index("<svg") < text.index("<table")


def test_latex_is_balanced_and_escaped(forms):
    text = forms["tex"]
    assert r"a | <b> \& 100\% \_c\_" in text and r"tensor\_train" in text
    bare = re.sub(r"\\[\\{}$&%#_]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0 and "%" not in bare and "#" not in bare
    assert Counter(re.findall(r"\\begin\{(\w+)", text)) == Counter(re.findall(r"\\end\{(\w+)", text))


def test_words_are_counted_in_the_training_text(runs, forms):
    (dense, *_) = rows_of(forms["md"], "Words by their frequency in training")
    never = {"at", "in", "old", "tree", "we", "saw", "no", "rain"}
    count = sum(len([word for word in line.split() if word in never]) for line in REFERENCES)
    assert dense["model"] == "dense" and f"never ({count})" in dense
    shutil.rmtree(runs / "dense-2")
    (runs.parent / "train.tok.en").rename(runs.parent / "elsewhere")
    assert "Words by their frequency" not in report(runs)["md"]
    assert f"never ({count})" in report(runs, "--training-words", str(runs.parent / "elsewhere"))["md"]


def test_what_is_varied_has_a_line_and_a_map(runs):
    for rank in (2, 3):
        for vectors, ratio in ((3, 30.0), (9, 10.0)):
            config = {"see_args": {"rank": rank, "order": 3, "vectors": vectors}}
            sizes = {"parameter_ratio": ratio, "byte_ratio": ratio}
            make_run(runs, f"{rank}{vectors}", "see", config=config, hypotheses=GOOD, **sizes)
    forms = report(runs)
    rows = rows_of(forms["md"], "Rank, order and vectors of each unit")
    assert [(row["rank"], row["vectors"]) for row in rows] == [("2", "3"), ("2", "9"), ("3", "3"), ("3", "9")]
    titles = re.findall(r"<h3>(.*?)</h3>", forms["html"])
    assert {"BLEU by rank", "BLEU by vectors", "BLEU and parameters by rank and vectors: see, order 3"} <= {*titles}
    assert not any(row["model"].startswith("see") for row in rows_of(forms["md"], "Paired bootstrap"))


def test_scores_that_the_texts_do_not_give_are_reported(runs):
    (runs / "word2ketxs/test.hyp").write_text("".join(f"{line}\n" for line in GOOD))
    assert "score it again" in report(runs)["md"]


def test_lists(runs, capsys):
    assert laboratory(["report", str(runs)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("deeper/matrix")]
    assert {"matrix", "4.00x", "810", "test"} <= {*line.split()}
    assert laboratory(["report", str(runs), "--over-seeds", "--json"]) == 0
    (dense,) = [row for row in json.loads(capsys.readouterr().out) if row["method"] == "dense"]
    scores = [BLEU(force=True).corpus_score(lines, [REFERENCES]).score for lines in (REFERENCES, GOOD)]
    found = [dense[name] for name in ("bleu", "bleu_low", "bleu_high")]
    assert found == pytest.approx([sum(scores) / 2, min(scores), max(scores)], abs=1e-3) and dense["seed"] == "1, 2"
    assert laboratory(["report", str(runs), "--markdown", "--over-seeds"]) == 0
    printed = capsys.readouterr().out
    assert f"{sum(scores) / 2:.1f} ({min(scores):.1f}-{max(scores):.1f})" in printed and "- commit: " in printed


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (None, ["--out", "OUT"], "no run.json in"),
        ("{", [], "is no run record"),
        ('{"name": "a", "metrics": {"test": {"bleu": "high"}}}', ["--out", "OUT"], "bleu is 'high'"),
        ('{"name": "a"}', ["--out", "OUT"], "is scored"),
        ('{"name": "a"}', ["--training-words", "NONE"], "no file NONE"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, capsys, monkeypatch, text, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    if text:
        (tmp_path / "run/run.json").write_text(text)
    assert laboratory(["report", "run", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "OUT").exists()
