"""Translations of a test set and their references, found, and checked against the score that was recorded."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments.report.runs import Result
from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

# score.sh writes four decimals.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Texts:
    """A translated test set, line by line.

    Attributes:
        hypotheses, references: ordinary text, what BLEU is of.
        hypothesis_words, reference_words: the same as words with spaces between.
    """

    hypotheses: list[str]
    references: list[str]
    hypothesis_words: list[str]
    reference_words: list[str]

    @property
    def digest(self) -> str:
        """Of the references: equal for equal test sets."""
        return digest(self.references)


def digest(references: list[str]) -> str:
    """Of the lines of a test set."""
    return hashlib.sha256("\n".join(references).encode()).hexdigest()[:8]


def find(result: Result, data: Path | None) -> Texts:
    """The texts of a scored run: its own, and references it keeps or, of an older run, those of ``data``.

    Args:
        result: a result with scores.
        data: a folder of scripts/prepare.sh; None for the one that the run was trained on.

    Raises:
        SeeError: a file is missing, lines do not pair up, or BLEU is not what the run recorded.
    """
    run, name = Path(result.run), str(result.test)
    folder = data or prepared(result)
    language = result.setting["task"].get("target_lang") or "en"
    texts = Texts(
        read_lines(run / f"{name}.hyp"),
        read_lines(_first(run / f"{name}.ref", folder / "raw" / f"{name}.{language}")),
        read_lines(run / f"{name}.hyp.tok"),
        read_lines(_first(run / f"{name}.ref.tok", folder / "tok" / f"{name}.{language}")),
    )
    counts = {len(lines) for lines in vars(texts).values()}
    if len(counts) > 1 or counts == {0}:
        raise SeeError(f"{run}: translations and references of {name} are not of equally many lines")
    score = bleu(result).corpus_score(texts.hypotheses, [texts.references]).score
    if result.bleu is None or abs(score - result.bleu) > ROUNDING:
        raise SeeError(f"{run}: BLEU of {name} is {score:.4f} here and {result.bleu} in its scores; score it again")
    return texts


def bleu(result: Result) -> Any:
    """Sacrebleu's metric, with the tokeniser that a result was scored with."""
    from sacrebleu.metrics import BLEU

    fields = dict(part.split(":", 1) for part in (result.signature or "").split("|") if ":" in part)
    return BLEU(tokenize=fields.get("tok", "13a"), lowercase=fields.get("case") == "lc")


def prepared(result: Result) -> Path:
    """The folder of scripts/prepare.sh whose data-bin a run was trained on."""
    return Path(result.text).parent


def training_pairs(result: Result) -> int | None:
    """How many sentence pairs a run was trained on; None where its text is not there any more."""
    language = result.setting["task"].get("target_lang") or "en"
    try:
        with (prepared(result) / "tok" / f"train.{language}").open("rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return None


@lru_cache
def frequencies(path: Path) -> Counter[str]:
    """How often each word stands in a text of words with spaces between."""
    return Counter(word for line in read_lines(path) for word in line.split())


def _first(*paths: Path) -> Path:
    """The first that exists."""
    for path in paths:
        if path.is_file():
            return path
    raise SeeError(f"no {' and no '.join(map(str, paths))}; score the run again, or give --data DIR")
