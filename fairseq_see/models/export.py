"""A trained model, written as it is shipped: as a folder, as a checkpoint of stock fairseq, as CTranslate2's model."""

import copy
import filecmp
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairseq.data.data_utils import infer_language_pair
from torch import Tensor

from fairseq_see.embeddings import Embedding, exported
from fairseq_see.embeddings.buffers import pack_state
from fairseq_see.errors import SeeError, needs_extra
from fairseq_see.export_config import DEFAULT_BITS, LAYER_BITS, OWN_FILES, find_folder, is_export, read_config
from fairseq_see.io import replace_folder
from fairseq_see.models.checkpoint import count_updates, load_checkpoint, load_embeddings, read_section
from fairseq_see.text import CODES, load_subwords, name_segmenter
from fairseq_see.units.vocabulary import MASK, Vocabulary

logger = logging.getLogger(__name__)


@dataclass
class TrainedModel:
    """A trained model and the files that go with it.

    Attributes:
        state: its checkpoint; the configuration in it names the languages.
        embeddings: its embeddings by side.
        files: what is copied into a folder, by the name it has there: dictionaries and subwords.
        text: how raw text becomes tokens, and tokens become text; None if that is not known.
        bits: of the embeddings' parameters in a folder, one of :data:`~fairseq_see.export_config.BITS`.
        layer_bits: of all other parameters there.
    """

    state: dict[str, Any]
    embeddings: dict[str, Embedding]
    files: dict[str, Path]
    text: dict[str, Any] | None = None
    bits: int = DEFAULT_BITS
    layer_bits: int = LAYER_BITS

    @classmethod
    def load(cls, checkpoint: Path, data: Path | None = None, subwords: Path | None = None) -> "TrainedModel":
        """Read a checkpoint and find what belongs to it.

        Args:
            checkpoint: its file, or an exported model's folder.
            data: folder of the dictionaries (default: where the model was trained, or the exported model's folder).
            subwords: folder of the BPE codes or sentencepiece models (default: the one above ``data``).

        Raises:
            SeeError: no readable checkpoint of a model of this package; or folders that are given lack the files.
        """
        state = load_checkpoint(checkpoint)
        embeddings = load_embeddings(checkpoint, state)
        model = cls(state, embeddings, {})
        trained = Path(str(model._task["data"]).split(os.pathsep)[0])
        config: dict[str, Any] = {}
        if is_export(checkpoint):
            trained, config = find_folder(checkpoint), read_config(checkpoint)
            model.bits, model.layer_bits = config.get("bits", 16), config.get("layer_bits", 16)
        folder = data or trained
        if problem := model._find_dictionaries(folder, trained):
            if data:
                raise SeeError(f"{folder} {problem}; --data is the folder of the model's dictionaries")
            logger.warning(f"{folder} {problem}, exporting without dictionaries (--data names their folder)")
        elif "source_lang" in model._task:
            folder = subwords or (trained if config else folder.parent)
            if problem := model._find_subwords(folder):
                if subwords:
                    raise SeeError(f"{problem}, which translate needs; choose another --subwords, or leave it out")
                logger.warning(f"{problem}, which translate needs: exporting without (--subwords names the folder)")
            elif config and not subwords:
                model.text = config.get("text")
            elif model.text and (words := ((config.get("text") or {}).get("source") or {}).get("words")):
                model.text["source"]["words"] = words
        return model

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target language."""
        return self._task["source_lang"], self._task["target_lang"]

    @property
    def _task(self) -> dict[str, Any]:
        return read_section(self.state["cfg"]["task"])

    def write_folder(self, folder: Path) -> dict[str, Tensor]:
        """Write the small model, in place of an earlier export: the tensors as they are stored.

        SeeError if a weight is NaN, infinite or too large, or the folder holds something else, is not writable or full.
        """
        check_replaceable(folder)
        cfg = copy.deepcopy(self.state["cfg"])
        resolved = json.loads(read_section(cfg["model"]).pop("see_resolved"))
        weights = dict(self.state["model"])
        # Of a matrix that encoder and decoder share, both names are in a state dict.
        for side in ("encoder", "decoder"):
            prefix = f"{exported.find_embedding(side, weights)}."
            others = {name: value for name, value in weights.items() if not name.startswith(prefix)}
            if len(others) < len(weights):
                trained = self.embeddings.get(side) or self.embeddings["encoder"]
                embedding = trained.ship()
                if embedding is not trained and side in resolved:
                    resolved[side] = embedding.describe()
                weights = others | {prefix + name: value for name, value in pack_state(embedding).items()}
        # As a checkpoint orders it, so that an export of an export has the same bytes.
        resolved = json.loads(json.dumps(resolved, sort_keys=True))
        config = {"embeddings": resolved, "cfg": cfg, "num_updates": count_updates(self.state), "text": self.text}
        with replace_folder(folder) as new:
            stored = exported.write(new, weights, config, self.bits, self.layer_bits)
            copy_files(self.files, new)
        return stored

    def _find_dictionaries(self, folder: Path, trained: Path) -> str:
        """Find the dictionaries, and return what is wrong with the folder, or nothing.

        Writes the languages into the configuration of the task, where fairseq leaves them out if it took them from the
        names of files.
        """
        task, sides = self._task, list(self.embeddings)
        single = "source_lang" not in task
        names = ["dict.txt"]
        if not single:
            languages, sides = [task["source_lang"], task["target_lang"]], ["encoder", "decoder"]
            for place in (folder, trained):
                if None in languages and place.is_dir():
                    languages = list(infer_language_pair(place))
            names = [f"dict.{language or 'LANG'}.txt" for language in languages]
        if missing := [name for name in names if not (folder / name).is_file()]:
            return f"has no {missing[0]}"
        for name, side in zip(names, sides, strict=True):
            symbols = Vocabulary.load(folder / name).symbols
            rows = (self.embeddings.get(side) or self.embeddings["encoder"]).num_embeddings
            # Tasks of one language add the mask to the dictionary that they read.
            if rows not in (len(symbols), len({*symbols, MASK}) if single else None):
                raise SeeError(f"{folder / name} is not the dictionary of this model, whose {side} has {rows} symbols")
        if not single:
            task["source_lang"], task["target_lang"] = languages
        self.files = {name: folder / name for name in names}
        return ""

    def _find_subwords(self, folder: Path) -> str:
        """Find what splits source words into subwords, and return what is missing, or nothing."""
        source, target = self.languages
        dictionaries = [self.files[f"dict.{language}.txt"] for language in (source, target)]
        schemes = [Vocabulary.load(path).scheme for path in dictionaries]
        for path, scheme in zip(dictionaries, schemes, strict=True):
            if scheme not in CODES:
                return f"{path} has no subwords of BPE (@@) or sentencepiece (▁)"
        name = CODES[schemes[0]].format(source)
        if not (folder / name).is_file():
            return f"{folder} has no {name}"
        with needs_extra("translate"):
            load_subwords(folder / name, schemes[0])
            segmenter = name_segmenter(source)
        self.files[name] = folder / name
        self.text = {
            "source": {"language": source, "segmenter": segmenter, "scheme": schemes[0], "subwords": name},
            "target": {"language": target, "scheme": schemes[1]},
        }
        options = [read_section(self.state["cfg"][section]) for section in ("model", "task")]
        for side, text in self.text.items():
            # Without the end of the sentence.
            text["max_tokens"] = min(each.get(f"max_{side}_positions") or 1024 for each in options) - 1
        return ""


def check_replaceable(folder: Path) -> None:
    """Raise SeeError if a folder is anything else than the output of an earlier export, or empty."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SeeError(f"{folder} exists and is no folder; choose another name")
    for path in folder.iterdir():
        if not any(path.match(pattern) for pattern in OWN_FILES):
            raise SeeError(f"{folder} holds other files than an exported model, {path.name}; choose another folder")
    if any(folder.iterdir()):
        read_config(folder)


def copy_files(files: Mapping[str, Path], folder: Path) -> None:
    """Copy files into a folder, by the names they have there, and compare; OSError if it is not writable or full."""
    for name, path in files.items():
        shutil.copyfile(path, folder / name)
        if not filecmp.cmp(path, folder / name, shallow=False):
            raise OSError(f"{name} does not read back as it was written; check the disk")
