"""``fairseq-see inspect``: the units of words, and why these."""

import argparse
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairseq_see.errors import SeeError
from fairseq_see.units import Senses, UnitIndex, Vocabulary
from fairseq_see.units.inspection import describe_provenance, find_symbols
from fairseq_see.units.languages import find_languages, parse_languages
from fairseq_see.units.senses import Sense, check_order_and_rank, select
from fairseq_see.units.words import find_senses

HELP = "show the senses, sememes and morphemes of words, and why these"

_FOUND = {"case": "in lower case as", "lemma": "by its lemma"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add = parser.add_argument
    add("words", metavar="WORD", nargs="+")
    add("--senses", metavar="TSV", type=Path, required=True, help="language, word, sense number, sememes")
    languages = "language, or several, of which each word's script shows one (default: %(default)s)"
    add("--lang", metavar="CODE[,CODE]", default="zh,en", help=languages)
    add("--order", type=int, help="units in a group (default: the index's, or 3)")
    add("--rank", type=int, help="groups in a word (default: the index's, or 5)")
    add("--index", metavar="FILE", type=Path, help="unit index: shows what it holds; needs --dict")
    add("--dict", metavar="DICT", type=Path, help="the fairseq dictionary of the index")


def run(args: argparse.Namespace) -> None:
    """Print a table of senses for each word, and its symbols in the index."""
    if bool(args.index) != bool(args.dict):
        raise SeeError("--index and --dict belong together: give both or neither")
    index, vocabulary = None, None
    if args.index:
        index, vocabulary = UnitIndex.load(args.index), Vocabulary.load(args.dict)
        index.check_dictionary(vocabulary)
        for name in ("order", "rank"):
            asked, indexed = getattr(args, name), getattr(index, name)
            if asked not in (None, indexed):
                raise SeeError(f"the index has {name} {indexed}, not {asked}; leave out --{name}")
            setattr(args, name, indexed)
    order, rank = (default if value is None else value for value, default in ((args.order, 3), (args.rank, 5)))
    check_order_and_rank(order, rank)
    senses = Senses.load(args.senses)
    # A pipe has no width of its own, and the tables are wider than the usual 80 columns.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    if index:
        console.print(Text(f"index: {describe_provenance(index)}\n"))
    for number, word in enumerate(args.words):
        if number:
            console.print()
        surface = (vocabulary.split(word)[0] if vocabulary else word) or word
        expected = _print_senses(console, surface, senses, order, rank, args.lang)
        if index and vocabulary:
            symbols = find_symbols(surface, vocabulary, index)
            if not symbols:
                console.print(Text("not in the dictionary; it is made of the dictionary's subwords, or it is <unk>"))
            for symbol in symbols:
                console.print(Text(f"symbol {symbol.id}  {symbol.symbol}", style="bold"))
                console.print(Text(f"  morphemes  {' + '.join(symbol.morphemes)}"))
                found = _compare(symbol.senses, expected, index.provenance.get("control"))
                console.print(Text(f"  senses     {found}"))
        else:
            console.print("morphemes  are in the unit index of a dictionary: give --index and --dict")


def _print_senses(console: Console, word: str, senses: Senses, order: int, rank: int, languages: str) -> list[Sense]:
    """Look a word up in the language that its script shows; returns the senses that an index keeps."""
    codes = [found.code for found in find_languages(word, parse_languages(languages))]
    code, match = find_senses(word, senses, codes)
    selected = select(match.senses, order, rank)
    found = f"found {_FOUND[match.how]} {match.form}, " if match.how in _FOUND else ""
    count = f"{len(selected)} {'sense' if len(selected) == 1 else 'senses'}" if selected else "no senses"
    console.print(Text.assemble((word, "bold"), f" ({code}): {found}{count}"))
    table = Table("sense", "sememes", "truncated", "kept", box=box.SIMPLE, pad_edge=False)
    table.columns[0].justify = "right"
    for number, sense in enumerate(selected, 1):
        kept = "yes" if sense.kept else f"no: rank {rank} has room for {rank - 1}"
        kept = f"no: repeats sense {sense.duplicate_of}" if sense.duplicate_of else kept
        cells = str(number), " ".join(sense.sememes), " ".join(sense.truncated), kept
        table.add_row(*map(Text, cells), style="" if sense.kept else "dim")
    if selected:
        console.print(table)
    return [sense.sememes for sense in selected if sense.kept]


def _compare(senses: list[Sense], expected: list[Sense], control: str | int | None) -> str:
    if senses == expected:
        return f"the {len(senses)} kept above" if senses else "none"
    found = "; ".join(map(" ".join, senses))
    if control in ("random-senses", "no-senses", "no-lemmas"):
        return f"by the control {control}: {found or 'none'}"
    if not senses:
        return "none: a marked subword has none unless asked for; or another senses file or --lang built the index"
    return f"built with another senses file or --lang: {found}"
