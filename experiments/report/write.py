"""The full report: ``report.html``, ``.md``, ``.tex`` and ``.csv``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.report import grid, header, plots, tables
from experiments.report.compare import Section, sections
from experiments.report.folders import read_folders
from experiments.report.missing import Missing, Planner
from experiments.report.overview import overview
from experiments.report.tables import Table
from fairseq_see.io import replacing

# LaTeX's own characters, and those of ours that its plain fonts have under another name.
LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
}


@dataclass
class Part:
    """What the templates show of a section."""

    title: str
    tables: list[Table]
    plots: list[tuple[str, str]]
    problems: list[str]


def write(paths: Sequence[Path], out: Path, data: Path | None) -> list[Path]:
    """Read runs and write the report; return its files.

    Args:
        paths: folders of runs, or folders of such folders.
        out: where to.
        data: a folder of scripts/prepare.sh with references and training text; None: where each run was trained.

    Raises:
        SeeError: no run is scored, or a file is damaged.
    """
    scored, missing = read_folders(paths)
    planner = Planner(scored)
    found = sections(scored, data)
    parts = [_part(section, missing, planner, data, number) for number, section in enumerate(found)]
    values: dict[str, Any] = {"header": header.lines(scored), "parts": parts}
    written = {"csv": _csv(found)}
    for form, template in (("md", "report.md.j2"), ("tex", "report.tex.j2"), ("html", "report.html.j2")):
        written[form] = _environment(form).get_template(template).render(values)
    for form, text in written.items():
        with replacing(out / f"report.{form}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [out / f"report.{form}" for form in written]


def _part(section: Section, missing: Sequence[Missing], planner: Planner, data: Path | None, number: int) -> Part:
    first, gone = overview(section, missing, planner)
    lines = tables.knob_lines(section)
    joint = grid.grids(section, missing)
    why = tables.reasons(dict.fromkeys([*missing, *gone]))
    bands = tables.frequency(section, data)
    tests = tables.tests(section)
    shown = [
        first,
        tables.costs(section),
        tables.whole_models(section),
        tests if tests.rows else None,
        bands,
        tables.sensitivity(section, lines),
        grid.table(joint),
        why,
    ]
    ids = iter(range(100 * number, 100 * number + 100))
    pictures = [
        ("BLEU against the bytes of the whole model", plots.size(section, next(ids))),
        (_curves_title(section), plots.curves(section, next(ids))),
        *((f"BLEU by {name}", plots.knob(section, name, by, next(ids))) for name, by in lines.items()),
        *_heat_maps(joint, ids),
    ]
    digest = f"references {section.digest}" if section.digest else "references not found"
    return Part(
        f"Test set: {section.test} ({digest})",
        [table for table in shown if table],
        [(title, picture) for title, picture in pictures if picture],
        section.problems,
    )


def _curves_title(section: Section) -> str:
    several = len({cell.data for cell in section.cells}) > 1
    return "Training curves" + (" (of models with other pieces not to be compared)" if several else "")


def _heat_maps(joint: Sequence[grid.Grid], ids: Iterator[int]) -> Iterator[tuple[str, str]]:
    """A map of each grid with scores, all in one scale of colours."""
    means = [spread.mean for each in joint for cell in each.cells if (spread := cell.spread())]
    for each in joint:
        if each.cells:
            title = f"BLEU and parameters by rank and m: {each.method}, order {each.order:g}"
            yield title, plots.heat_map(each, min(means), max(means), next(ids))


def _csv(found: Sequence[Section]) -> str:
    """A row for each scored run, all its numbers as they are."""
    buffer = io.StringIO()
    names = ["test", "references", "cell", "method", "column", "ratio", "run", "seed", "updates", "parameters", "bytes"]
    names += ["dense_parameters", "dense_bytes", "model_bytes", "made", "rank", "order", "m", "head"]
    names += ["bleu", "chrf", "tokenised_bleu"]
    writer = csv.DictWriter(buffer, [*names, "signature"], lineterminator="\n")
    writer.writeheader()
    for section in found:
        for cell in section.cells:
            for result in cell.results:
                row = result.as_dict() | result.knobs | {"ratio": f"{result.ratio:.4f}", "references": section.digest}
                row |= {"cell": cell.name, "column": cell.column}
                writer.writerow({name: row.get(name) for name in writer.fieldnames})
    return buffer.getvalue()


def _environment(form: str) -> Any:
    """Jinja2 for one form; whatever is shown is escaped as the form needs it."""
    import jinja2

    loader = jinja2.PackageLoader("experiments.report")
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "undefined": jinja2.StrictUndefined}
    if form == "html":
        return jinja2.Environment(loader=loader, autoescape=True, keep_trailing_newline=True, **options)
    if form == "tex":
        # Braces and percent signs are LaTeX's.
        options |= {"variable_start_string": "<<", "variable_end_string": ">>"}
        options |= {"block_start_string": "<%", "block_end_string": "%>"}
        options |= {"comment_start_string": "<#", "comment_end_string": "#>"}
    return jinja2.Environment(
        loader=loader,
        autoescape=False,
        keep_trailing_newline=True,
        finalize=_latex if form == "tex" else _markdown,
        **options,
    )


def _latex(value: Any) -> Any:
    return "".join(LATEX.get(character, character) for character in value) if isinstance(value, str) else value


def _markdown(value: Any) -> Any:
    return re.sub(r"([\\|*_<>`])", r"\\\1", value) if isinstance(value, str) else value
