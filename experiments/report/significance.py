"""Is one system better than another on this test set, or are these sentences lucky? Paired bootstrap (Koehn 2004)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Of the resampling; sacrebleu's own default, set here so that an environment variable cannot move a report.
SEED = 12345
SAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """Differences of BLEU, a pair of runs of the same seed each.

    Attributes:
        seeds: of training, those that both systems have.
        differences: BLEU of the one minus BLEU of the other, for each seed.
        p_values: of sacrebleu's paired bootstrap, for each seed.
    """

    seeds: tuple[Any, ...]
    differences: tuple[float, ...]
    p_values: tuple[float, ...]


def compare(
    system: dict[Any, list[str]], other: dict[Any, list[str]], references: list[str], metric: Any
) -> Comparison:
    """Compare two systems seed by seed.

    Args:
        system: translations by the seed of the training.
        other: the same of what it is compared with.
        references: a line for each line of a translation.
        metric: sacrebleu's BLEU.

    Returns:
        what the seeds that both have say; empty if there are none.
    """
    seeds = tuple(seed for seed in system if seed in other)
    pairs = [paired_bootstrap(other[seed], system[seed], references, metric) for seed in seeds]
    return Comparison(seeds, tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def paired_bootstrap(
    baseline: Sequence[str], system: Sequence[str], references: Sequence[str], metric: Any
) -> tuple[float, float]:
    """The system's BLEU minus the baseline's, and the p-value that sacrebleu gives it."""
    from sacrebleu.significance import PairedTest

    if list(baseline) == list(system):
        # sacrebleu counts samples whose difference is larger, finds none, and takes equal texts for surely different.
        return 0.0, 1.0
    with _seeded():
        test = PairedTest(
            [("baseline", baseline), ("system", system)], {"BLEU": metric}, [references], "bs", n_samples=SAMPLES
        )
        results: Any = test()[1]["BLEU"]
    ours = results[1]
    return ours.score - results[0].score, ours.p_value


@contextmanager
def _seeded() -> Iterator[None]:
    """Sacrebleu takes its seed from the environment alone."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(SEED)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before
