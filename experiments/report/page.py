"""The full report: ``report.html``, ``.md``, ``.tex`` and ``.csv``."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from experiments.report import plots, tables
from experiments.report.comparison import Entry, Section, make_sections, read_entries
from experiments.report.listing import make_frame
from experiments.report.scores import Texts, read_texts
from experiments.report.tables import Table
from fairseq_see.errors import SeeError
from fairseq_see.io import replace_file

# LaTeX's own characters.
LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
    | {character: f"\\{character}" for character in "&%$#_{}"}
)


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
    values = {
        "head": tables.describe_data(scored),
        "parts": [_make_part(section, missing, training_words) for section in make_sections(scored)],
        "last": [table for table in (tables.list_missing(missing), tables.list_provenance(scored)) if table],
    }
    texts = {
        "html": _read_template("html").render(values),
        "md": _read_template("md", escape_markdown).render(values, show=to_markdown),
        "tex": _read_template("tex", escape_latex).render(values, show=to_latex),
        "csv": make_frame(scored).to_csv(index=False),
    }
    for form, text in texts.items():
        with replace_file(out / f"report.{form}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [out / f"report.{form}" for form in texts]


def _make_part(section: Section, missing: Sequence[Entry], training_words: Path | None) -> dict[str, Any]:
    """A section as the templates show it; plots are titles and SVG."""
    is_bleu = section.metric == "bleu"
    texts: dict[str, dict[str, Texts]] = {}
    unread = []
    for run in section.runs.itertuples() if is_bleu else ():
        if run.setting in section.main.index:
            try:
                texts.setdefault(run.setting, {})[run.seed] = read_texts(Entry(run.folder, run.record), section.test)
            except SeeError as error:
                unread.append(str(error))
    if unread:
        runs = f"{len(unread)} run{'s' * (len(unread) > 1)}"
        section.problems.append(f"Neither bootstrap nor F1 by frequency of {runs}: {unread[0]}")
    shown = [
        tables.compare_sizes(section),
        tables.compare_with_paper(section, missing) if is_bleu else None,
        tables.bootstrap_pairs(section, texts),
        tables.compare_bands(section, texts, training_words),
        tables.list_sensitivity(section),
    ]
    curves = [("Training curves", plots.plot_curves(section))]
    pictures = [*curves, *plots.plot_lines(section), *plots.plot_grids(section)]
    title = f"{tables.label_metric(section.metric)} by the bytes of the whole model"
    return {
        "title": f"Test set {section.test}" + (f", references {section.digest}" if section.digest else ""),
        "first_plot": (title, plots.plot_sizes(section)),
        "tables": [table for table in shown if table],
        "plots": [(title, plot) for title, plot in pictures if plot],
        "problems": section.problems,
    }


def _read_template(form: str, escape: Callable[[str], str] | None = None) -> jinja2.Template:
    """A template in which everything is escaped that is not Markup: for HTML, or by ``escape``."""

    def finalize(value: Any) -> Any:
        return value if escape is None or isinstance(value, Markup) else escape(str(value))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=escape is None,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"report.{form}.j2")


def escape_markdown(text: str) -> str:
    """Text as Markdown shows it."""
    return re.sub(r"([\\|*_<>`])", r"\\\1", text)


def escape_latex(text: str) -> str:
    """Text as LaTeX sets it."""
    return text.translate(LATEX)


def to_markdown(table: Table) -> Markup:
    """The cells of a table."""
    frame = table.frame.map(escape_markdown).rename(columns=escape_markdown)
    return Markup(tables.format_table([*frame], frame.to_numpy(), table.words))


def to_latex(table: Table) -> Markup:
    """The cells of a table; where all are words, the last column has lines."""
    form = "l" * table.words + "r" * (len(table.frame.columns) - table.words)
    form = form if form.endswith("r") else form[:-1] + r"p{0.6\linewidth}"
    frame = table.frame.map(escape_latex).rename(columns=escape_latex)
    options = {"index": False, "escape": False, "longtable": True}
    return Markup(frame.to_latex(column_format=form, caption=table.title, **options))
