"""Questions and statements: sentences to classify, made from any English text in subwords.

The label of a sentence is its closing mark, "?" or ".", which is taken away. Left out are sentences of one
subword, those with such a mark inside too, and those that occur with both. As many statements as
there are questions are drawn; a tenth is for validation, a tenth for the test. The scripts run it:

    python -m experiments.corpus.questions SUBWORDS FOLDER

writes FOLDER/train, valid and test with .input and .label, a sentence a line.
"""

import random
import sys
from collections.abc import Iterable
from pathlib import Path

from experiments.corpus.clean import iterate_lines
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replace_file
from fairseq_see.units.vocabulary import SENTENCEPIECE_MARK

LABELS = {"?": "question", ".": "statement"}
FEWEST = 30


def find_labels(lines: Iterable[str]) -> dict[str, str]:
    """Sentences without their closing mark, each once -> label; in the order of the text."""
    found: dict[str, set[str]] = {}
    for line in lines:
        *subwords, mark = line.split() or [""]
        marks = [subword.removeprefix(SENTENCEPIECE_MARK) in LABELS for subword in subwords]
        label = LABELS.get(mark.removeprefix(SENTENCEPIECE_MARK))
        if label and len(subwords) > 1 and not any(marks):
            found.setdefault(" ".join(subwords), set()).add(label)
    return {sentence: labels.pop() for sentence, labels in found.items() if len(labels) == 1}


def draw_balanced(sentences: dict[str, str], seed: int) -> list[tuple[str, str]]:
    """As many of each label as there are of the rarer one, shuffled: (sentence, label).

    Raises:
        SeeError: there are too few to learn from.
    """
    rng = random.Random(seed)
    groups = [[sentence for sentence, other in sentences.items() if other == label] for label in LABELS.values()]
    number = min(map(len, groups))
    if number < FEWEST:
        raise SeeError(
            f"the text has {len(groups[0])} questions and {len(groups[1])} statements, too few to learn from"
        )
    drawn = [
        (sentence, label)
        for label, group in zip(LABELS.values(), groups, strict=True)
        for sentence in rng.sample(group, number)
    ]
    rng.shuffle(drawn)
    return drawn


@ends_in_one_line()
def main(text: str, folder: str) -> None:
    """Write the three sets."""
    drawn = draw_balanced(find_labels(iterate_lines(text)), seed=1)
    tenth = len(drawn) // 10
    sets = {"test": drawn[:tenth], "valid": drawn[tenth : 2 * tenth], "train": drawn[2 * tenth :]}
    for name, rows in sets.items():
        for column, kind in enumerate(("input", "label")):
            with replace_file(Path(folder, f"{name}.{kind}")) as temporary:
                temporary.write_text("".join(f"{row[column]}\n" for row in rows), encoding="utf-8")
    print(", ".join(f"{name} {len(rows):,}" for name, rows in sets.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
