"""Entry point of ``python -m experiments``: the laboratory's commands, as ``fairseq-see`` has the library's."""

import sys
from collections.abc import Sequence

from fairseq_see.cli.main import run_command

COMMANDS = {
    "clean": "experiments.corpus.clean",
    "curves": "experiments.curves",
    "distil_llm": "experiments.llm.distil_llm",
    "lexicon": "experiments.lexicons.cli",
    "morphology": "experiments.lexicons.morphology",
    "progress": "experiments.progress",
    "report": "experiments.report.cli",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of the laboratory; bad input ends in one line on stderr and status 2."""
    return run_command("python -m experiments", "Corpora, lexicons, tables and reports.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
