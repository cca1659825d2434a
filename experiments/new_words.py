"""What fairseq-see add-words is worth, on sentences with words that training saw a few times and only as subwords.

python -m experiments.new_words FOLDER --train PREPARED/tok/train --test TEXT/test --senses TSV --output RESULTS

FOLDER is an exported model. The words are those that the training text has 5 to 50 times, FOLDER's dictionary has not,
and the test set has. Their sentences are translated by the model as it is (subwords), with the words added, and by a
model that was trained with the words whole, if one is given.

F1 is of target words: with --side target of the added words themselves; with --side source of those words that the
training text pairs with the added ones (at most three for each, of the highest Dice coefficient).
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest
from tabulate import tabulate

from fairseq_see.errors import ends_in_one_line
from fairseq_see.export_config import read_config
from fairseq_see.io import read_lines, write_json
from fairseq_see.text import normalise, segment
from fairseq_see.units import Senses, Vocabulary

TRANSLATIONS = 3
Lines = Sequence[Sequence[str]]


def read_words(path: str) -> Lines:
    """The lines of a file, as words that spaces separate."""
    return [line.split() for line in read_lines(path)]


def choose_words(train: Lines, test: Lines, known: set[str], seen: range) -> set[str]:
    """The words of a test set that have letters, that are not known, and that a training text has ``seen`` times."""
    counts = Counter(word for words in train for word in words)
    return {word for words in test for word in words if counts[word] in seen and _has_letters(word)} - known


def pair_words(words: set[str], source: Lines, target: Lines) -> dict[str, set[str]]:
    """For each word the target words that occur most in its sentence pairs and least in others (Dice coefficient)."""
    own, others = Counter[str](), Counter[str]()
    together = {word: Counter[str]() for word in words}
    for left, right in zip(source, target, strict=True):
        others.update(set(right))
        for word in words & set(left):
            own[word] += 1
            together[word].update(filter(_has_letters, set(right)))
    pairs = {}
    for word, counts in together.items():
        dice = {other: 2 * n / (own[word] + others[other]) for other, n in counts.items() if n > 1}
        pairs[word] = set(sorted(dice, key=lambda other: (-dice[other], other))[:TRANSLATIONS])
    return pairs


def count_f1(wanted: Sequence[set[str]], references: Lines, found: Lines) -> float:
    """F1 of the ``wanted`` words of each sentence, repeats counted, over all sentences."""
    matches = total = 0
    for words, reference, translation in zip(wanted, references, found, strict=True):
        right, ours = (Counter(word for word in line if word in words) for line in (reference, translation))
        matches += (right & ours).total()
        total += right.total() + ours.total()
    return 2 * matches / total if total else 0.0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Choose words, add them, translate, score."""
    from fairseq_see.models.add_words import add_words
    from fairseq_see.translator import Translator

    codes = [read_config(args.folder)["cfg"]["task"][f"{each}_lang"] for each in ("source", "target")]
    side = ("source", "target").index(args.side)
    train = [read_words(f"{args.train}.{code}") for code in codes]
    raw = [read_lines(f"{args.test}.{code}") for code in codes]
    test = [[_split(line, code) for line in lines] for lines, code in zip(raw, codes, strict=True)]
    known, seen = _read_symbols(args.folder, codes[side]), range(args.seen[0], args.seen[1] + 1)
    candidates = choose_words(train[side], test[side], known, seen)
    if args.whole:
        candidates &= _read_symbols(args.whole, codes[side])
    senses = Senses.load(args.senses) if args.senses else None
    found = add_words(args.folder, args.output / "added", sorted(candidates), senses, args.side, args.index)
    words = set(found.added)
    rows = [row for row, line in enumerate(test[side]) if words & set(line)]
    pairs = {word: {word} for word in words} if side else pair_words(words, *train)
    wanted = [set().union(*(pairs[word] for word in words & set(test[side][row]))) for row in rows]
    models = {"subwords": args.folder, "added": args.output / "added"}
    models |= {"trained whole": args.whole} if args.whole else {}
    sources, references = ([lines[row] for row in rows] for lines in raw)
    translations, f1 = {}, {}
    for name, folder in models.items():
        translations[name] = Translator.load(folder, device=args.device).translate(sources)
        split = [_split(line, codes[1]) for line in translations[name]]
        f1[name] = 100 * count_f1(wanted, [test[1][row] for row in rows], split)
    bleu = {"BLEU": BLEU(trg_lang=codes[1])}
    tested: Any
    signatures, tested = PairedTest([*translations.items()], bleu, [references], test_type="bs", n_samples=1000)()
    return {
        "words": len(words),
        "without senses": len(found.senseless),
        "lacking a unit": len(found.partial),
        "refused": len(found.refused),
        "sentences": len(rows),
        "signature": str(signatures["BLEU"]),
        "scores": {
            name: {"BLEU": float(result.score), "p": result.p_value, "F1": f1[name]}
            for name, result in zip(translations, tested["BLEU"], strict=True)
        },
        "translations": [
            dict(zip(("source", "reference", *models), line, strict=True))
            for line in zip(sources, references, *translations.values(), strict=True)
        ],
    }


def _has_letters(word: str) -> bool:
    return any(map(str.isalpha, word))


def _split(line: str, code: str) -> list[str]:
    return segment(normalise(line, code), code).split()


def _read_symbols(folder: Path, code: str) -> set[str]:
    """The whole words of a model's dictionary."""
    vocabulary = Vocabulary.load(folder / f"dict.{code}.txt")
    return {word for word, mark in map(vocabulary.split, vocabulary.symbols) if not mark}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a table, keep everything in RESULTS/new_words.json."""
    parser = argparse.ArgumentParser(prog="python -m experiments.new_words", description=main.__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--train", required=True, metavar="PREFIX", help="words with spaces between them")
    parser.add_argument("--test", required=True, metavar="PREFIX", help="raw text")
    parser.add_argument("--output", required=True, metavar="RESULTS", type=Path, help="folder that is made")
    parser.add_argument("--senses", metavar="TSV", type=Path)
    parser.add_argument("--side", choices=("source", "target"), default="source")
    parser.add_argument("--index", metavar="FILE", type=Path, help="as of fairseq-see add-words")
    parser.add_argument("--whole", metavar="FOLDER", type=Path, help="exported model that was trained with the words")
    parser.add_argument("--seen", nargs=2, type=int, default=(5, 50), metavar=("FROM", "TO"), help="default: 5 50")
    parser.add_argument("--device", choices=("cpu", "cuda"))
    args = parser.parse_args(argv)
    with ends_in_one_line():
        found = measure(args)
        write_json(args.output / "new_words.json", found)
    print("; ".join(f"{value} {name}" for name, value in found.items() if isinstance(value, int)))
    print(tabulate([{"": name} | score for name, score in found["scores"].items()], headers="keys", floatfmt=".2f"))


if __name__ == "__main__":
    main()
