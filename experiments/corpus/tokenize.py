"""Text to words and back: jieba for Chinese, Moses' rules for any other language.

A filter: ``python -m experiments.corpus.tokenize split --lang zh < text > words``. (sacremoses' own
command cannot leave ``&`` and quotes unescaped, and jieba's keeps the spaces of the text as words.)
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing import get_context

from fairseq_see.text import detokenise, segment


def split_all(lines: Iterable[str], language: str, workers: int = 1) -> Iterator[str]:
    """``segment`` over many lines, in their order."""
    split = partial(segment, code=language)
    if workers <= 1:
        yield from map(split, lines)
        return
    with get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(split, lines, chunksize=500)


def main() -> None:
    """Filter standard input to standard output."""
    parser = argparse.ArgumentParser(description="Split text, or join words.")
    parser.add_argument("action", choices=("split", "join"))
    parser.add_argument("--lang", required=True, help="code of the language")
    parser.add_argument("--workers", type=int, default=1, help="processes that split")
    args = parser.parse_args()
    # Only \n ends a line: other marks of Unicode or a lone \r must not move lines against each other.
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    lines = (line.rstrip("\n") for line in sys.stdin)
    if args.action == "split":
        results = split_all(lines, args.lang, args.workers)
    else:
        results = (detokenise(line, args.lang) for line in lines)
    for line in results:
        print(line)


if __name__ == "__main__":
    main()
