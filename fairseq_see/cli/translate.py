"""``fairseq-see translate``: raw text from standard input, its translation to standard output."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fairseq_see.cli.main import ImportUserDir
from fairseq_see.errors import SeeError

HELP = "translate raw text, a sentence a line, with an exported model"

# Bytes that are read at once: at most some thousand sentences, which are sorted by length.
CHUNK = 1 << 18


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("folder", metavar="FOLDER", type=Path, help="what fairseq-see export wrote")
    add("--beam", type=_parse_positive, default=5, metavar="N", help="beam size (default: %(default)s)")
    batches = "source tokens of a batch, padding included (default: %(default)s)"
    add("--batch-size", type=_parse_positive, default=4096, metavar="N", help=batches)
    add("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    add("--user-dir", metavar="FOLDER", action=ImportUserDir, help="package with methods of your own")
    add("--threads", type=_parse_positive, metavar="N", help="threads of a CPU (default: the engine's)")


def run(args: argparse.Namespace) -> None:
    """Translate lines as they arrive: all that can be read at once, then the next."""
    from tqdm import tqdm

    from fairseq_see.translator import Translator

    translator = Translator.load(
        args.folder, beam=args.beam, batch_size=args.batch_size, device=args.device, threads=args.threads
    )
    with tqdm(unit=" lines", disable=None) as progress:
        for lines in read_available(sys.stdin.buffer):
            text = "".join(f"{line}\n" for line in translator.translate(lines))
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
            progress.update(len(lines))


def read_available(file: BinaryIO) -> Iterator[list[str]]:
    r"""The lines of a stream, as many at a time as there are, ends ``\n`` or ``\r\n``; SeeError if not UTF-8."""
    number, rest = 0, b""
    while chunk := file.read1(CHUNK):  # type: ignore[attr-defined]
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [_decode(line, number + i) for i, line in enumerate(lines, 1)]
            number += len(lines)
    if rest:
        yield [_decode(rest, number + 1)]


def _decode(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise SeeError(f"line {number} of the input is not UTF-8; convert it, for example with iconv") from error


def _parse_positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not an integer above 0")
    return int(text)
