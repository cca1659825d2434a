"""What translations show beyond one score: paired bootstrap (Koehn 2004), F1 of words by their frequency.

The F1 is compare-mt's word accuracy (Neubig et al. 2019). Words are those of the target side after tokenisation, before
subwords, with case; their frequency is that of the training text's target side.
"""

import os
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import pandas
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from fairseq_see.errors import SeeError
from fairseq_see.io import read_lines

# sacrebleu's own defaults, set here so that an environment variable cannot move a report.
SEED, SAMPLES = 12345, 1000

# Lowest training count of each band.
BANDS = {"never": 0, "1-9": 1, "10-99": 10, "100-999": 100, "1,000 or more": 1000}


def read_texts(folder: Path, test: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """The translations of a run and their references.

    Returns:
        ``hyp`` and ``ref``: lines of plain text; ``hyp.tok`` and ``ref.tok``: the same, words with spaces between;
        ``metric``: sacrebleu's BLEU as the signature of the ``scores`` describes it.

    Raises:
        SeeError: a file is missing, lines do not pair up, or BLEU is not what the run recorded.
    """
    texts = {ending: read_lines(folder / f"{test}.{ending}") for ending in ("hyp", "ref", "hyp.tok", "ref.tok")}
    counts = {*map(len, texts.values())}
    if len(counts) > 1 or counts == {0}:
        raise SeeError(f"{folder}: translations and references of {test} are not of equally many lines")
    signature = dict(part.split(":", 1) for part in scores.get("bleu_signature", "").split("|") if ":" in part)
    metric = BLEU(tokenize=signature.get("tok", "13a"), lowercase=signature.get("case") == "lc", force=True)
    bleu = metric.corpus_score(texts["hyp"], [texts["ref"]]).score
    if abs(bleu - scores["bleu"]) > 1e-3:
        raise SeeError(f"{folder}: BLEU of {test} is {bleu:.4f}, recorded as {scores['bleu']}; score it again")
    return {**texts, "metric": metric}


def bootstrap(baseline: list[str], system: list[str], references: list[str], metric: BLEU) -> tuple[float, float]:
    """The system's BLEU minus the baseline's, and the p-value that sacrebleu's paired bootstrap gives it."""
    if baseline == system:
        # sacrebleu counts samples whose difference is larger, finds none, and calls equal texts surely different.
        return 0.0, 1.0
    # It takes its seed from the environment alone.
    os.environ["SACREBLEU_SEED"] = str(SEED)
    systems: Any = [("baseline", baseline), ("system", system)]
    results: Any = PairedTest(systems, {"BLEU": metric}, [references], "bs", n_samples=SAMPLES)()[1]["BLEU"]
    return results[1].score - results[0].score, results[1].p_value


def count_bands(hypotheses: list[str], references: list[str], frequencies: Mapping[str, int]) -> pandas.DataFrame:
    """Words by the band of their training frequency.

    Args:
        hypotheses: lines of words with spaces between.
        references: as many lines.
        frequencies: how often training has each word.

    Returns:
        A line for each of BANDS: its words in the ``references``, in the ``hypotheses``, and ``right``: in both, as
        often as both have them (the clipped unigrams of BLEU); ``f1`` in percent, NaN where the references have no
        such words.
    """
    texts = {"references": references, "hypotheses": hypotheses}
    words = {name: pandas.Series(lines).str.split().explode() for name, lines in texts.items()}
    counts = pandas.DataFrame({name: each.groupby([each.index, each]).size() for name, each in words.items()})
    counts = counts.fillna(0).astype(int).assign(right=lambda found: found.min(axis=1))
    known = [frequencies.get(word, 0) for _, word in counts.index]
    bands = pandas.cut(known, [*BANDS.values(), inf], right=False, labels=[*BANDS])
    found = counts.groupby(bands, observed=False).sum()
    f1 = 200 * found.right / (found.references + found.hypotheses)
    return found.assign(f1=f1.where(found.references > 0))


@lru_cache
def count_words(path: Path) -> Counter[str]:
    """How often each word is in a text of words with spaces between."""
    return Counter(word for line in read_lines(path) for word in line.split())
