"""Morfessor Baseline (Creutz and Lagus 2007; Virpioja et al. 2013), trained on word types."""

import logging
import random
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from fairseq_see.errors import SeeError, needs_extra
from fairseq_see.units.morphology.case import MAX_MORPHEME, segment_lower


def train_baseline(words: Iterable[str], seed: int = 1) -> Any:
    """A ``morfessor.BaselineModel`` of the types among ``words``, in lower case; SeeError if there are none.

    Each type counts once whatever its frequency, which gives sensible morphs. 40,000 types take about a minute. The
    same types and seed give the same model.
    """
    types = sorted({word.lower() for word in words if 0 < len(word) <= MAX_MORPHEME})
    if not types:
        raise SeeError("no words to train Morfessor on")
    with needs_extra("units"):
        import morfessor

    logging.getLogger("morfessor").setLevel(logging.WARNING)
    model = morfessor.BaselineModel()
    model.load_data((1, word) for word in types)
    # Morfessor shuffles with the global generator and draws its progress bar unless a module's variable says no.
    state, bar = random.getstate(), morfessor.utils.show_progress_bar
    random.seed(seed)
    morfessor.utils.show_progress_bar = False
    try:
        model.train_batch()
    finally:
        random.setstate(state)
        morfessor.utils.show_progress_bar = bar
    return model


class Morfessor:
    """Words as a Morfessor Baseline model segments them; case is a morpheme of its own.

    Args:
        segmentations: lower-cased word -> its morphemes. Others are segmented by the Viterbi algorithm with the same.
    """

    def __init__(self, segmentations: Mapping[str, tuple[str, ...]]) -> None:
        self.segmentations = dict(sorted(segmentations.items()))

    @classmethod
    def train(cls, words: Iterable[str]) -> "Morfessor":
        """Train on the types among ``words``; see :func:`train_baseline`."""
        model = train_baseline(words)
        return cls({word: tuple(model.segment(word)) for word in model.get_compounds()})

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, after a marker of its case."""
        return segment_lower(word, lambda text: self.segmentations.get(text) or self._model.viterbi_segment(text)[0])

    @cached_property
    def _model(self) -> Any:
        import morfessor

        model = morfessor.BaselineModel()
        model.load_segmentations((1, word, morphemes) for word, morphemes in self.segmentations.items())
        return model
