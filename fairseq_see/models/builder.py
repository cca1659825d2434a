"""From options to embeddings: plan and build them, or restore what a checkpoint records."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from fairseq.data import Dictionary
from omegaconf import DictConfig, OmegaConf, open_dict

from fairseq_see.embeddings import Embedding, build, find_class, restore
from fairseq_see.embeddings.config import parse_options
from fairseq_see.embeddings.exported import read_descriptions
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex
from fairseq_see.units.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


class EmbeddingBuilder:
    """Builds the embeddings of one model, and records them in its configuration.

    The record, ``see_resolved``, is saved in the checkpoint: a model loaded from it is built without planning and
    without reading the index file.

    Args:
        cfg: the model's configuration, with the fields of :class:`~fairseq_see.models.options.EmbeddingOptions`.
        task: the fairseq task, asked for its data folder and languages.
    """

    def __init__(self, cfg: Any, task: Any) -> None:
        self.cfg = cfg
        self.task = task
        self._known = read_descriptions(json.loads(cfg.see_resolved)) if cfg.see_resolved else None
        self._built: dict[str, Any] = {}

    def build(self, side: str, dictionary: Dictionary, dim: int) -> Embedding:
        """The embedding of one side, ``encoder`` or ``decoder``, for all symbols of its dictionary."""
        if self._known is None:
            embedding = self._build(side, dictionary, dim)
        else:
            embedding = self._restore(side, len(dictionary), dim)
        embedding.inference = str(self.cfg.see_inference)
        self._built[side] = embedding.describe()
        parameters, disk = embedding.footprint()
        logger.info(
            f"{side} embedding: {embedding.method}, {parameters:,} parameters for {len(dictionary):,} x {dim} "
            f"({embedding.ratio:.2f}x), {disk:,} bytes in half precision with the index"
        )
        return embedding

    def record(self) -> None:
        """Write what was built into the configuration that fairseq saves."""
        text = self.cfg.see_resolved or json.dumps({"ratio": self.cfg.see_ratio, **self._built}, sort_keys=True)
        # fairseq hands a merged copy of the model's configuration to build_model; the one it saves hangs on the root.
        root: Any = self.cfg._get_parent() if isinstance(self.cfg, DictConfig) else None
        for cfg in (self.cfg, root.get("model") if root is not None else None):
            if isinstance(cfg, DictConfig):
                with open_dict(cfg):
                    cfg.see_resolved = text
            elif cfg is not None:
                cfg.see_resolved = text

    def _build(self, side: str, dictionary: Dictionary, dim: int) -> Embedding:
        args: Any = self.cfg.see_args
        if OmegaConf.is_config(args):
            args = OmegaConf.to_container(args)
        options = parse_options(args)
        method, index = self.cfg.see_method, None
        cls = find_class(method)
        if cls.uses_index:
            language = getattr(self._task_options, "source_lang" if side == "encoder" else "target_lang", None)
            path = find_index(self.cfg.see_index, self._task_options.data, side, language)
            if not path.is_file():
                raise SeeError(f"no unit index at {path}; build it with fairseq-see index, or give --see-index")
            vocabulary = Vocabulary(tuple(dictionary.symbols), tuple(dictionary.count))
            index = UnitIndex.load(path).adapt(vocabulary)
        if cls.quantised and cls.exact_gradients:
            logger.warning(f"codes of {method} do not learn: they are random until a trained matrix is fitted")
        return build(method, len(dictionary), dim, dictionary.pad(), ratio=self.cfg.see_ratio, index=index, **options)

    def _restore(self, side: str, rows: int, dim: int) -> Embedding:
        assert self._known is not None
        if side not in self._known:
            raise SeeError(f"the {side} has no embedding of its own in the trained model; give --share-all-embeddings")
        trained = self._known[side]
        # Some methods read embeddings by something else than their number, so weights of another size fit, too.
        if (trained["rows"], trained["columns"]) != (rows, dim):
            raise SeeError(
                f"the {side}'s embedding was trained as {trained['rows']:,} x {trained['columns']}, not {rows:,} x "
                f"{dim}; give the dictionary and the options of its training"
            )
        return restore(trained)

    @property
    def _task_options(self) -> Any:
        # language_modeling, a task of fairseq's older kind, has its options elsewhere.
        return self.task.cfg or self.task.args


def find_index(given: str | None, data: str, side: str, language: str | None) -> Path:
    """The file of the unit index of a side, ``encoder`` or ``decoder``.

    ``given`` is ``--see-index``, ``data`` the task's folder, or folders. Tasks of one language have no ``language``.
    """
    folder = data.split(os.pathsep)[0]
    paths = (given or folder).split(os.pathsep)
    if len(paths) > 2:
        raise SeeError(f"--see-index takes at most two files, SOURCE{os.pathsep}TARGET, not {len(paths)}")
    path = Path(paths[-1 if side == "decoder" else 0])
    # Lists of runs name indexes so: data and list can be moved, to another machine too.
    if not path.exists() and (beside := folder / path).exists():
        path = beside
    return path / (f"dict.{language}.see" if language else "dict.see") if path.is_dir() else path
