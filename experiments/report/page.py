"""The full report: ``report.html``, ``.md``, ``.tex`` and ``.csv``."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pandas
from markupsafe import Markup, escape

from experiments.report import plots, tables
from experiments.report.comparison import Section, make_sections
from experiments.report.tables import Table, format_table, make_table
from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file

# LaTeX's own characters.
LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
    | {character: f"\\{character}" for character in "&%$#_{}"}
)


def write_report(runs: pandas.DataFrame, out: Path, training_words: Path | None) -> list[Path]:
    """Write the report and return its files.

    Args:
        runs: of ``comparison.read_runs``.
        out: where to.
        training_words: tokenised target side of the training text; None: where each run's record has it.

    Raises:
        SeeError: no run is scored.
    """
    scored, missing = runs[runs.test != ""], runs[runs.test == ""].replace({"state": {"trained": "not scored"}})
    if scored.empty:
        raise SeeError(f"none of the {len(runs)} runs is scored")
    head, provenance = tables.describe_runs(scored.drop_duplicates("folder"))
    values = {
        "head": head,
        "parts": [_make_part(section, missing, training_words) for section in make_sections(scored)],
        "last": [make_table("Runs without scores", missing), provenance],
    }
    texts = {
        "html": _render("html", escape, values),
        "md": _render("md", escape_markdown, values | {"show": to_markdown}),
        "tex": _render("tex", escape_latex, values | {"show": to_latex}),
        "csv": tables.select_columns(scored).to_csv(index=False),
    }
    for form, text in texts.items():
        with replace_file(out / f"report.{form}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [out / f"report.{form}" for form in texts]


def _make_part(section: Section, missing: pandas.DataFrame, training_words: Path | None) -> dict[str, Any]:
    """A section as the templates show it; plots are titles and SVG."""
    translations = tables.read_translations(section)
    lines = section.settings[section.settings.line]
    shown = [
        tables.compare_sizes(section),
        tables.compare_with_paper(section, missing),
        tables.bootstrap_pairs(section, translations),
        tables.compare_bands(section, translations, training_words),
        make_table("Rank, order and vectors of each unit", lines, section.metric),
    ]
    return {"section": section, "tables": [*filter(None, shown)], "plots": [*plots.plot_section(section)]}


def _render(form: str, escape_text: Callable[[str], str], values: dict[str, Any]) -> str:
    """A template with its values, of which everything is escaped that is not Markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        finalize=lambda value: value if isinstance(value, Markup) else escape_text(str(value)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"report.{form}.j2").render(values)


def escape_markdown(text: str) -> str:
    """Text as Markdown shows it."""
    return re.sub(r"([\\|*_<>`])", r"\\\1", text)


def escape_latex(text: str) -> str:
    """Text as LaTeX sets it."""
    return text.translate(LATEX)


def to_markdown(table: Table) -> Markup:
    """The cells of a table."""
    frame = table.frame.map(escape_markdown).rename(columns=escape_markdown)
    return Markup(format_table([*frame], frame.to_numpy(), table.words))


def to_latex(table: Table) -> Markup:
    """The cells of a table; where all are words, the last column has lines."""
    form = "l" * table.words + "r" * (len(table.frame.columns) - table.words)
    form = form if form.endswith("r") else form[:-1] + r"p{0.6\linewidth}"
    frame = table.frame.map(escape_latex).rename(columns=escape_latex)
    return Markup(frame.to_latex(index=False, escape=False, longtable=True, column_format=form, caption=table.title))
