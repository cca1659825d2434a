"""Folders like those of scripts/train.sh and score.sh, made in no time."""

import json
from pathlib import Path

import pytest
import torch
from sacrebleu.metrics import BLEU

from fairseq_see.embeddings import build

V, D = 60, 27
REFERENCES = [
    "the cat sat on the mat .",
    "a dog barked at the cat .",
    "birds sing in the old tree .",
    "we saw no rain .",
]
TRAINING = ["the cat sat on the mat ."] * 12 + ["a dog barked ."] * 3 + ["birds sing ."]
LOG = "[2026-01-02 03:04:05,678][valid][INFO] - epoch {0:03} | valid on 'valid' subset | ppl {1} | num_updates {2}\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What scripts/prepare.sh leaves of a training text and a test set."""
    folder = tmp_path / "data"
    for name in ("raw/test.en", "tok/test.en"):
        write(folder / name, REFERENCES)
    write(folder / "tok/train.en", TRAINING)
    return folder


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def make_run(
    data: Path,
    name: str,
    method: str = "dense",
    ratio: float | None = None,
    seed: int = 1,
    hypotheses: list[str] | None = REFERENCES,
    references: list[str] | None = None,
    dropout: float = 0.1,
    see_index: str | None = None,
    see_args: dict | None = None,
    fitted: str | None = None,
    heads: int = 4,
    **options,
) -> Path:
    """A trained run beside ``data``, scored on ``test`` if there are hypotheses; or one ``fitted`` to another."""
    run = data.parent / "runs" / name
    embedding = build(method, V, D, 1, ratio=ratio, **options)
    table = embedding.describe()
    resolved = {"ratio": ratio, "encoder": table, "decoder": table}
    if fitted:
        resolved["fitted"] = {"to": f"cells/{fitted}/checkpoints/checkpoint_best.pt", "how": "in closed form"}
    model = {
        f"{side}.embed_tokens.{k}": v for side in ("encoder", "decoder") for k, v in embedding.state_dict().items()
    }
    model |= {"encoder.layers.0.weight": torch.zeros(10, 5), "encoder.version": torch.tensor([3.0])}
    cfg = {
        "model": {
            **{"see_resolved": json.dumps(resolved), "see_ratio": ratio, "see_index": see_index, "see_args": see_args},
            **{"dropout": dropout, "encoder_layers": 2},
            **{f"{side}_attention_heads": heads for side in ("encoder", "decoder")},
        },
        "common": {"seed": seed},
        "task": {"data": str(data / "data-bin"), "target_lang": "en"},
        "dataset": {"max_tokens": 1024},
        "optimization": {"max_update": 100},
    }
    (run / "checkpoints").mkdir(parents=True)
    torch.save(
        {"cfg": cfg, "model": model, "optimizer_history": [{"num_updates": 100}]},
        run / "checkpoints/checkpoint_best.pt",
    )
    if not fitted:
        overrides = [f"override model.see_method={method}", f"override model.see_ratio={ratio}"]
        write(run / "train.settings", ["data abc", *overrides])
        (run / "train.log").write_text("".join(LOG.format(i, 90 / i, 50 * i) for i in (1, 2)))
    write(run / "done", ["x"])
    if hypotheses is not None:
        for suffix in ("hyp", "hyp.tok"):
            write(run / f"test.{suffix}", hypotheses)
        if references:
            for suffix in ("ref", "ref.tok"):
                write(run / f"test.{suffix}", references)
        metric = BLEU()
        score = round(metric.corpus_score(hypotheses, [references or REFERENCES]).score, 4)
        scores = {"test": "test", "bleu": score, "chrf": 50.0, "tokenised_bleu": score}
        (run / "test.scores.json").write_text(json.dumps(scores | {"signature": f"BLEU|{metric.get_signature()}"}))
    return run
