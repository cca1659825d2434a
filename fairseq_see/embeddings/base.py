"""The contract of an embedding: a V x d matrix that maps tokens to vectors and, if it is tied, states to scores."""

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.buffers import Footprint, IndexBuffers, check_indexes, count_footprint
from fairseq_see.embeddings.config import MethodConfig, check_ratio
from fairseq_see.embeddings.read_only import ReadOnlyMatrix
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

INFERENCE_MODES = ("auto", "cached", "factored")

# Embeddings that a factored projection reconstructs at a time: enough to keep the cores busy, few of any vocabulary.
PROJECTION_ROWS = 2048


@dataclass
class _Matrices:
    """Reconstructed matrices; as attributes of the module torch would register those that are parameters."""

    held: Tensor | None = None
    cached: Tensor | None = None
    key: tuple[Any, ...] | None = None


class Embedding(nn.Module, ABC):
    """A (V, d) embedding matrix, stored in whatever form the method chooses.

    A subclass names its :class:`~fairseq_see.embeddings.config.MethodConfig` as ``Config``, implements :meth:`_rows`
    and, if a ratio decides hyper-parameters, :meth:`plan`. One that ``uses_index`` has a fifth argument (indexed.py).

    Args:
        config: hyper-parameters, complete.
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the embedding that is zero and stays zero, or None.
    """

    config_version: Tensor
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    method: ClassVar[str]
    # Whether there is a ratio to choose; of bytes against a dense matrix in half precision where embeddings are codes.
    compresses: ClassVar[bool] = True
    quantised: ClassVar[bool] = False
    factored_on: ClassVar[str | None] = None  # the kind of device where factored inference is faster than cached
    uses_index: ClassVar[bool] = False
    # Gradients of learnt codes are not: they pass straight through the choice.
    exact_gradients: ClassVar[bool] = True

    def __init__(self, config: Any, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        if missing := config.list_unplanned():
            raise SeeError(f"method {self.method!r} needs {missing[0]!r}, or a ratio to plan it for")
        self.config = config
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.inference = "auto"
        self._matrices = _Matrices()
        # Binds the weights to the hyper-parameters that no shape shows. "version": fairseq's EMA decays every entry of
        # a state dict but those with it in their name, and integers cannot be decayed.
        self.register_buffer("config_version", self._hash_config())

    @classmethod
    def create(cls, config: Any, rows: int, columns: int, padding: int | None, index: Any) -> "Embedding":
        """An embedding with these arguments, the index where the method uses one."""
        make: Any = cls
        return make(config, rows, columns, padding, *[index] * cls.uses_index)

    @abstractmethod
    def _rows(self, ids: Tensor) -> Tensor:
        """Reconstruct the embeddings ``ids`` (n,), each from 0 to V - 1: (n, d). The padding one may be anything."""

    def _table(self) -> Tensor:
        """Reconstruct all embeddings, (V, d), where a method has a faster way than one by one."""
        return self._rows(torch.arange(self.num_embeddings, device=self._device))

    @classmethod
    def plan(
        cls, config: Any, ratio: float, num_embeddings: int, embedding_dim: int, index: UnitIndex | None = None
    ) -> Any:
        """Complete a config so that V x d is compressed at least ``ratio`` times, by at most 3% more.

        Args:
            config: an instance of ``Config``; what it leaves open is decided. Here that is nothing.
            ratio: V d by the number of parameters wanted; bytes by bytes where the method is ``quantised``.
            num_embeddings: V.
            embedding_dim: d.
            index: the unit index of the tokens, where the method uses one.

        Raises:
            InfeasibleRatio: no setting comes so near; the message names the nearest ratio that can be reached.
        """
        with torch.device("meta"):
            reached = cls.create(config, num_embeddings, embedding_dim, None, index).ratio
        check_ratio(cls.method, ratio, [reached], " (no hyper-parameter changes it; leave the ratio out)")
        return config

    def initialise_from(self, matrix: Tensor, weights: Tensor | None = None) -> bool:
        """Initialise for a fit to ``matrix``: near it in closed form, if the method has one, or else far from it.

        Args:
            matrix: (V, d), the padding embedding zero, in the dtype and on the device of the parameters.
            weights: (V,) of the embeddings' squared errors (default: all alike); not every closed form heeds them.

        Returns:
            whether the parameters are near the matrix.
        """
        return False

    def rows(self, ids: Tensor) -> Tensor:
        """The embeddings ``ids`` (n,): (n, d), the padding one zero.

        Raises:
            IndexError: an id is not from 0 to V - 1 (on a GPU, torch's assertion).
        """
        # index_select refuses ids that plain indexing would count from the end.
        out = self._rows(ids + ids.new_zeros(()).expand(self.num_embeddings).index_select(0, ids))
        return out if self.padding_idx is None else out * (ids != self.padding_idx).to(out.dtype).unsqueeze(1)

    def table(self) -> Tensor:
        """The whole matrix, (V, d)."""
        out, row = self._table(), self.padding_idx
        return out if row is None else out.index_fill(0, torch.full((), row, device=out.device), 0)

    def lookup(self, tokens: Tensor, table: Tensor | None = None) -> Tensor:
        """Vectors of ``tokens`` (...), any shape of ids: (..., d), read from ``table`` if it has been built already.

        Raises:
            IndexError: a token is not from 0 to V - 1 (on a GPU, torch's assertion).
        """
        table = self._find_matrix(table)
        if table is not None:
            return F.embedding(tokens, table)
        distinct, inverse = torch.unique(tokens, return_inverse=True)
        return F.embedding(inverse, self.rows(distinct))

    forward = lookup

    def project(self, hidden: Tensor, table: Tensor | None = None) -> Tensor:
        """Scores of every token for ``hidden`` (..., d): hidden @ table^T, (..., V)."""
        table = self._find_matrix(table)
        # As one matrix: of fairseq's transposed view torch would multiply each slice alone.
        rows = hidden.reshape(-1, hidden.shape[-1])
        factored = table is None and self._is_serving()
        scores = self._score(rows) if factored else F.linear(rows, self.table() if table is None else table)
        return scores.view(*hidden.shape[:-1], self.num_embeddings)

    def _score(self, hidden: Tensor) -> Tensor:
        """Scores (n, V) of states (n, d), holding nothing of size V x d."""
        scores, score = hidden.new_empty(len(hidden), self.num_embeddings), self._prepare_scores(hidden)
        words = torch.arange(self.num_embeddings, device=hidden.device).split(PROJECTION_ROWS)
        for part, ids in zip(scores.split(PROJECTION_ROWS, 1), words, strict=True):
            part.copy_(score(ids))
        if self.padding_idx is not None:
            scores[:, self.padding_idx] = 0
        return scores

    def _prepare_scores(self, hidden: Tensor) -> Callable[[Tensor], Tensor]:
        """A function of ids (m,) that scores states (n, d) by their embeddings: (n, m). Padding's may be anything."""
        return lambda ids: F.linear(hidden, self._rows(ids))

    @property
    def weight(self) -> Tensor:
        """The matrix, (V, d), for code that reads ``nn.Embedding.weight``; what writes into it raises SeeError."""
        table = self._find_matrix(None)
        return (self.table() if table is None else table).as_subclass(ReadOnlyMatrix)

    @contextmanager
    def hold_table(self) -> Iterator[None]:
        """Within the block every lookup and projection shares one matrix: what a tied decoder's forward wants."""
        if self._matrices.held is not None or self._is_serving():
            yield
            return
        self._matrices.held = self.table()
        try:
            yield
        finally:
            # Whatever ends the block, no tensor of the graph stays behind.
            self._matrices.held = None

    def footprint(self, bits: int = 16) -> Footprint:
        """What the embedding costs where it is shipped, with parameters of so many bits."""
        return count_footprint(self, bits)

    @property
    def ratio(self) -> float:
        """How many times smaller than a dense matrix: in parameters, or in bytes where the method is ``quantised``."""
        dense, footprint = self.num_embeddings * self.embedding_dim, self.footprint()
        return 2 * dense / footprint.bytes if self.quantised else dense / footprint.parameters

    def ship(self) -> "Embedding":
        """The embedding as it is shipped: itself, or one that computes the same from less."""
        return self

    def describe(self) -> dict[str, Any]:
        """What :func:`restore` needs to build an embedding of the same shape: JSON values only."""
        index = [asdict(module.sizes) for module in self.modules() if isinstance(module, IndexBuffers)]
        return {
            "method": self.method,
            "rows": self.num_embeddings,
            "columns": self.embedding_dim,
            "padding": self.padding_idx,
            "config": self.config.to_json(),
            **({"index": index[0]} if index else {}),
        }

    def _complete(self, **values: Any) -> None:
        """Record values that the method has decided itself."""
        self.config = replace(self.config, **values)
        self.config_version = self._hash_config()

    def _hash_config(self) -> Tensor:
        """Of method, shape, padding and hyper-parameters, as a number that survives averaging checkpoints."""
        text = json.dumps(self.describe() | {"index": None})
        return torch.tensor(zlib.crc32(text.encode()), device="cpu")

    @property
    def _device(self) -> torch.device:
        parameter = next(self.parameters(), None)
        if parameter is None:
            raise SeeError("this is a copy that nn.DataParallel made, without parameters; train with torchrun instead")
        return parameter.device

    def _is_serving(self) -> bool:
        """No gradient can be asked for, so a reconstructed matrix stays true until the weights change."""
        return not self.training and not torch.is_grad_enabled()

    def is_factored(self) -> bool:
        """Whether serving keeps the factors alone: as asked for, or where that is faster."""
        if self.inference != "auto" or self.factored_on is None or torch.compiler.is_compiling():
            return self.inference == "factored"
        return self._device.type == self.factored_on

    def _find_matrix(self, table: Tensor | None) -> Tensor | None:
        """The matrix to read from, if there is one without building it for this call alone."""
        if table is not None or self._matrices.held is not None:
            return self._matrices.held if table is None else table
        if not self._is_serving():
            # An optimizer step may follow, and optimizers that write through .data leave no version trace.
            self._matrices.cached = None
        elif not self.is_factored():
            return self._cache_matrix()
        return None

    def _cache_matrix(self) -> Tensor:
        """The matrix of the parameters as they are, built where they have changed."""
        table = self._matrices.cached
        if torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling():
            # torch.export knows no versions: the matrix that was built before becomes a constant of the program.
            return self.table() if table is None else table
        # Tensors made in inference mode count no versions, and cannot be changed outside of it.
        key = tuple((0 if p.is_inference() else p._version, p.data_ptr()) for p in self.parameters())
        if table is None or self._matrices.key != key:
            device = self._device.type
            # It outlives this call, and whatever precision autocast chooses in it.
            with torch.autocast("cpu" if device == "meta" else device, enabled=False):
                table = self._matrices.cached = self.table()
            self._matrices.key = key
        return table

    def train(self, mode: bool = True) -> "Embedding":
        """Set training mode; a matrix cached in eval mode is dropped."""
        if mode or self.inference == "factored":
            self._matrices.cached = None
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> "Embedding":
        self._matrices.cached = None
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        self._matrices.cached = None
        ours = f"{self.method} {self.num_embeddings:,} x {self.embedding_dim}, {json.dumps(self.config.to_json())}"
        if f"{prefix}weight" in state_dict:
            raise SeeError(f"the weights hold a dense {prefix}weight, not {ours}; run fairseq-see fit CHECKPOINT first")
        check_indexes(self, state_dict, prefix)
        # Version 0.1 saved none.
        if int(state_dict.setdefault(f"{prefix}config_version", self._hash_config())) != int(self._hash_config()):
            raise SeeError(f"the weights were trained with other options than {ours}; give those of their training")
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_matrices": _Matrices()}

    def extra_repr(self) -> str:
        """Shape, as nn.Embedding prints it."""
        return f"{self.num_embeddings}, {self.embedding_dim}, padding_idx={self.padding_idx}"
