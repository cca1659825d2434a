"""``fairseq-see index``: the unit index of a fairseq dictionary."""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs, read_lines, replace_file
from fairseq_see.units import Senses, Vocabulary, build_index, openhownet
from fairseq_see.units.controls import CONTROLS, check_control
from fairseq_see.units.inspection import describe_provenance
from fairseq_see.units.languages import parse_languages, read_language
from fairseq_see.units.morphology import SEGMENTERS, train_segmenters
from fairseq_see.units.senses import check_order_and_rank

HELP = "build the unit index (senses and morphemes) of a fairseq dictionary"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add = parser.add_argument
    add("dictionary", metavar="DICT", type=Path, help="fairseq dictionary, such as data-bin/dict.zh.txt")
    senses = parser.add_mutually_exclusive_group()
    senses.add_argument(
        "--senses",
        metavar="TSV",
        type=Path,
        help="language, word, sense number, sememes; HowNet's, or others that python -m experiments lexicon makes "
        "(without this and --openhownet: morphemes alone)",
    )
    senses.add_argument(
        "--openhownet",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        const=openhownet.find_default_folder(),
        help="HowNet's own files, read by the package OpenHowNet (they are pickles, which can run code: use only those "
        "you trust); default FOLDER: ~/.openhownet. What was read is kept beside the index as a TSV",
    )
    add("--download", action="store_true", help="with --openhownet: fetch HowNet, if FOLDER has none")
    lang = "language, such as de, or those of a joined dictionary, such as zh,en (default: from the name dict.LANG.txt)"
    add("--lang", metavar="CODE[,CODE]", help=lang)
    add("--order", type=int, default=3, help="units in a group (default: 3)")
    add("--rank", type=int, default=5, help="groups in a word: RANK-1 senses and its morphemes (default: 5)")
    add(
        "--morphology",
        metavar="NAME",
        help=f"how words are segmented: {', '.join(SEGMENTERS)}, or LANG=NAME,... (default: characters for Chinese and "
        "Japanese, else morfessor); polyglot needs a model, which python -m experiments morphology trains",
    )
    corpus = "tokenized text, before BPE, whose words Morfessor learns from (default: the dictionary's unmarked words)"
    add("--corpus", metavar="FILE", type=Path, help=corpus)
    subwords = "give subwords (power@@; of sentencepiece all without ▁) the senses of the word they spell"
    add("--piece-senses", action="store_true", help=subwords)
    add("--max-morphemes", metavar="N", type=int, help="the rarest beyond N share hashed units")
    control = "take something away from the index, to compare the real one with it (docs/results/sememes.md)"
    add("--control", choices=CONTROLS, help=control)
    add("--seed", type=int, default=1, help="of a control that is random (default: 1)")
    add("--output", metavar="FILE", type=Path, help="default: DICT with .see for .txt")
    add("--json", metavar="FILE", type=Path, help="write the coverage there as JSON")


def run(args: argparse.Namespace) -> None:
    """Build the index, save it, print what it covers."""
    check_order_and_rank(args.order, args.rank)
    check_control(args.control, args.seed)
    languages = args.lang or read_language(args.dictionary)
    morphology = _parse_morphology(args.morphology, languages)
    output = args.output or Path(str(args.dictionary).removesuffix(".txt") + ".see")
    table, sources = _find_senses(args, output.parent)
    check_outputs({"--output": output, "--json": args.json}, (args.dictionary, table, *sources, args.corpus))
    vocabulary = Vocabulary.load(args.dictionary)
    if args.openhownet and table:
        _read_hownet(args.openhownet, table)
    senses = Senses.load(table) if table else None
    for language in parse_languages(languages):
        if senses and language.code not in senses.languages:
            _report(f"{table} has no {language.code} words: these have morphemes alone")
    words = {word for line in read_lines(args.corpus) for word in line.split()} if args.corpus else None
    # Opened before the work begins: a folder that cannot be written to is known at once, not after a minute's training.
    with ExitStack() as files:
        index_file = files.enter_context(replace_file(output))
        json_file = files.enter_context(replace_file(args.json)) if args.json else None
        index, coverage = build_index(
            vocabulary,
            senses,
            train_segmenters(vocabulary, languages, morphology, words, _report),
            order=args.order,
            rank=args.rank,
            language=languages,
            piece_senses=args.piece_senses,
            max_morphemes=args.max_morphemes,
            control=args.control,
            seed=args.seed,
            progress=_report,
        )
        index.save(index_file)
        if json_file:
            content = coverage.to_dict() | {"provenance": dict(index.provenance)}
            json_file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{describe_provenance(index)}\n\n{coverage.render()}")
    print(f"\nwrote {output}; packed in an exported model it takes {len(index.pack()):,} bytes")


def _find_senses(args: argparse.Namespace, folder: Path) -> tuple[Path | None, list[Path]]:
    """The senses file, and the files it is made of; those of HowNet have one in ``folder``, named for them."""
    if not args.openhownet:
        if args.download:
            raise SeeError("--download belongs to --openhownet")
        return args.senses, []
    if args.download:
        openhownet.download(args.openhownet)
    sources = openhownet.list_files(args.openhownet)
    return folder / f"openhownet-{openhownet.hash_files(args.openhownet)}.tsv", sources


def _read_hownet(folder: Path, table: Path) -> None:
    """Have the senses file written, unless an earlier run did."""
    if table.exists():
        _report(f"senses: {table}, which OpenHowNet read from {folder} before")
        return
    _report(f"senses: OpenHowNet reads {folder}; kept in {table}, which --senses takes too")
    openhownet.load(folder).save(table)


def _parse_morphology(text: str | None, languages: str) -> dict[str, str]:
    """Language -> name of its segmenter, of ``NAME`` or ``LANG=NAME,...``."""
    if text is None:
        return {}
    parts = text.split(",") if "=" in text else [f"{language.code}={text}" for language in parse_languages(languages)]
    names = {code: name for code, _, name in (part.partition("=") for part in parts)}
    if not SEGMENTERS.keys() >= set(names.values()):
        raise SeeError(f"--morphology {text}: choose {', '.join(SEGMENTERS)}, or LANG=NAME as in en=polyglot")
    return names


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
