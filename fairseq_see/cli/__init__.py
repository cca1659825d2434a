"""``fairseq-see``: one command, one file of this folder for each of its subcommands.

A subcommand is a module with ``HELP`` (one line), ``add_arguments(parser)`` and ``run(args) -> int | None``. Its name
is the file's name; being in this folder registers it.
"""
