"""``python -m experiments lexicon``: senses from another source than HowNet, as a table for ``--senses``."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.lexicons.clusters import cluster_words, read_matrix
from experiments.lexicons.wordnet import DEBIAN_FOLDER, read_wordnet
from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs
from fairseq_see.units import Senses, Vocabulary
from fairseq_see.units.languages import read_language
from fairseq_see.units.senses import check_order_and_rank

HELP = "make a table of senses from WordNet, or from the clusters of a trained matrix"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two sources and their options."""
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")

    text = "English words: synsets of WordNet and what they are a kind of"
    wordnet = sources.add_parser("wordnet", help=text, description=text)
    text = "WordNet's folder dict (default: %(default)s, where Debian's package wordnet-base has it)"
    wordnet.add_argument("--wordnet", metavar="FOLDER", type=Path, default=DEBIAN_FOLDER, help=text)
    text = "units: the synsets that most senses fall under (default: %(default)s, about as many as HowNet's sememes)"
    wordnet.add_argument("--synsets", metavar="N", type=int, default=2000, help=text)
    wordnet.set_defaults(make=_make_wordnet)

    text = "words of a dictionary: clusters of their embeddings in a trained matrix"
    kmeans = sources.add_parser("kmeans", help=text, description=text)
    kmeans.add_argument("dictionary", metavar="DICT", type=Path, help="fairseq dictionary of the matrix")
    text = "embeddings in the order of the dictionary: a checkpoint of see_transformer, .npy or .safetensors"
    kmeans.add_argument("--table", metavar="FILE", type=Path, required=True, help=text)
    kmeans.add_argument("--side", choices=("encoder", "decoder"), help="which matrix of a checkpoint")
    kmeans.add_argument("--lang", metavar="CODE[,CODE]", help="default: from the name dict.LANG.txt")
    kmeans.add_argument("--clusters", metavar="K", type=int, required=True, help="clusters of each of the ORDER levels")
    kmeans.add_argument("--seed", type=int, default=1, help="of k-means (default: %(default)s)")
    kmeans.set_defaults(make=_make_kmeans)

    for source in (wordnet, kmeans):
        source.add_argument("--order", type=int, default=3, help="units in a sense (default: %(default)s)")
        source.add_argument("--output", metavar="TSV", type=Path, required=True, help="language, word, number, units")


def run(args: argparse.Namespace) -> None:
    """Make the senses, save them, count them."""
    check_order_and_rank(args.order, rank=2)
    check_outputs({"--output": args.output}, (getattr(args, name, None) for name in ("dictionary", "table")))
    senses = args.make(args)
    senses.save(args.output)
    words = [(word, code) for code in senses.languages for word in senses.list_words(code)]
    kept = [sense for word, code in words for sense in senses.find(word, code)]
    units = len({unit for sense in kept for unit in sense})
    print(f"wrote {args.output}: {len(words):,} words, {len(kept):,} senses, {units:,} units")


def _make_wordnet(args: argparse.Namespace) -> Senses:
    senses, dropped = read_wordnet(args.wordnet, args.order, args.synsets)
    print(f"{dropped:,} senses fall under none of the {args.synsets:,} synsets and are left out")
    return senses


def _make_kmeans(args: argparse.Namespace) -> Senses:
    language = args.lang or read_language(args.dictionary)
    vocabulary = Vocabulary.load(args.dictionary)
    return cluster_words(
        vocabulary, _read_matrix(args), language, clusters=args.clusters, order=args.order, seed=args.seed
    )


def _read_matrix(args: argparse.Namespace) -> NDArray[np.float32]:
    if args.table.suffix in (".npy", ".safetensors"):
        return read_matrix(args.table)
    # Here, not above: torch and fairseq take seconds to import.
    import torch

    from fairseq_see.models.checkpoint import load_embeddings

    embeddings = load_embeddings(args.table)
    if args.side not in embeddings:
        raise SeeError(f"{args.table} has matrices of the {' and the '.join(embeddings)}; choose one with --side")
    with torch.no_grad():
        return embeddings[args.side].table().float().numpy()
