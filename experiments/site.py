"""Hooks of mkdocs.yml: reference pages made from the code, tables and charts made from measurements.

A fenced block ``results`` is YAML and becomes a chart and a table of ``experiments/results.csv``; a block ``csv`` names
a file of measurements beside the page. Several seeds are shown as mean and standard deviation.
"""

import argparse
import csv
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from inspect import getdoc
from itertools import product
from pathlib import Path
from typing import Any

import pandas
import yaml

from experiments.__main__ import COMMANDS
from experiments.figures import plot_bars
from experiments.report.comparison import format_scores
from experiments.report.tables import format_table
from experiments.results import RESULTS, read_results
from fairseq_see.cli.main import list_subcommands
from fairseq_see.errors import SeeError

ROOT = Path(__file__).resolve().parents[1]

# What a table can show of a run: column of results.csv, unit, and how values of several seeds are shown.
VALUES: dict[str, tuple[str, float, Callable[[pandas.Series], str]]] = {
    "BLEU": ("short.bleu", 1, format_scores),
    "chrF": ("short.chrf", 1, format_scores),
    "perplexity": ("dev_perplexity", 1, format_scores),
    "MB": ("model_bytes", 1e6, lambda sizes: f"{sizes.mean():,.1f}"),
    "parameters": ("embedding_parameters", 1, lambda sizes: f"{sizes.mean():,.0f}"),
}


def render_results(text: str, results: pandas.DataFrame) -> str:
    """The chart, if one is asked for, and the table that a ``results`` block describes.

    Args:
        text: YAML: ``where``, values that all rows of results.csv have; ``rows`` and ``columns``, by label such values,
            or a list of them; a column may be a name of VALUES; ``show``, what the other cells hold; ``chart``, the
            title of a chart, and ``bars``, the columns that are drawn in it.
        results: the rows of results.csv.

    Raises:
        SeeError: a row of the table finds no run.
    """
    block = yaml.safe_load(text)
    table, drawn = [], {str(column): dict[str, list[float]]() for column in block.get("bars", ())}
    for label, filters in block["rows"].items():
        line = [str(label)]
        for name, column in block["columns"].items():
            named = isinstance(column, str)
            found = select_rows(results, block.get("where", {}), filters, {} if named else column)
            parts = (column if named else block.get("show", "BLEU / perplexity")).split(" / ")
            values = [pandas.to_numeric(found[VALUES[part][0]]).dropna() / VALUES[part][1] for part in parts]
            line.append(
                " / ".join(VALUES[part][2](each) for part, each in zip(parts, values, strict=True) if len(each))
            )
            if str(name) in drawn and len(values[0]):
                drawn[str(name)][str(label)] = [*values[0]]
        if not any(line[1:]):
            raise SeeError(f"no run in {RESULTS.name} for the row {label!r} of a table")
        table.append(line)
    chart = [plot_bars(block["chart"], drawn)] if "chart" in block else []
    return "\n\n".join([*chart, format_table([block.get("corner", ""), *map(str, block["columns"])], table)])


def select_rows(results: pandas.DataFrame, where: Mapping[str, Any], *filters: Any) -> pandas.DataFrame:
    """The rows that have the values of each filter; those of ``where`` hold where no filter names the column.

    Args:
        results: of ``read_results``.
        where: values by column; None is an empty cell.
        filters: values by column, or a list of such mappings, of which one has to be met.
    """
    chosen = pandas.Series(False, results.index)
    for choice in product(*(each if isinstance(each, list) else [each] for each in filters)):
        wanted = dict(where)
        for each in choice:
            wanted |= each
        if all(wanted[name] == value for each in choice for name, value in each.items()):
            texts = ["" if value is None else str(value) for value in wanted.values()]
            chosen |= (results[[*wanted]] == texts).all(axis=1)
    return results[chosen]


def render_csv(text: str, folder: Path) -> str:
    """The table of a file of measurements beside the page, its lines that begin with # below, bars of a column above.

    Args:
        text: the file's name; if there is a second line, the column that is drawn.
        folder: of the page.
    """
    name, *column = text.split("\n", 1)
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    header, *table = csv.reader(line for line in lines if not line.startswith("#"))
    note = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    parts = [format_table(header, table), f"<small>{note} [CSV]({name})</small>"]
    if drawn := "".join(column).strip():
        lengths = {line[0]: float(line[header.index(drawn)].split()[0].replace(",", "")) for line in table}
        parts.insert(0, plot_bars(drawn, {drawn: {label: [value] for label, value in lengths.items()}}))
    return "\n\n".join(parts)


def describe_command(program: str, name: str, path: str) -> str:
    """The section of a command: its help, and a row for each of its options and those of its subcommands."""
    module = import_module(path)
    parser = argparse.ArgumentParser(prog=f"{program} {name}", add_help=False)
    module.add_arguments(parser)
    title = module.HELP[0].upper() + module.HELP[1:]
    parts = [f"## {program} {name}", f"{_escape(title)}.", _describe_options(parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                parts += [f"### {command.prog}", command.description or "", _describe_options(command)]
    return "\n\n".join(filter(None, parts))


def _describe_options(parser: argparse.ArgumentParser) -> str:
    help = parser._get_formatter()
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
            continue
        value = help._format_args(action, help._get_default_metavar_for_optional(action))
        named = f"{max(action.option_strings, key=len, default='')} {value}".strip()
        rows.append([f"`{named}`".replace("|", "\\|"), _escape(help._expand_help(action) if action.help else "")])
    return format_table(("option", "meaning"), rows, words=2) if rows else ""


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def describe_dataclass(options: type) -> str:
    """A row for each option that a dataclass adds to fairseq-train."""
    rows = []
    for each in fields(options):
        help = each.metadata.get("help", "")
        if help and each.name != "see_resolved":
            given = "" if each.default in (None, MISSING) or "default" in help else f" (default: {each.default})"
            rows.append([f"`--{each.name.replace('_', '-')}`", _escape(help + given)])
    return format_table(("option", "meaning"), rows, words=2)


def make_command_page() -> str:
    """Options of fairseq-see, fairseq-train and python -m experiments, from their parsers."""
    from fairseq_see.criterions.see_distillation import DistillationConfig
    from fairseq_see.models.options import EmbeddingOptions

    library = [describe_command("fairseq-see", name, path) for name, path in list_subcommands().items()]
    laboratory = [describe_command("python -m experiments", name, path) for name, path in COMMANDS.items()]
    training = (
        "## fairseq-train\n\nWith `--user-dir fairseq_see`, every `see_...` architecture has these options, in a YAML "
        f"under `model` with underscores.\n\n{describe_dataclass(EmbeddingOptions)}\n\n"
        "`--criterion see_distillation` has these (in a YAML under `criterion`):\n\n"
        + describe_dataclass(DistillationConfig)
    )
    return "\n\n".join(("# Commands", *library, training, *laboratory))


def make_script_page() -> str:
    """The scripts' own help: the comment that each begins with."""
    parts = ["# Scripts", "Each prints this with `--help`."]
    for path in sorted((ROOT / "scripts").glob("*.sh")):
        comment = re.match(r"#!.*\n((?:#.*\n)+)", path.read_text(encoding="utf-8"))
        if comment and path.stem != "common":
            text = re.sub(r"^# ?", "", comment[1], flags=re.M)
            parts.append(f"## {path.name}\n\n```text\n{text.strip()}\n```")
    return "\n\n".join(parts)


def make_method_page() -> str:
    """Formula, source and hyper-parameters of every method, from its module and its config."""
    from fairseq_see.embeddings import REGISTRY
    from fairseq_see.embeddings.config import describe_options

    parts = [
        "# Methods and hyper-parameters",
        "`--see-args name=value,...` of fairseq-train, `fairseq-see plan` and `fit`; a mapping in YAML; keyword "
        "arguments in Python.",
    ]
    modules: dict[str, list[str]] = {}
    for method in sorted(REGISTRY):
        modules.setdefault(REGISTRY[method].__module__, []).append(method)
    for name, methods in modules.items():
        parts.append(f"## {', '.join(methods)}\n\n{getdoc(import_module(name))}")
        for method in methods:
            options = describe_options(REGISTRY[method].Config)
            rows = [[f"`{field}`", f"`{kind}`", default, _escape(help)] for field, kind, default, help in options]
            table = format_table((f"`{method}`", "type", "default", "meaning"), rows, words=4)
            parts.append(table if rows else f"`{method}` has no hyper-parameters.")
    return "\n\n".join(parts)


GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": make_command_page,
    "reference/scripts.md": make_script_page,
    "reference/methods.md": make_method_page,
    # The site's links are relative to docs/.
    "contributing.md": lambda: (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("](docs/", "]("),
    "changelog.md": lambda: (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "]("),
}


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for path, make in GENERATED.items():
        files.append(File.generated(config, path, content=make()))
    # Importing fairseq makes every logger write to the terminal.
    logging.getLogger().setLevel(logging.WARNING)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace the blocks of a page."""
    results = read_results(RESULTS)
    folder = (Path(config["docs_dir"]) / page.file.src_path).parent

    def render(block: re.Match[str]) -> str:
        return render_results(block[2], results) if block[1] == "results" else render_csv(block[2], folder)

    return re.sub(r"^```(results|csv)\n(.*?)^```$", render, markdown, flags=re.M | re.S)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Show Sphinx's roles in docstrings as plain code."""
    return re.sub(r":(?:class|func|meth):<code>~?(?:[\w.]*\.)?(\w+)</code>", r"<code>\1</code>", html)
