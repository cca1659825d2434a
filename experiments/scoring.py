"""What scripts/score.sh does beside fairseq-generate and sacrebleu.

python -m experiments.scoring check RUN DIR [NAME ...]      direction, subwords; subset and name of each test
python -m experiments.scoring arrange GENERATED REFERENCES  a line for each line of the test set
python -m experiments.scoring record RUN DIR [NAME ...]     RUN/run.json with scores
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.recording import TRAINED, describe_checkpoint, note_replaced, read_options
from experiments.run_record import hash_file, read, write
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import read_lines
from fairseq_see.units import Vocabulary

JOINS = {"bpe": "subword_nmt", "sentencepiece": "sentencepiece", "plain": "none"}
NOTHING_TO_SCORE = 3


def choose_tests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """fairseq's subset of each test set, from tests.txt of a prepared folder: of those named, or of all.

    Raises:
        SeeError: there is no such test set, or a name in the file would be written outside of a run.
    """
    tests = {}
    for line in read_lines(folder / "tests.txt"):
        subset, _, name = line.partition("\t")
        if not re.fullmatch(r"test\d*", subset) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise SeeError(f"{folder / 'tests.txt'}: {line!r} names no test set; prepare the folder again")
        tests[name] = subset
    if absent := [name for name in names if name not in tests]:
        raise SeeError(f"no test set {absent[0]} in {folder}; there are: {' '.join(tests)}")
    return {name: tests[name] for name in names or tests}


def check(run: Path, folder: Path) -> tuple[str, str, str]:
    """Whether a run can translate a prepared folder: source and target language and ``--remove-bpe`` of fairseq.

    Raises:
        SeeError: the run has no checkpoint, other dictionaries, or other languages.
    """
    checkpoint = run / "checkpoints/checkpoint_best.pt"
    if not checkpoint.is_file():
        raise SeeError(f"no {checkpoint}; scripts/train.sh makes it")
    task = read_options(run)["task"]
    source, target = task.get("source_lang"), task.get("target_lang")
    for language in (source, target):
        own, other = run / f"dict.{language}.txt", folder / f"data-bin/dict.{language}.txt"
        if not other.is_file():
            raise SeeError(f"{run} translates {source} to {target}, and {folder} has no {language}")
        if own.is_file() and hash_file(own) != hash_file(other):
            raise SeeError(f"{folder} has another {other.name} than {run}; scripts/prepare.sh with like=DIR fits it")
    join = JOINS[Vocabulary.load(folder / f"data-bin/dict.{target}.txt").scheme]
    return str(source), str(target), join


def pass_on(run: Path) -> bool:
    """Whether a run has no model, being infeasible or diverged; its record is then complete as it is."""
    if not (run / TRAINED).is_file() or (record := read(run, TRAINED)).state == "trained":
        return False
    write(run, record)
    return True


def arrange(generated: Path, references: Path) -> Iterator[str]:
    """The translations in the order of the test set; an empty line for a sentence that is too long for the model."""
    lines = (line.split("\t", 2) for line in read_lines(generated) if line.startswith("D-"))
    found = {int(number[2:]): text for number, _, text in lines}
    count = len(read_lines(references))
    if missing := max(count - len(found), 0):
        print(f"warning: {missing} of {count} sentences are too long for the model: left empty", file=sys.stderr)
    yield from (found.get(number, "") for number in range(count))


def record_scores(run: Path, folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Write RUN/run.json: the record of the training, with the scores of each test set."""
    note_replaced(run)
    known = read(run, TRAINED) if (run / TRAINED).is_file() else describe_checkpoint(run, folder / "data-bin")
    now = hash_file(run / "checkpoints/checkpoint_best.pt")
    metrics = {name: _read_scores(run / name) for name in choose_tests(folder, names)}
    write(run, replace(known, state="scored", metrics=metrics, checksums=known.checksums | {"checkpoint": now}))
    return metrics


def _read_scores(out: Path) -> dict[str, Any]:
    bleu, chrf = json.loads(Path(f"{out}.sacrebleu.json").read_text(encoding="utf-8"))
    words = json.loads(Path(f"{out}.tokenised.json").read_text(encoding="utf-8"))
    return {
        "bleu": bleu["score"],
        "chrf": chrf["score"],
        "tokenised_bleu": words["score"],
        "bleu_signature": f"BLEU|{bleu['signature']}",
        "chrf_signature": f"{chrf['name']}|{chrf['signature']}",
        "tokenised_signature": f"BLEU|{words['signature']}",
    }


@ends_in_one_line()
def main(step: str, first: str, second: str, *names: str) -> int:
    """One of the three steps."""
    run, folder = Path(first), Path(second)
    if step == "check":
        if pass_on(run):
            return NOTHING_TO_SCORE
        tests = choose_tests(folder, names)
        print(*check(run, folder))
        for name, subset in tests.items():
            print(subset, name, sep="\t")
    elif step == "arrange":
        sys.stdout.buffer.writelines(f"{line}\n".encode() for line in arrange(run, folder))
    else:
        for name, scores in record_scores(run, folder, names).items():
            print("{0}: BLEU {bleu:.1f}  chrF {chrf:.1f}  tokenised BLEU {tokenised_bleu:.1f}".format(name, **scores))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
