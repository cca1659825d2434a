"""The whole report, of the folder of runs to its four files."""

import csv
import html
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from sacrebleu.metrics import BLEU

from experiments.__main__ import main as laboratory
from experiments.report import plots
from experiments.report.compare import sections
from experiments.report.folders import read_folders
from tests.experiments.report.conftest import REFERENCES, make_run, write
from tests.unit.embeddings.conftest import random_index

PAPER = {"layernorm": False, "frequent_share": 0.0}
GOOD = [*REFERENCES[:3], "we saw rain ."]
POOR = ["a cat sat .", "the dog at the cat .", "birds sing in a tree .", "no rain ."]
VOID = {"meta", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """Checks that elements close in their order; collects attributes, cells and text."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.ids, self.text, self.tables = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text.strip())


def report(data, *more):
    return laboratory(["report", str(data.parent / "runs"), "--out", str(data.parent / "out"), *more])


def read(data, form):
    return (data.parent / "out" / f"report.{form}").read_text(encoding="utf-8")


@pytest.fixture
def runs(data):
    """Two seeds of dense, two methods at 4x, a failed run and one in a list."""
    for seed, hypotheses in ((1, REFERENCES), (2, GOOD)):
        make_run(data, f"dense-{seed}", seed=seed, hypotheses=hypotheses)
    make_run(data, "matrix_4", "matrix", 4, seed=2, hypotheses=GOOD)
    make_run(data, "xs_4", "word2ketxs", 4, seed=2, hypotheses=POOR)
    failed = data.parent / "runs/tt_20"
    write(failed / "train.settings", ["override model.see_method=tensor_train", "override model.see_ratio=20"])
    write(failed / "train.log", ["error: no | space <left> & 100% of it"])
    return data


def test_every_form_says_the_same(runs, capsys):
    assert report(runs) == 0
    assert [line.rsplit(".")[-1] for line in capsys.readouterr().out.split()] == ["csv", "md", "tex", "html"]
    dense = [BLEU().corpus_score(lines, [REFERENCES]).score for lines in (REFERENCES, GOOD)]
    mean, deviation = sum(dense) / 2, abs(dense[0] - dense[1]) / 2**0.5
    cell = f"{mean:.1f} ± {deviation:.1f}"
    rows = list(csv.DictReader(read(runs, "csv").splitlines()))
    assert [row["run"].rsplit("/")[-1] for row in rows] == ["dense-1", "dense-2", "matrix_4", "xs_4"]
    assert float(rows[1]["bleu"]) == pytest.approx(dense[1], abs=1e-3) and float(rows[2]["column"]) == 4
    markdown = read(runs, "md")
    assert f"| dense | here | {cell} |" in markdown
    assert "|  | paper, WMT17 |  |  | 14.74 | 14.09 | 13.32 | 12.62 |" in markdown
    # Of equal seeds: the dense run of seed 2 said the same as the matrix.
    assert "| matrix, 4x | dense | open | +0.0 | 2 | 1.000 |" in markdown
    assert re.search(r"\| matrix, 4x \| word2ketxs, 4x \(best rival\) \| \w+ \| \+\d", markdown)
    drop = f"{dense[1] - mean:+.1f}".replace("-", "−")
    assert re.search(rf"\| matrix, 4x \| 4\.\d\dx \|.*\| 2 \| {dense[1]:.1f} \|  \| {drop} \|", markdown)
    for form in ("html", "tex"):
        assert cell.replace("±", {"tex": r"$\pm$"}.get(form, "±")) in read(runs, form)
    assert "reproduced" not in "".join(read(runs, form) for form in ("html", "md", "tex")).lower()


def test_the_page_is_whole_and_alone(runs):
    assert report(runs) == 0
    text = read(runs, "html")
    page = Page()
    page.feed(text)
    assert not page.open and max(Counter(page.ids).values()) == 1
    links = {value for _, name, value in page.attributes if name.split(":")[-1] in ("href", "src", "action", "data")}
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\((?!#)|@import|<script", text)
    assert {link[1:] for link in links} | set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)
    headings = [value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")]
    assert {"row", "col"} == set(headings)
    assert sum((tag, name, value) == ("svg", "role", "img") for tag, name, value in page.attributes) >= 2
    assert "no | space <left> & 100% of it" in page.text and "unknown" not in page.ids


def test_latex_is_balanced_and_escaped(runs):
    assert report(runs) == 0
    text = read(runs, "tex")
    assert r"no \textbar{} space \textless{}left\textgreater{} \& 100\% of it" in text
    assert r"tensor\_train" in text
    bare = re.sub(r"\\[\\{}$&%#_]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0 and "%" not in bare and "#" not in bare
    assert Counter(re.findall(r"\\begin\{(\w+)", text)) == Counter(re.findall(r"\\end\{(\w+)", text))
    for columns, body in re.findall(r"\\begin\{longtable\}\{([lr]+(?:p\S+)?)\}(.*?)\\end", text, re.DOTALL):
        width = len(re.sub(r"p\{.*", "p", columns))
        rows = [row for row in re.sub(r"\\&", "", body).splitlines() if row.endswith(r"\\") and "caption" not in row]
        assert rows and all(row.count("&") == width - 1 for row in rows)


def test_missing_cells_say_why(runs):
    shutil.rmtree(runs.parent / "runs/matrix_4")
    assert report(runs) == 0
    markdown = read(runs, "md")
    assert re.search(r"\| tensor\\_train \| 20x \| tt\\_20 \| failed \| no \\\| space", markdown)
    assert re.search(r"\| word2ket \| 80x \| - \| infeasible, nearest 3x \|", markdown)
    assert re.search(r"\| matrix \| here \|  \| not run \|", markdown)


def test_other_references_are_another_test_set(runs):
    make_run(runs, "other", "matrix", 4, hypotheses=POOR, references=GOOD)
    lost = make_run(runs, "lost", seed=5)
    (lost / "test.hyp").unlink()
    assert report(runs) == 0
    headings = re.findall(r"^## .*", read(runs, "md"), re.MULTILINE)
    assert len(headings) == 3 and len(set(headings)) == 3 and any("not found" in heading for heading in headings)
    assert "neither bootstrap nor bands" in read(runs, "md")
    counts = Counter(row["references"] for row in csv.DictReader(read(runs, "csv").splitlines()))
    assert sorted(counts.values()) == [1, 1, 4] and counts[""] == 1


def test_cells_of_one_ratio_are_told_apart_and_wrong_sizes_marked(runs):
    make_run(runs, "matrix_wide", "matrix", None, seed=2, hypotheses=POOR, rank=4)
    make_run(runs, "matrix_drop", "matrix", 4, seed=2, hypotheses=POOR, dropout=0.3)
    assert report(runs) == 0
    markdown = read(runs, "md")
    # Of three matrices two have 0.1, which goes without saying.
    assert "| matrix (dropout 0.3) | here |" in markdown and "| matrix | here |" in markdown
    # k = 4 comes to 60 x 27 / (4 x 87) = 4.66x, which is no column of anybody's.
    assert "| 4x | 4.7x | 10x |" in markdown


def test_whole_models_by_their_bytes_say_how_they_were_made(runs):
    make_run(runs, "int8", "int8", seed=1, hypotheses=GOOD, fitted="dense-1")
    make_run(runs, "quantised", "product_quantised", 4, seed=1, hypotheses=POOR, fitted="dense-1")
    make_run(runs, "matrix_fit", "matrix", 4, seed=1, hypotheses=POOR, fitted="dense-1")
    make_run(runs, "wide", heads=2, hypotheses=POOR)
    make_run(runs, "drop", dropout=0.3, hypotheses=POOR)
    assert report(runs) == 0
    rows = list(csv.DictReader(read(runs, "csv").splitlines()))
    size = {row["run"].rsplit("/")[-1]: int(row["model_bytes"]) for row in rows}
    # 50 numbers are outside the tables; a row of int8 has 27 bytes and a scale of two.
    assert size["int8"] == 100 + 2 * 60 * 29 and size["wide"] == 100 + 2 * 2 * 60 * 27
    section = read(runs, "md").split("### Whole models by their bytes")[1].split("###")[0]
    found = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert [row[2] for row in found] == sorted((row[2] for row in found), key=float)
    made = {row[0]: row[1] for row in found}
    assert made["int8"] == made["product\\_quantised, 4x"] == "fitted to dense-1 in closed form"
    assert made["matrix, 4x"] == "trained" and made["matrix (fitted in closed form), 4x"].startswith("fitted to")
    # Most dense settings have four heads; both sides' are said once.
    assert made["dense (attention\\_heads 2)"] == made["dense"] == "trained"
    best = [row[0] for row in found if row[-1] == "yes"]
    scores = [float(row[5].split(" ")[0]) for row in found if row[-1] == "yes"]
    assert scores == sorted(set(scores)) and "dense (attention\\_heads 2)" not in best
    ratio = next(float(row["ratio"]) for row in rows if row["run"].endswith("/int8"))
    assert ratio == pytest.approx(2 * 27 / 29, abs=1e-4)


def test_bands_count_training_words(runs):
    assert report(runs) == 0
    # Of the references, 11 words and full stops are of the sentence that training has twelve times.
    heading, _, dense = re.findall(r"^\| cell \| never.*\n.*\n.*", read(runs, "md"), re.MULTILINE)[0].splitlines()
    counts = [int(count.replace(",", "")) for count in re.findall(r"\(([\d,]+)\)", heading)]
    assert sum(counts) == sum(len(line.split()) for line in REFERENCES)
    assert counts[0] == sum(
        len(set(line.split()) & {"at", "in", "old", "tree", "we", "saw", "no", "rain"}) for line in REFERENCES
    )
    assert dense.startswith("| dense |")


def test_scores_that_the_texts_do_not_give_are_told(runs):
    write(runs.parent / "runs/xs_4/test.hyp", GOOD)
    assert report(runs) == 0
    assert "in its scores; score it again" in read(runs, "md")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "EMPTY", "--out", "OUT"], "no runs in"),
        (["report", "NONE", "--out", "OUT"], "cannot read"),
        (["report", "UNSCORED", "--out", "OUT"], "is scored; scripts/score.sh"),
        (["report", "RUNS", "--out", "OUT", "--over-seeds"], "joins seeds"),
        (["report", "RUNS", "--data", "EMPTY"], "--data goes with --out"),
        (["report", "RUNS", "--out", "OUT", "--data", "NONE"], "no folder"),
        (["report", "RUNS", "--out", "DAMAGED/done"], "is no folder"),
        (["report", "RUNS", "--records", "DAMAGED/done"], "is no folder"),
        (["report", "DAMAGED", "--out", "OUT"], "cannot read"),
    ],
)
def test_bad_input(data, tmp_path, capsys, words, message):
    (tmp_path / "EMPTY").mkdir()
    make_run(data, "run", hypotheses=None).rename(tmp_path / "UNSCORED")
    damaged = make_run(data, "damaged")
    (damaged / "test.scores.json").write_text("{")
    damaged.rename(tmp_path / "DAMAGED")
    status = laboratory([str(tmp_path / word) if word[0].isupper() else word for word in words])
    printed = capsys.readouterr()
    assert status == 2 and not printed.out and not (tmp_path / "OUT").exists()
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1 and message in printed.err


def test_knobs_in_which_runs_differ(runs):
    for rank, m in ((4, 1), (4, 2), (2, 2)):
        index = random_index(rank=rank)
        make_run(runs, f"see_{rank}_{m}", "see", hypotheses=GOOD if m == 2 else POOR, index=index, vectors=m, **PAPER)
    assert report(runs) == 0
    section = read(runs, "md").split("### Rank, order and m")[1].split("###")[0]
    rows = [line.split(" | ")[1:5] for line in section.splitlines() if line.startswith("| see")]
    # 42 units of three vectors of three numbers, and m of each: 42 x 3 x m of them a side, for 60 x 27.
    assert sorted(rows) == [["2", "3", "2", "6.43x"], ["4", "3", "1", "12.86x"], ["4", "3", "2", "6.43x"]]
    page = read(runs, "html")
    assert "BLEU by rank" in page and "BLEU by m" in page and "BLEU by order" not in page


def test_what_differs_in_more_than_a_knob_is_on_no_line(runs):
    for m, more in ((1, {}), (2, {"dropout": 0.3})):
        make_run(runs, f"see_m{m}", "see", hypotheses=GOOD, index=random_index(), vectors=m, **more, **PAPER)
    make_run(
        runs, "see_head", "see", hypotheses=GOOD, index=random_index(), vectors=3.5, frequent_share=0.3, layernorm=False
    )
    assert report(runs) == 0
    assert "### Rank, order and m" not in read(runs, "md")
    for m in (1, 2):
        make_run(runs, f"see_m{m}_more", "see", hypotheses=POOR, index=random_index(), vectors=m, heads=2, **PAPER)
    assert report(runs) == 0
    assert read(runs, "md").split("### Rank, order and m")[1].split("###")[0].count("| see") == 2


def test_what_is_default_is_the_same_setting_if_asked_for(runs):
    for seed, asked in ((1, None), (2, {"frequent_share": 0.2})):
        make_run(runs, f"see_{seed}", "see", 4, seed, hypotheses=GOOD, index=random_index(), see_args=asked)
    assert report(runs) == 0
    assert re.search(r"^\| see, 4x \| 4\..* \| 1, 2 \|", read(runs, "md"), re.M)


def test_one_text_is_one_wherever_it_lay(runs, tmp_path):
    """Seeds that were trained on copies of it are joined, and compared with dense tables that were on a third."""
    for seed in (1, 2):
        moved = tmp_path / f"machine{seed}" / "data"
        shutil.copytree(runs, moved)
        run = make_run(moved, f"matrix_4_seed{seed}", "matrix", 4, seed=seed, hypotheses=GOOD, dropout=0.2)
        run.rename(runs.parent / "runs" / run.name)
    for path in (runs.parent / "runs").glob("*/checkpoints"):
        write(path.parent / "dict.en.txt", ["the 29", "cat 12"])
    assert report(runs) == 0
    markdown = read(runs, "md")
    assert re.search(r"^\| matrix \(dropout 0.2\), 4x \| 4\..* \| 1, 2 \|", markdown, re.M)
    assert re.search(r"^\| matrix \(dropout 0.2\), 4x \| dense \| \w+ \| [^|]* \| 1, 2 \|", markdown, re.M)
    assert "of models with other pieces" not in read(runs, "html")


def test_dense_tables_of_other_pieces_are_compared_on_the_same_references(runs):
    for name, counts in (("dense-1", "the 29"), ("dense-2", "the 29"), ("pieces", "th@@ 35")):
        if name == "pieces":
            make_run(runs, name, hypotheses=POOR)
        write(runs.parent / "runs" / name / "dict.en.txt", [counts])
    assert report(runs) == 0
    markdown = read(runs, "md")
    assert re.search(r"^\| dense \(\w+[^)]*\) \| dense \| \w+ \| −\d[^|]* \| 1 \|", markdown, re.M)
    assert not re.search(r"^\| dense \| dense", markdown, re.M)
    assert "of models with other pieces" in read(runs, "html")


def test_a_method_is_compared_with_its_controls(runs):
    control = replace(random_index(), provenance={"control": "random-senses"})
    make_run(runs, "see_4", "see", 4, hypotheses=GOOD, index=random_index())
    make_run(runs, "see-random-senses_4", "see", 4, hypotheses=POOR, index=control)
    make_run(runs, "see-random-senses_drop", "see", 4, hypotheses=POOR, index=control, dropout=0.3)
    assert report(runs) == 0
    found = re.findall(r"^\| see, 4x \| (see[^|]*), 4x \| \w+ \| \+\d", read(runs, "md"), re.M)
    assert found == ["see, random-senses (dropout 0.1)"]


def test_many_cells_look_unlike_one_another(runs):
    for number in range(20):
        make_run(runs, f"drop{number}", dropout=0.2 + number / 100, hypotheses=POOR)
    assert report(runs) == 0
    (section,) = sections(read_folders([runs.parent / "runs"])[0], None)
    styles = [style for _, *style in plots._styles(section)]
    assert len(styles) > 20 and len(set(map(tuple, styles))) == len(styles)


def test_a_rival_is_another_method_of_as_many_bytes(runs):
    """Neither a method's own control, nor what is as small by another measure."""
    control = replace(random_index(), provenance={"control": "no-morphemes"})
    make_run(runs, "see_4", "see", 4, hypotheses=POOR, index=random_index())
    make_run(runs, "see-no-morphemes_4", "see", 4, hypotheses=REFERENCES, index=control)
    make_run(runs, "pq_4", "product_quantised", 4, hypotheses=REFERENCES)
    assert report(runs) == 0
    rivals = re.findall(r"\| (\w[^|]*), 4x \| (\w[^|]*), 4x \(best rival\)", read(runs, "md"))
    assert ("see", "matrix") in rivals and ("see, no-morphemes", "matrix") in rivals
    assert not {"see, no-morphemes", "product_quantised"} & {rival for of, rival in rivals if of.startswith("see")}


def test_a_control_that_failed_is_no_reason_for_its_method(runs):
    make_run(runs, "see_4", "see", 4, hypotheses=POOR, index=random_index())
    failed = runs.parent / "runs/see-no-senses-20x"
    settings = [f"override model.see_{line}" for line in ("method=see", "ratio=20", "index=no-senses-seed1")]
    write(failed / "train.settings", settings)
    write(failed / "train.log", ["error: disk full"])
    assert report(runs) == 0
    markdown = read(runs, "md")
    assert "| see, no-senses | 20x | see-no-senses-20x | failed | disk full |" in markdown
    row = re.search(r"^\| see \| here .*$", markdown, re.M)[0]
    assert "failed" not in row


def test_orders_of_one_m_are_on_a_line_though_their_ratios_differ(runs):
    for order in (2, 3):
        make_run(runs, f"see_{order}", "see", hypotheses=GOOD, index=random_index(order=order), vectors=2, **PAPER)
    assert report(runs) == 0
    assert "BLEU by order" in read(runs, "html")


@pytest.fixture
def grid(runs):
    """Of two ranks, two orders and two ms eight cells less one that failed and one that was never started."""
    settings = [(rank, order, m) for order in (2, 3) for rank in (2, 4) for m in (1, 2)]
    names = {setting: "see-rank{}-order{}-m{}-seed1".format(*setting) for setting in settings}
    for rank, order, m in settings[:-2]:
        index = random_index(rank=rank, order=order)
        texts = GOOD if rank == 4 else POOR
        make_run(runs, names[rank, order, m], "see", seed=1, hypotheses=texts, index=index, vectors=m, **PAPER)
    failed = runs.parent / "runs" / names[settings[-2]]
    write(failed / "train.settings", ["override model.see_method=see", "override +model.see_args.vectors=1"])
    write(failed / "train.log", ["error: disk full"])
    listed = [{"name": name, "config": "c", "overrides": ["model.see_method=see"]} for name in names.values()]
    (runs.parent / "runs/grid.runs.json").write_text(json.dumps(listed))
    return runs


def test_a_joint_grid_has_a_map_for_each_order_and_reasons_in_empty_fields(grid):
    assert report(grid) == 0
    good, poor = (f"{BLEU().corpus_score(texts, [REFERENCES]).score:.1f}" for texts in (GOOD, POOR))
    section = read(grid, "md").split("### Rank, order and m together")[1].split("###")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| see")]
    assert rows == [
        ["see, order 2", "2", poor, poor],
        ["see, order 2", "4", good, good],
        ["see, order 3", "2", poor, poor],
        ["see, order 3", "4", "failed", "not run"],
    ]
    maps = dict(
        re.findall(r"<figcaption>BLEU and parameters .*?: see, (order \d).*?(<svg.*?</svg>)", read(grid, "html"), re.S)
    )
    assert list(maps) == ["order 2", "order 3"] and not any("<image" in picture for picture in maps.values())
    words = [html.unescape(text).strip() for text in re.findall(r"<text[^>]*>(.*?)</text>", maps["order 3"], re.S)]
    # 42 units, m of three numbers for each, of both sides.
    assert Counter(words) >= Counter({poor: 2, "failed": 1, "not run": 1, "252": 1, "504": 1})
    page = Page()
    page.feed(read(grid, "html"))
    assert not page.open and max(Counter(page.ids).values()) == 1


def test_settings_varied_one_at_a_time_are_no_grid(runs):
    for rank, m in ((2, 2), (4, 1), (4, 2)):
        make_run(runs, f"see_{rank}_{m}", "see", hypotheses=GOOD, index=random_index(rank=rank), vectors=m, **PAPER)
    assert report(runs) == 0
    assert "together" not in read(runs, "md") and "BLEU and parameters" not in read(runs, "html")
