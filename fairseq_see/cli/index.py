"""``fairseq-see index``: the unit index of a fairseq dictionary."""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs, read_lines, replacing
from fairseq_see.units import Senses, Vocabulary, build_index, openhownet
from fairseq_see.units.controls import CONTROLS, check_control
from fairseq_see.units.inspection import made_from
from fairseq_see.units.languages import LANGUAGES, language_in_name
from fairseq_see.units.morphology import DEFAULT_SEGMENTERS, SEGMENTERS
from fairseq_see.units.segmenters import segmenters_for
from fairseq_see.units.selection import check_order_and_rank

HELP = "build the unit index (senses and morphemes) of a fairseq dictionary"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "dictionary", metavar="DICT", type=Path, help="fairseq dictionary, such as data-bin/dict.zh.txt"
    )
    senses = parser.add_mutually_exclusive_group(required=True)
    senses.add_argument(
        "--hownet",
        metavar="TSV",
        type=Path,
        help="language, word, sense number, sememes; HowNet's, or others that python -m experiments lexicon makes",
    )
    senses.add_argument(
        "--openhownet",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        const=openhownet.default_folder(),
        help="HowNet's own files, read by the package OpenHowNet (they are pickles, which can run code: use only those "
        "you trust); default FOLDER: ~/.openhownet. What was read is kept beside the index as a TSV",
    )
    parser.add_argument("--download", action="store_true", help="with --openhownet: fetch HowNet, if FOLDER has none")
    parser.add_argument("--lang", choices=[*LANGUAGES, "joined"], help="default: from the name dict.LANG.txt")
    parser.add_argument("--order", type=int, default=3, help="units in a group (default: 3)")
    parser.add_argument(
        "--rank", type=int, default=5, help="groups in a word: RANK-1 senses and its morphemes (default: 5)"
    )
    parser.add_argument(
        "--morphology",
        metavar="NAME",
        type=_names,
        default="auto",
        help=f"how words are cut: {', '.join(SEGMENTERS)}, or LANG=NAME,... (default: auto, characters for Chinese and "
        "morfessor for English); polyglot needs a model, which python -m experiments morphology trains",
    )
    parser.add_argument(
        "--corpus",
        metavar="FILE",
        type=Path,
        help="tokenized text, before BPE, whose words Morfessor learns from (default: the dictionary's unmarked words)",
    )
    parser.add_argument(
        "--piece-senses",
        action="store_true",
        help="give pieces of words (power@@; of sentencepiece all without ▁) the senses of the word they spell",
    )
    parser.add_argument("--max-morphemes", metavar="N", type=int, help="the rarest beyond N share hashed units")
    parser.add_argument(
        "--control",
        choices=CONTROLS,
        help="take something away from the index, to compare the real one with it (docs/controls.md)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of a control that is random (default: 1)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: DICT with .see for .txt")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the coverage there as JSON")


def run(args: argparse.Namespace) -> None:
    """Build the index, save it, print what it covers."""
    check_order_and_rank(args.order, args.rank)
    check_control(args.control, args.seed)
    output = args.output or Path(str(args.dictionary).removesuffix(".txt") + ".see")
    table, sources = _lexicon(args, output.parent)
    check_outputs({"--output": output, "--json": args.json}, (args.dictionary, table, *sources, args.corpus))
    language = args.lang or language_in_name(args.dictionary)
    vocabulary = Vocabulary.load(args.dictionary)
    if args.openhownet:
        _read_hownet(args.openhownet, table)
    senses = Senses.load(table)
    # Opened before the work begins: a folder that cannot be written to is known at once, not after a minute's training.
    with ExitStack() as files:
        index_file = files.enter_context(replacing(output))
        json_file = files.enter_context(replacing(args.json)) if args.json else None
        index, coverage = build_index(
            vocabulary,
            senses,
            segmenters_for(vocabulary, language, args.morphology, _corpus_words(args.corpus), _report),
            order=args.order,
            rank=args.rank,
            language=language,
            piece_senses=args.piece_senses,
            max_morphemes=args.max_morphemes,
            control=args.control,
            seed=args.seed,
            progress=_report,
        )
        index.save(index_file)
        if json_file:
            content = coverage.as_dict() | {"provenance": dict(index.provenance)}
            json_file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        size = index_file.stat().st_size
    print(f"{made_from(index)}\n\n{coverage.render()}")
    print(f"\nwrote {output}: {size:,} bytes, of which {len(index.packed()):,} are the packed arrays")


def _lexicon(args: argparse.Namespace, folder: Path) -> tuple[Path, list[Path]]:
    """The table of senses, and the files it is made of; those of HowNet have one in ``folder``, named for them."""
    if args.hownet:
        if args.download:
            raise SeeError("--download belongs to --openhownet")
        return args.hownet, []
    if args.download:
        openhownet.download(args.openhownet)
    table = folder / f"openhownet-{openhownet.fingerprint(args.openhownet)}.tsv"
    return table, openhownet.files(args.openhownet)


def _read_hownet(folder: Path, table: Path) -> None:
    """Have the table written, unless an earlier run did."""
    if table.exists():
        _report(f"senses: {table}, which OpenHowNet read from {folder} before")
        return
    _report(f"senses: OpenHowNet reads {folder}; kept in {table}, which --hownet takes too")
    openhownet.load(folder).save(table)


def _names(text: str) -> dict[str, str]:
    """Language -> name of its segmenter, of ``auto``, ``NAME`` or ``LANG=NAME,...``."""
    names = dict(DEFAULT_SEGMENTERS)
    if "=" in text:
        names.update((language, name) for language, _, name in (part.partition("=") for part in text.split(",")))
    elif text != "auto":
        names = dict.fromkeys(LANGUAGES, text)
    if set(names) != set(LANGUAGES) or not SEGMENTERS.keys() >= set(names.values()):
        known = ", ".join(["auto", *SEGMENTERS])
        raise argparse.ArgumentTypeError(f"{text}: choose {known}, or LANG=NAME as in en=polyglot")
    return names


def _corpus_words(corpus: Path | None) -> set[str] | None:
    return {word for line in read_lines(corpus) for word in line.split()} if corpus else None


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
