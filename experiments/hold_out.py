"""BPE codes that leave no rare word of a test set whole, for experiments.new_words.

python -m experiments.hold_out PREPARED/codes.zh --train PREPARED/tok/train.zh --test PREPARED/tok/test.zh > codes.zh

A model that is trained with them sees the words as subwords, however large its dictionary. Without the merges that end
in such a word, longer words that end in it are split otherwise, too.
"""

import argparse
import sys
from collections.abc import Sequence

from experiments.new_words import choose_words, read_words
from fairseq_see.errors import ends_in_one_line
from fairseq_see.io import read_lines


def drop_merges(codes: Sequence[str], words: set[str]) -> list[str]:
    """The lines of subword-nmt's codes but those whose merge is one of ``words``."""
    whole = {f"{word}</w>" for word in words}
    return [line for line in codes if line.replace(" ", "") not in whole]


def main(argv: Sequence[str] | None = None) -> None:
    """Write the codes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m experiments.hold_out", description=main.__doc__)
    parser.add_argument("codes", metavar="CODES", help="of subword-nmt learn-bpe")
    parser.add_argument("--train", required=True, metavar="FILE", help="words with spaces between them")
    parser.add_argument("--test", required=True, metavar="FILE", help="likewise")
    parser.add_argument("--seen", nargs=2, type=int, default=(5, 50), metavar=("FROM", "TO"), help="default: 5 50")
    args = parser.parse_args(argv)
    with ends_in_one_line():
        codes = read_lines(args.codes)
        train, test = (read_words(path) for path in (args.train, args.test))
    left = drop_merges(codes, choose_words(train, test, set(), range(args.seen[0], args.seen[1] + 1)))
    sys.stdout.buffer.writelines(f"{line}\n".encode() for line in left)
    print(f"{len(codes) - len(left):,} of {len(codes):,} merges left out", file=sys.stderr)


if __name__ == "__main__":
    main()
