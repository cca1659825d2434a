"""The full report: ``report.html``, ``.md``, ``.tex`` and ``.csv``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from experiments.report import plots, tables
from experiments.report.comparison import Entry, Section, make_sections, read_entries
from experiments.report.listing import make_frame
from experiments.report.scores import Texts, read_texts
from experiments.report.tables import Table
from fairseq_see.errors import SeeError
from fairseq_see.io import replacing

# LaTeX's own characters.
LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


@dataclass
class Part:
    """A section as the page shows it; ``plots`` are titles and SVG."""

    title: str
    first_plot: tuple[str, str]
    tables: list[Table]
    plots: list[tuple[str, str]]
    problems: list[str]


def write_report(paths: Sequence[Path], out: Path, training_words: Path | None) -> list[Path]:
    """Read runs and write the report; return its files.

    Args:
        paths: folders with runs.
        out: where to.
        training_words: tokenised target side of the training text; None: where each run's record has it.

    Raises:
        SeeError: there is no run, none is scored, or a record is damaged.
    """
    entries = read_entries(paths)
    scored = [entry for entry in entries if entry.record.metrics]
    missing = [entry for entry in entries if not entry.record.metrics]
    if not scored:
        raise SeeError(f"none of the {len(entries)} runs in {', '.join(map(str, paths))} is scored")
    parts = [_make_part(section, missing, training_words) for section in make_sections(scored)]
    head = [("Data", tables.describe_data(scored)), ("Scale", tables.describe_scale(scored))]
    last = [table for table in (tables.list_missing(missing), tables.list_provenance(scored)) if table]
    forms = {
        "html": _environment().get_template("report.html.j2").render(head=head, parts=parts, last=last),
        "md": _to_markdown(head, parts, last),
        "tex": _to_latex(head, parts, last),
        "csv": make_frame(scored).to_csv(index=False),
    }
    for form, text in forms.items():
        with replacing(out / f"report.{form}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [out / f"report.{form}" for form in forms]


def _make_part(section: Section, missing: Sequence[Entry], training_words: Path | None) -> Part:
    is_bleu = section.metric == "bleu"
    texts: dict[str, dict[str, Texts]] = {}
    for setting in section.main if is_bleu else ():
        found = texts.setdefault(setting.name, {})
        for entry in setting.entries:
            try:
                found[str(entry.record.config.get("seed"))] = read_texts(entry, section.test)
            except SeeError as error:
                section.problems.append(f"Neither bootstrap nor F1 by frequency: {error}")
    shown = [
        tables.compare_sizes(section),
        tables.compare_with_paper(section, missing) if is_bleu else None,
        tables.bootstrap_pairs(section, texts),
        tables.compare_bands(section, texts, training_words),
        tables.list_sensitivity(section),
    ]
    label = tables.label_metric(section.metric)
    pictures = [
        ("Training curves", plots.plot_curves(section)),
        *plots.plot_lines(section),
        *plots.plot_grids(section),
    ]
    return Part(
        f"Test set {section.test}" + (f", references {section.digest}" if section.digest else ""),
        (f"{label} by the bytes of the whole model", plots.plot_sizes(section)),
        [table for table in shown if table],
        [(title, plot) for title, plot in pictures if plot],
        section.problems,
    )


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _to_markdown(head: Sequence[tuple[str, str]], parts: Sequence[Part], last: Sequence[Table]) -> str:
    def escape(text: str) -> str:
        return re.sub(r"([\\|*_<>`])", r"\\\1", text)

    def show(table: Table) -> str:
        align = ["left" if column < table.words else "right" for column in range(len(table.frame.columns))]
        frame = table.frame.map(escape)
        cells = frame.to_markdown(
            index=False, headers=[*map(escape, frame.columns)], tablefmt="pipe", colalign=align, disable_numparse=True
        )
        return "\n\n".join([f"### {table.title}", cells, *map(escape, table.notes)])

    blocks = ["# Compressed embeddings", "\n".join(f"- {name}: {escape(value)}" for name, value in head)]
    for part in parts:
        blocks += [f"## {escape(part.title)}", *(f"> {escape(problem)}" for problem in part.problems)]
        blocks += map(show, part.tables)
    return "\n\n".join([*blocks, "## Runs", *map(show, last)]) + "\n"


def _to_latex(head: Sequence[tuple[str, str]], parts: Sequence[Part], last: Sequence[Table]) -> str:
    def escape(text: str) -> str:
        return "".join(LATEX.get(character, character) for character in text)

    def show(table: Table) -> str:
        words = "l" * table.words
        if table.words == len(table.frame.columns):
            words = "l" * (table.words - 1) + r"p{0.6\linewidth}"
        form = words + "r" * (len(table.frame.columns) - table.words)
        frame = table.frame.map(escape).rename(columns=escape)
        cells = frame.to_latex(index=False, escape=False, longtable=True, column_format=form, caption=table.title)
        return "\n".join([r"{\footnotesize", cells, *(f"\\noindent {escape(note)}\\par" for note in table.notes), "}"])

    blocks = [
        r"\documentclass[a4paper,10pt]{article}",
        r"\usepackage[a4paper,landscape,margin=15mm]{geometry}",
        *(rf"\usepackage{{{name}}}" for name in ("booktabs", "longtable", "caption")),
        r"\usepackage[T1]{fontenc}",
        r"\begin{document}",
        *(f"{name}: {escape(value)}\\par" for name, value in head),
    ]
    for part in parts:
        blocks += [rf"\section*{{{escape(part.title)}}}"]
        blocks += [f"{escape(problem)}\\par" for problem in part.problems]
        blocks += map(show, part.tables)
    return "\n".join([*blocks, r"\section*{Runs}", *map(show, last), r"\end{document}"]) + "\n"
