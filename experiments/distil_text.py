"""What scripts/distil_text.sh does beside fairseq-generate and fairseq-preprocess.

python -m experiments.distil_text check TEACHER DIR OUT                    direction; OUT is made, or of this teacher
python -m experiments.distil_text choose SOURCES REFERENCES GENERATED ...  a target for each line of the training text
"""

import json
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from experiments.run_record import hash_file
from experiments.scoring import check
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import read_lines, write_json

ORIGIN = "teacher.json"


def check_teacher(teacher: Path, folder: Path, out: Path) -> tuple[str, str]:
    """Make ``out``, with the checksums of the teacher and of the prepared folder: source and target language.

    Raises:
        SeeError: the teacher has no checkpoint, other dictionaries or the other direction, or ``out`` is of something
            else.
    """
    source, target, _ = check(teacher, folder)
    if not (folder / f"data-bin/train.{source}-{target}.{source}.bin").is_file():
        raise SeeError(f"{teacher} translates {source} to {target}; {folder} has no training text {source}-{target}")
    files = [teacher / "checkpoints/checkpoint_best.pt", *sorted((folder / "data-bin").glob("*.bin"))]
    origin = {path.name: hash_file(path) for path in files}
    known = out / ORIGIN
    if out.exists() and not (known.is_file() and json.loads(known.read_text(encoding="utf-8")) == origin):
        raise SeeError(f"{out} was not made from {teacher} and {folder}; choose another folder, or remove it")
    write_json(known, origin)
    return source, target


def choose_targets(sources: Path, references: Path, generated: Sequence[Path]) -> list[str]:
    """The translations in the order of the training text; where one is empty, the reference.

    Args:
        sources: a line for each sentence, in subwords.
        references: the same of the other language.
        generated: what fairseq-generate printed, in any order.

    Raises:
        SeeError: what was translated is not this text, line by line.
    """
    lines, targets = read_lines(sources), read_lines(references)
    printed: dict[int, str] = {}
    found: dict[int, str] = {}
    count = 0
    for path in generated:
        for kind, *_, text in (line.split("\t") for line in read_lines(path) if line.startswith(("S-", "D-"))):
            (printed if kind.startswith("S-") else found)[int(kind[2:])] = text
            count += kind.startswith("D-")
    if not len(lines) == len(targets) == len(found) == count:
        numbers = (
            f"{len(lines)} sources, {len(targets)} references, {len(found)} translations, {count - len(found)} twice"
        )
        raise SeeError(f"{sources.parent} has {numbers}; prepare it and translate it again")
    for number, line in enumerate(lines):
        if not _shows(printed.get(number, ""), line):
            raise SeeError(f"{sources}, line {number + 1}, is not what was translated; prepare the text again")
    kept = [number for number, text in found.items() if not text]
    print(f"{len(found):,} pairs; {len(kept):,} have an empty translation and keep their reference", file=sys.stderr)
    return [found[number] or targets[number] for number in range(len(lines))]


def _shows(printed: str, line: str) -> bool:
    """Whether fairseq prints a line so: unknown subwords as <unk>."""
    return all(shown in (word, "<unk>") for shown, word in zip_longest(printed.split(), line.split()))


@ends_in_one_line()
def main(step: str, first: str, second: str, *more: str) -> None:
    """One of the two steps."""
    paths = [Path(path) for path in more]
    if step == "check":
        print(*check_teacher(Path(first), Path(second), *paths))
    else:
        targets = choose_targets(Path(first), Path(second), paths)
        sys.stdout.buffer.writelines(f"{line}\n".encode() for line in targets)


if __name__ == "__main__":
    main(*sys.argv[1:])
