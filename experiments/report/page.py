"""The full report: ``report.html``, ``.md``, ``.tex`` and ``.csv``."""

from pathlib import Path
from typing import Any

import jinja2
import pandas
from markupsafe import Markup, escape

from experiments.report import plots, tables
from experiments.report.comparison import make_sections
from experiments.report.tables import Table, format_table, make_table
from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file

# How each form writes its own characters.
MARKDOWN = str.maketrans({character: f"\\{character}" for character in r"\|*_<>`"})
LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
    | {character: f"\\{character}" for character in "&%$#_{}"}
)
ESCAPES = {"html": escape, "md": lambda text: text.translate(MARKDOWN), "tex": lambda text: text.translate(LATEX)}


def write_report(runs: pandas.DataFrame, out: Path, training_words: Path | None) -> list[Path]:
    """Write the report and return its files.

    Args:
        runs: of ``results.read_runs``.
        out: where to.
        training_words: tokenised target side of the training text; None: where each run's record has it.

    Raises:
        SeeError: no run is scored.
    """
    scored, missing = runs[runs.test != ""], runs[runs.test == ""].replace({"state": {"trained": "not scored"}})
    if scored.empty:
        raise SeeError(f"none of the {len(runs)} runs is scored")
    parts = []
    for section in make_sections(scored):
        translations = tables.read_translations(section)
        shown = _leave_out_empty(
            tables.compare_sizes(section),
            tables.compare_with_paper(section, missing),
            tables.bootstrap_pairs(section, translations),
            tables.compare_bands(section, translations, training_words),
            make_table("Rank, order and vectors of each unit", section.settings[section.settings.line], section.metric),
        )
        parts.append({"section": section, "tables": shown, "plots": [*plots.plot_section(section)]})
    head, provenance = tables.describe_runs(scored)
    last = _leave_out_empty(make_table("Runs without scores", missing), provenance)
    values = {"head": head, "parts": parts, "last": last}
    texts = {form: _render(form, values) for form in ESCAPES}
    texts["csv"] = tables.select_columns(scored).to_csv(index=False)
    for form, text in texts.items():
        with replace_file(out / f"report.{form}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [out / f"report.{form}" for form in texts]


def _leave_out_empty(*shown: Table | None) -> list[Table]:
    return [table for table in shown if table and len(table.frame)]


def _render(form: str, values: dict[str, Any]) -> str:
    """A template with its values, of which everything is escaped that is not Markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        finalize=lambda value: value if isinstance(value, Markup) else ESCAPES[form](str(value)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": to_markdown, "latex": to_latex}
    return environment.get_template(f"report.{form}.j2").render(values)


def to_markdown(table: Table) -> Markup:
    """The cells of a table."""
    frame = table.frame.map(ESCAPES["md"]).rename(columns=ESCAPES["md"])
    return Markup(format_table([*frame], frame.to_numpy(), table.words))


def to_latex(table: Table) -> Markup:
    """The cells of a table; where all are words, the last column has lines."""
    form = "l" * table.words + "r" * (len(table.frame.columns) - table.words)
    form = form if form.endswith("r") else form[:-1] + r"p{0.6\linewidth}"
    frame = table.frame.map(ESCAPES["tex"]).rename(columns=ESCAPES["tex"])
    return Markup(frame.to_latex(index=False, escape=False, longtable=True, column_format=form, caption=table.title))
