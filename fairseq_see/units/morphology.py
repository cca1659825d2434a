"""Words -> morphemes. A segmenter is a class with ``name``, ``train`` and ``segment``; SEGMENTERS lists them."""

import json
import logging
import random
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from fairseq_see.errors import SeeError
from fairseq_see.files import replacing

CAPITALISED = "<Cap>"
ALL_CAPITALS = "<CAPS>"

# Morfessor's training is quadratic in a word's length, and nothing as long as this has a morphology.
LONGEST_WORD = 100


class Segmenter(Protocol):
    """What cuts a word into its morphemes."""

    name: ClassVar[str]

    @classmethod
    def train(cls, words: Iterable[str]) -> "Segmenter":
        """A segmenter that has learned from word types, if there is anything to learn."""

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, at least one."""


class Characters:
    """Every character is a morpheme, as is nearly so in Chinese."""

    name: ClassVar[str] = "characters"

    @classmethod
    def train(cls, words: Iterable[str]) -> "Characters":
        """Nothing to learn."""
        return cls()

    def segment(self, word: str) -> list[str]:
        """The characters of a word."""
        return list(word)


class Morfessor:
    """Morfessor Baseline (Creutz and Lagus 2007; Virpioja et al. 2013), trained on word types.

    Words are segmented in lower case. ``<Cap>`` in front stands for a capital first letter, ``<CAPS>`` for capitals
    only; a word in any other mixture of cases keeps its own spelling.

    Args:
        segmentations: lower-cased word -> its morphemes, as training left them. Other words are segmented by the
            Viterbi algorithm with the same morphemes.
    """

    name: ClassVar[str] = "morfessor"

    def __init__(self, segmentations: Mapping[str, tuple[str, ...]]) -> None:
        self.segmentations = dict(sorted(segmentations.items()))

    @classmethod
    def train(cls, words: Iterable[str], seed: int = 1) -> "Morfessor":
        """Train on the types among ``words``, each counted once whatever its frequency (which gives sensible morphs).

        40,000 types take about a minute. The same types and seed give the same segmenter.

        Raises:
            SeeError: no words.
        """
        types = sorted({word.lower() for word in words if 0 < len(word) <= LONGEST_WORD})
        if not types:
            raise SeeError("no words to train Morfessor on")
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
        return cls({word: tuple(model.segment(word)) for word in types})

    def segment(self, word: str) -> list[str]:
        """The morphemes of a word, after a marker of its case."""
        lower = word.lower()
        if word == lower:
            return self._segment(word)
        if word == lower[:1].upper() + lower[1:]:
            return [CAPITALISED, *self._segment(lower)]
        if word == lower.upper():
            return [ALL_CAPITALS, *self._segment(lower)]
        return self._segment(word)

    def _segment(self, word: str) -> list[str]:
        if word in self.segmentations:
            return list(self.segmentations[word])
        if len(word) > LONGEST_WORD:
            return [word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD)]
        return list(self._model.viterbi_segment(word)[0])

    @cached_property
    def _model(self) -> Any:
        import morfessor

        model = morfessor.BaselineModel()
        model.load_segmentations((1, word, morphemes) for word, morphemes in self.segmentations.items())
        return model

    def save(self, path: str | Path) -> None:
        """Write the segmentations as JSON."""
        content = {word: list(morphemes) for word, morphemes in self.segmentations.items()}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Morfessor":
        """Read what ``save`` wrote.

        Raises:
            SeeError: no such file, or not such a file.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SeeError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise SeeError(f"{path} is not JSON; expected a word -> its morphemes") from error
        if not isinstance(content, dict) or not content:
            raise SeeError(f"{path} has no segmentations; expected a word -> its morphemes")
        for word, morphemes in content.items():
            strings = isinstance(morphemes, list) and all(isinstance(morpheme, str) for morpheme in morphemes)
            if not word or not strings or "" in morphemes or "".join(morphemes) != word:
                raise SeeError(f"{path}: the morphemes of {word[:60]!r} do not spell it")
        return cls({word: tuple(morphemes) for word, morphemes in content.items()})


SEGMENTERS: dict[str, type[Segmenter]] = {segmenter.name: segmenter for segmenter in (Characters, Morfessor)}

DEFAULT_SEGMENTERS = {"zh": Characters.name, "en": Morfessor.name}
