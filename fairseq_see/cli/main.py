"""Entry point of ``fairseq-see``."""

import argparse
import io
import logging
import os
import pkgutil
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

import fairseq_see.cli
from fairseq_see.errors import SeeError


def list_subcommands() -> dict[str, str]:
    """The subcommands and their modules, which stand beside this one."""
    names = sorted(module.name for module in pkgutil.iter_modules(fairseq_see.cli.__path__) if module.name != "main")
    return {name.replace("_", "-"): f"fairseq_see.cli.{name}" for name in names}


class ImportUserDir(argparse.Action):
    """``--user-dir FOLDER``: import a package of a user's own, as fairseq's option of this name does."""

    def __call__(self, parser: argparse.ArgumentParser, args: argparse.Namespace, value: Any, *unused: Any) -> None:
        """Import it."""
        from fairseq_see.embeddings import import_user_dir

        try:
            import_user_dir(value)
        except SeeError as error:
            parser.error(str(error))


def print_table(title: str, columns: Mapping[str, Any], rows: Iterable[Sequence[str]], width: int = 120) -> None:
    """Print rows of text below columns and their justification, so wide where no terminal has a width of its own."""
    table = Table(title=title)
    for name, justify in columns.items():
        table.add_column(name, justify=justify)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else width).print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; bad input ends in one line on stderr and status 2."""
    return run_command("fairseq-see", "Compressed embeddings for translation models.", list_subcommands(), argv)


def run_command(prog: str, description: str, modules: Mapping[str, str], argv: Sequence[str] | None) -> int:
    """Parse a command line (None: the process's) and run the module of its subcommand.

    ``modules`` are by subcommand; each has ``HELP``, ``add_arguments`` and ``run``.
    """
    parser = argparse.ArgumentParser(prog=prog, description=description)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, path in modules.items():
        module = import_module(path)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    # Importing fairseq makes every logger write to the terminal, advice for other tasks than ours included.
    for name in ("fairseq", "fairseq_cli", "fairseq_see", "sacrebleu", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of codes that are random, which is so until a command here has fitted them.
    logging.getLogger("fairseq_see.models.builder").setLevel(logging.ERROR)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where a terminal cannot show a character it shows another.
        sys.stdout.reconfigure(errors="replace")
    try:
        status = args.run(args) or 0
        sys.stdout.flush()
        return status
    except SeeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone. Python would complain at exit; the status is that of other programs, which
        # SIGPIPE ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
