"""Raw text translated by an exported model, with fairseq or, if it was converted, with CTranslate2.

translator = Translator.load("small")
translator.translate(["你好，世界。"])
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fairseq_see.errors import SeeError, needs_extra
from fairseq_see.export_config import CTRANSLATE2, WEIGHTS, read_config
from fairseq_see.text import decode, encode, keep_whole, load_subwords, name_segmenter

logger = logging.getLogger(__name__)

# From a batch of sentences, as tokens, to their translations, as tokens.
Engine = Callable[[list[list[str]]], list[list[str]]]

# fairseq-generate's default: so many tokens at most in a translation. A model may allow fewer.
MAX_LENGTH = 200


class Translator:
    """Translates lines of text. ``load`` makes one.

    Args:
        engine: translates a batch of sentences.
        text: the part of an exported model's ``config.json`` that describes raw text.
        folder: of the exported model, where its subwords are.
        batch_size: source tokens of a batch, padding included.
    """

    def __init__(self, engine: Engine, text: dict[str, Any], folder: Path, batch_size: int) -> None:
        self._engine = engine
        self._source, self._target = text["source"], text["target"]
        # What fairseq-see add-words added.
        self._words = tuple(self._source.get("words", ()))
        subwords = load_subwords(folder / self._source["subwords"], self._source["scheme"])
        self._subwords = keep_whole(subwords, self._words, self._source["scheme"])
        self._batch_size = batch_size
        here = name_segmenter(self._source["language"])
        if here != self._source["segmenter"]:
            logger.warning(f"the model was trained on text segmented by {self._source['segmenter']}, this is {here}")

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        beam: int = 5,
        batch_size: int = 4096,
        device: str | None = None,
        threads: int | None = None,
    ) -> "Translator":
        """Load what ``fairseq-see export`` wrote with ``--output`` or ``--to-ctranslate2``.

        Args:
            folder: its folder.
            beam: hypotheses that the search keeps.
            batch_size: source tokens of a batch, padding included.
            device: ``cpu`` or ``cuda`` (default: a GPU if there is one).
            threads: of a CPU (default: the engine's).

        Raises:
            SeeError: another folder or a damaged one, one without what raw text needs, or a package is missing.
        """
        folder = Path(folder)
        text = read_config(folder).get("text")
        if not text:
            raise SeeError(f"{folder} has no subwords for raw text; export the model again, with --subwords")
        load_engine = _load_ctranslate2 if (folder / CTRANSLATE2).exists() else _load_fairseq
        longest = min(MAX_LENGTH, text["target"].get("max_tokens", MAX_LENGTH))
        with needs_extra("translate"):
            return cls(load_engine(folder, beam, longest, device, threads), text, folder, batch_size)

    def translate(self, lines: Sequence[str]) -> list[str]:
        """The translations of lines, as many as there are lines.

        A blank line stays blank. One that is too long for the model becomes blank, with a warning.
        """
        sentences = [encode(line, self._source["language"], self._subwords, self._words) for line in lines]
        for i, tokens in enumerate(sentences):
            if len(tokens) > self._source["max_tokens"]:
                logger.warning(
                    f"left blank, as it has {len(tokens):,} tokens and the model takes {self._source['max_tokens']:,}: "
                    f"{lines[i][:40]}..."
                )
                sentences[i] = []
        translations = [""] * len(lines)
        for batch in _batch_by_length([len(tokens) for tokens in sentences], self._batch_size):
            for i, tokens in zip(batch, self._engine([sentences[i] for i in batch]), strict=True):
                translations[i] = decode(tokens, self._target["language"], self._target["scheme"])
        return translations


def _batch_by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """The positions of all lengths but zeros, short ones first, in batches of ``size`` with padding to the longest."""
    batch: list[int] = []
    for i in sorted((i for i, length in enumerate(lengths) if length), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[i] > size:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _load_fairseq(folder: Path, beam: int, longest: int, device: str | None, threads: int | None) -> Engine:
    import torch
    from fairseq import checkpoint_utils, utils
    from fairseq.dataclass.configs import GenerationConfig

    import fairseq_see.plugin  # noqa: F401

    if threads:
        torch.set_num_threads(threads)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        (model,), cfg, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(folder / WEIGHTS)], arg_overrides={"data": str(folder)}
        )
        model = model.to(device).eval()
    # The first is how the plugin ends fairseq's commands, the last how torch refuses a GPU that it is not built for.
    except (SystemExit, OSError, RuntimeError, AssertionError) as error:
        raise SeeError(f"cannot load {folder}: {' '.join(str(error).split()).removeprefix('error: ')}") from error
    model.prepare_for_inference_(cfg)
    generator = task.build_generator([model], GenerationConfig(beam=beam, max_len_b=longest))
    source, target = task.source_dictionary, task.target_dictionary

    @torch.inference_mode()
    def translate(batch: list[list[str]]) -> list[list[str]]:
        ids = [torch.tensor([*map(source.index, tokens), source.eos()]) for tokens in batch]
        dataset = task.build_dataset_for_inference(ids, [len(sentence) for sentence in ids])
        sample = dataset.collater([dataset[i] for i in range(len(batch))])
        sample = utils.apply_to_sample(lambda tensor: tensor.to(device), sample)
        found = {}
        for i, hypotheses in zip(sample["id"].tolist(), task.inference_step(generator, [model], sample), strict=True):
            tokens = hypotheses[0]["tokens"].tolist()
            found[i] = [target[token] for token in tokens if token not in (target.bos(), target.eos())]
        return [found[i] for i in range(len(batch))]

    return translate


def _load_ctranslate2(folder: Path, beam: int, longest: int, device: str | None, threads: int | None) -> Engine:
    import ctranslate2

    try:
        translator = ctranslate2.Translator(str(folder), device=device or "auto", intra_threads=threads or 0)
    except (RuntimeError, ValueError) as error:
        raise SeeError(f"cannot load {folder}: {' '.join(str(error).split())}") from error

    def translate(batch: list[list[str]]) -> list[list[str]]:
        results = translator.translate_batch(batch, beam_size=beam, max_input_length=0, max_decoding_length=longest)
        return [result.hypotheses[0] for result in results]

    return translate
