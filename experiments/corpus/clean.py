"""``python -m experiments clean``: raw parallel text, in any two languages -> text fit for training.

``find_fault`` gives the reason why a pair of normalised lines should not be trained on; ``clean`` normalises and
filters two files, and counts.
"""

import argparse
import hashlib
import math
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, astuple, dataclass, field
from itertools import zip_longest
from pathlib import Path

from fairseq_see.errors import SeeError
from fairseq_see.io import check_outputs, replace_file, write_json
from fairseq_see.text import IDEOGRAPHS, RUN, normalise, truncate_words
from fairseq_see.units.languages import MAX_WORD, get_language

HELP = "normalise line-aligned parallel text and drop the pairs that are unfit for training"

_UNITS = re.compile(rf"[{IDEOGRAPHS}]|{RUN.pattern}")

EMPTY, TOO_LONG, LONG_WORD, RATIO, DUPLICATE = "empty", "too long", "long word", "length ratio", "duplicate"
REASONS = (EMPTY, TOO_LONG, LONG_WORD, RATIO, DUPLICATE)


@dataclass(frozen=True)
class Limits:
    """What a pair may look like.

    Attributes:
        max_words: words of either side; each ideograph counts as a word.
        max_chars: characters of either side.
        max_ratio: number of words of the longer side over that of the shorter one.
    """

    max_words: int = 250
    max_chars: int = 2000
    max_ratio: float = 9.0

    def __post_init__(self) -> None:
        """Raise SeeError if a limit is none."""
        # JSON, which the report is, has no infinity.
        if not all(0 < value < math.inf for value in astuple(self)):
            raise SeeError(f"limits are finite numbers above 0, not {astuple(self)}")


@dataclass
class Report:
    """How many pairs were read and kept, and why the others were not.

    With ``filtered`` false all were kept, and ``faults`` counts what filtering would have dropped.
    """

    read: int = 0
    kept: int = 0
    filtered: bool = True
    without_chinese: int = 0
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    limits: Limits = field(default_factory=Limits)


def count_words(line: str) -> int:
    """Number of words, where every ideograph is one."""
    return len(_UNITS.findall(line))


def find_fault(source: str, target: str, limits: Limits) -> str | None:
    """Why a normalised pair is not fit for training, one of ``REASONS``; None if it is."""
    if not source or not target:
        return EMPTY
    if any(len(run) > MAX_WORD for run in RUN.findall(f"{source} {target}")):
        return LONG_WORD
    short, long = sorted((count_words(source), count_words(target)))
    if max(len(source), len(target)) > limits.max_chars or long > limits.max_words:
        return TOO_LONG
    return RATIO if long > limits.max_ratio * short else None


def iterate_lines(path: str | Path) -> Iterator[str]:
    """The lines of a UTF-8 file one by one, without their ends and without a byte order mark.

    Raises:
        SeeError: no such file, not readable, or not UTF-8 (the message names line and byte).
    """
    offset = 0
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    line = raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    place = f"line {number}, byte {offset + error.start}"
                    raise SeeError(f"{path} is not UTF-8 ({place}); convert it, for example with iconv") from error
                offset += len(raw)
                yield (line.removeprefix("\ufeff") if number == 1 else line).removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SeeError(f"cannot read {path}: {error.strerror}") from error


def clean(
    source: str | Path,
    target: str | Path,
    output: str | Path,
    *,
    languages: tuple[str, str] = ("zh", "en"),
    limits: Limits | None = None,
    keep_duplicates: bool = False,
    max_pairs: int | None = None,
    filtered: bool = True,
    report_file: str | None = None,
) -> Report:
    """Write ``output``.SOURCE and ``output``.TARGET: the pairs of two files, normalised, without the unfit ones.

    The arguments are the command's; ``languages`` are codes, and the ends of the new files' names. If not ``filtered``,
    every line is kept, as a test set needs, and only words too long for any tool are truncated.

    Raises:
        SeeError: a file cannot be read or written, is empty or would be written over, the numbers of lines differ, or
            nothing is left.
    """
    files = {f"the {language} text": f"{output}.{language}" for language in languages}
    check_outputs({**files, "--report": report_file}, (source, target))
    limits = limits or Limits()
    report = Report(filtered=filtered, limits=limits)
    seen: set[bytes] = set()
    counts = [0, 0]
    with ExitStack() as stack:
        paths = [stack.enter_context(replace_file(path)) for path in files.values()]
        new = [stack.enter_context(open(path, "w", encoding="utf-8", newline="\n")) for path in paths]
        for one, other in zip_longest(iterate_lines(source), iterate_lines(target)):
            counts = [count + (line is not None) for count, line in zip(counts, (one, other), strict=True)]
            if one is None or other is None:
                continue
            pair = normalise(one, languages[0]), normalise(other, languages[1])
            for line, code in zip(pair, languages, strict=True):
                report.without_chinese += code == "zh" and bool(line) and not get_language("zh").writes(line)
            reason = find_fault(*pair, limits)
            if reason is None and not keep_duplicates:
                digest = hashlib.blake2b("\n".join(pair).encode(), digest_size=12).digest()
                if digest in seen:
                    reason = DUPLICATE
                seen.add(digest)
            if reason is not None:
                report.faults[reason] += 1
                if filtered:
                    continue
                pair = truncate_words(pair[0]), truncate_words(pair[1])
            if max_pairs is None or report.kept < max_pairs:
                report.kept += 1
                for file, line in zip(new, pair, strict=True):
                    file.write(line + "\n")
        report.read = counts[0]
        _check(source, target, counts, report)
    if report_file:
        write_json(report_file, asdict(report))
    return report


def _check(source: str | Path, target: str | Path, counts: list[int], report: Report) -> None:
    for path, count in zip((source, target), counts, strict=True):
        if count == 0:
            raise SeeError(f"{path} is empty; it should hold one sentence a line")
    if counts[0] != counts[1]:
        problem = "they are not aligned; line n of one must translate line n of the other"
        raise SeeError(f"{source} has {counts[0]:,} lines and {target} has {counts[1]:,}: {problem}")
    if report.kept == 0:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.faults.items() if count)
        problem = f"({reasons}); are they aligned? are the limits too tight?"
        raise SeeError(f"nothing is left of {source} and {target} {problem}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    limits = Limits()
    parser.add_argument("source", metavar="SOURCE", help="text, UTF-8, a sentence a line")
    parser.add_argument("target", metavar="TARGET", help="text of the other language, aligned with it")
    parser.add_argument("--source-lang", default="zh", metavar="CODE", help="default: %(default)s")
    parser.add_argument("--target-lang", default="en", metavar="CODE", help="default: %(default)s")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.CODE for each language")
    text = "words, or ideographs, of the longest sentence (default: %(default)s)"
    parser.add_argument("--max-words", type=int, default=limits.max_words, metavar="N", help=text)
    text = "characters of the longest sentence (default: %(default)s)"
    parser.add_argument("--max-chars", type=int, default=limits.max_chars, metavar="N", help=text)
    text = "how many times more words, or ideographs, one side may have (default: %(default)s)"
    parser.add_argument("--max-ratio", type=float, default=limits.max_ratio, metavar="X", help=text)
    parser.add_argument("--max-pairs", type=int, metavar="N", help="keep only the first N fit pairs")
    parser.add_argument("--keep-duplicates", action="store_true", help="keep pairs that were there before")
    text = "normalise only, and keep every line: for test sets, which have references"
    parser.add_argument("--no-filter", action="store_true", help=text)
    parser.add_argument("--report", metavar="FILE", help="write the counts to a JSON file too")


def run(args: argparse.Namespace) -> None:
    """Clean, then show the counts."""
    # Here, not above: pandas takes a second to import, and every command's module is imported to build the parser.
    from experiments.corpus.summary import format_reports

    report = clean(
        args.source,
        args.target,
        args.output,
        languages=(args.source_lang, args.target_lang),
        limits=Limits(args.max_words, args.max_chars, args.max_ratio),
        keep_duplicates=args.keep_duplicates,
        max_pairs=args.max_pairs,
        filtered=not args.no_filter,
        report_file=args.report,
    )
    print(format_reports({args.output: vars(report)}))
    if report.without_chinese * 2 > report.read:
        text = "warning: most lines of the Chinese text have no Chinese character; is it the right file?"
        print(text, file=sys.stderr)
