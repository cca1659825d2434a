"""Folders like those that the workflow leaves, made in no time."""

from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU

from experiments.run_record import RunRecord, write

REFERENCES = [
    "the cat sat on the mat .",
    "a dog barked at the cat .",
    "birds sing in the old tree .",
    "we saw no rain .",
]
GOOD = [*REFERENCES[:3], "we saw rain ."]
POOR = ["a cat sat .", "the dog at the cat .", "birds sing in a tree .", "no rain ."]
TRAINING = ["the cat sat on the mat ."] * 12 + ["a dog barked ."] * 3 + ["birds sing ."]


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def make_run(
    runs: Path,
    name: str,
    method: str = "dense",
    ratio: float | None = None,
    seed: int = 1,
    hypotheses: list[str] = REFERENCES,
    references: list[str] = REFERENCES,
    size: int = 1000,
    dictionary: str = "d1",
    config: dict | None = None,
    **fields,
) -> Path:
    """A run of two embedding matrices of 60 x 27, scored on ``test``; ``size`` is of the whole model."""
    run = runs / name
    for ending, lines in (("hyp", hypotheses), ("ref", references), ("hyp.tok", hypotheses), ("ref.tok", references)):
        write_lines(run / f"test.{ending}", lines)
    metric = BLEU(force=True)
    score = round(metric.corpus_score(hypotheses, [references]).score, 4)
    signature = f"BLEU|{metric.get_signature()}"
    scores = {"bleu": score, "chrf": 50.0, "tokenised_bleu": score, "bleu_signature": signature}
    record = RunRecord(
        name,
        config={"corpus": "toy", "method": method, "ratio": ratio, "seed": seed} | (config or {}),
        **{
            "state": "scored",
            "updates": 100,
            "data": {"training_pairs": 16, "training_words": str(runs.parent / "train.tok.en")},
            "matrices": [[60, 27], [60, 27]],
            "embedding_parameters": round(3240 / (ratio or 1)),
            "embedding_bytes": round(6480 / (ratio or 1)),
            "model_bytes": size,
            "parameter_ratio": ratio or 1.0,
            "byte_ratio": ratio or 1.0,
            "curve": [[50, 90.0], [100, 45.0]],
            "metrics": {"test": scores},
            "checksums": {"dict.en.txt": dictionary},
        }
        | fields,
    )
    write(run, record)
    return run


def make_runs(parent: Path) -> Path:
    """Two seeds of dense, two methods at 4x, one that failed, and a training text."""
    folder = parent / "runs"
    write_lines(parent / "train.tok.en", TRAINING)
    for seed, hypotheses in ((1, REFERENCES), (2, GOOD)):
        make_run(folder, f"dense-{seed}", seed=seed, hypotheses=hypotheses, size=7000)
    make_run(folder, "deeper/matrix", "matrix", 4, seed=2, hypotheses=GOOD, size=2000)
    make_run(folder, "word2ketxs", "word2ketxs", 4, seed=2, hypotheses=POOR, size=2500)
    failed = RunRecord(
        "tt", config={"method": "tensor_train", "ratio": 20}, state="failed", reason="a | <b> & 100% _c_"
    )
    (folder / "tt").mkdir()
    write(folder / "tt", failed)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs that a test may add to."""
    return make_runs(tmp_path)
