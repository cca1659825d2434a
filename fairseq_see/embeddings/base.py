"""The contract every embedding fulfils, and the registry through which it is found.

A table of V rows of d numbers maps a token to its vector and, where input and output embeddings are tied, a hidden
state to V scores. A compressed method stores factors instead of the table and reconstructs what is asked for.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_see.embeddings.buffers import StoredIndex
from fairseq_see.embeddings.stored_codes import StoredCodes
from fairseq_see.errors import InfeasibleRatio, SeeError

REGISTRY: dict[str, type[Embedding]] = {}

# A planned ratio is never below the one asked for, and at most this much above it.
TOLERANCE = 1.03

INFERENCE_MODES = ("cached", "factored")

# Rows that a factored projection reconstructs at a time: large enough to keep the cores busy, small beside any
# vocabulary.
PROJECTION_ROWS = 2048

# Up to so many rows, operations cost more by their number than by their size.
FEW = 64


class Footprint(NamedTuple):
    """What an embedding costs.

    Attributes:
        parameters: numbers that were learnt: trainable ones, and codes that stand for such.
        bytes: size on disk: trainable numbers in half precision, codes in a byte each, and the packed unit index where
            the method has one.
    """

    parameters: int
    bytes: int


class Embedding(nn.Module, ABC):
    """A (V, d) embedding table, stored in whatever form the method chooses.

    A subclass implements :meth:`rows` and :meth:`plan`, and takes the options of its own as keyword-only arguments of
    ``__init__``. :func:`register` makes it available by name.

    Args:
        num_embeddings: V, rows of the table.
        embedding_dim: d, numbers in a row.
        padding_idx: the row that is zero and stays zero, or None.
    """

    method: ClassVar[str]
    # Whether there is a ratio to choose: the planner lists the methods that have one.
    compresses: ClassVar[bool] = True
    # Whether rows are codes that stand for a trained table's (:meth:`fit_start` finds them, no training does). A ratio
    # is then of bytes against a dense table in half precision: such numbers are not all alike.
    quantised: ClassVar[bool] = False
    # Options that a model to be trained from nothing takes where they are not given. A fit to a trained table has other
    # needs, and so has who reads a paper: both get the defaults of ``__init__``.
    for_training: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        _check_shape(num_embeddings, embedding_dim, padding_idx)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.inference = "cached"
        self._held: Tensor | None = None
        self._cache: Tensor | None = None
        self._cache_key: tuple[Any, ...] | None = None

    @abstractmethod
    def rows(self, ids: Tensor) -> Tensor:
        """Reconstruct the rows ``ids`` (n,), each from 0 to V - 1, of the table: (n, d), the padding row zero."""

    @classmethod
    @abstractmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """Choose the hyper-parameters that compress V x d numbers at least ``ratio`` times, by at most 3% more.

        Args:
            ratio: V x d divided by the number of parameters wanted; of bytes where the method is ``quantised``.
            num_embeddings: V.
            embedding_dim: d.
            **options: options of the method that are already decided, its unit index for example.

        Returns:
            Keyword arguments for ``__init__``, besides ``options``.

        Raises:
            InfeasibleRatio: no setting comes so near; the message names the nearest ratio that can be reached.
        """

    def settings(self) -> dict[str, Any]:
        """What :meth:`restore` needs to build an embedding of the same shape: JSON values only."""
        return {}

    @classmethod
    def restore(
        cls, num_embeddings: int, embedding_dim: int, padding_idx: int | None, settings: dict[str, Any]
    ) -> Embedding:
        """Build an embedding whose weights and index are about to be loaded from a state dict.

        Raises:
            SeeError: there is a setting that this version does not know.
        """
        if unknown := sorted(settings.keys() - options_of(cls).keys()):
            raise SeeError(f"{cls.method!r} has no setting {unknown[0]!r} here; was it made by a newer fairseq_see?")
        return cls(num_embeddings, embedding_dim, padding_idx, **settings)

    def fit_start(self, table: Tensor, weights: Tensor | None = None) -> bool:
        """Start a fit to ``table``: from parameters near it, in closed form, if the method knows such, or from far.

        A start that is far may still suit a fit better than that of training.

        Args:
            table: (V, d), the padding row zero, in the dtype and on the device of the parameters.
            weights: (V,), how much each row's squared error counts (default: all alike); likewise. A method whose
                closed form has none passes over them.

        Returns:
            whether the parameters are near the table.
        """
        return False

    def table(self) -> Tensor:
        """Reconstruct the whole table, (V, d)."""
        return self.rows(torch.arange(self.num_embeddings, device=self._device()))

    def lookup(self, tokens: Tensor, table: Tensor | None = None) -> Tensor:
        """Vectors of ``tokens``: any shape (...) of ids to (..., d).

        Each distinct token is reconstructed once; ``table``, if it has been built already, is read instead.

        Raises:
            IndexError: a token is not of the table (on a GPU, torch's assertion).
        """
        table = self._ready(table)
        if table is not None:
            return F.embedding(tokens, table)
        if self._serving() and tokens.numel() <= FEW:
            return self.rows(self._checked(tokens.reshape(-1))).view(*tokens.shape, self.embedding_dim)
        distinct, inverse = torch.unique(tokens, return_inverse=True)
        return F.embedding(inverse, self.rows(self._checked(distinct)))

    forward = lookup

    def project(self, hidden: Tensor, table: Tensor | None = None) -> Tensor:
        """Scores of every token for ``hidden`` (..., d): hidden @ table^T, (..., V)."""
        table = self._ready(table)
        # As one matrix: fairseq's decoder hands over a transposed view, of which torch would multiply each slice alone.
        rows = hidden.reshape(-1, hidden.shape[-1])
        if table is None and self._serving() and self.inference == "factored":
            scores = self._project_in_chunks(rows)
        else:
            scores = F.linear(rows, self.table() if table is None else table)
        return scores.view(*hidden.shape[:-1], self.num_embeddings)

    @property
    def weight(self) -> Tensor:
        """The table, (V, d), for code that ties its output by reading ``nn.Embedding.weight``; built when it is read.

        :meth:`project` gives the same scores, and in ``factored`` inference without the table.
        """
        table = self._ready(None)
        return self.table() if table is None else table

    @contextmanager
    def hold_table(self) -> Iterator[None]:
        """Within the block every lookup and projection shares one table: what a tied decoder's forward wants.

        The table belongs to the block, not to the module: it is gone when the block ends, whatever ends it.
        """
        if self._held is not None or self._serving():
            yield
            return
        self._held = self.table()
        try:
            yield
        finally:
            self._held = None

    def footprint(self) -> Footprint:
        """Parameters; bytes on disk in half precision, with codes and a unit index counted in."""
        parameters = sum(parameter.numel() for parameter in self.parameters())
        index = sum(module.shape["bytes"] for module in self.modules() if isinstance(module, StoredIndex))
        codes = sum(module.codes.numel() for module in self.modules() if isinstance(module, StoredCodes))
        return Footprint(parameters + codes, 2 * parameters + codes + index)

    @property
    def ratio(self) -> float:
        """How many times smaller than a dense table this is: in parameters, or in bytes where it is ``quantised``."""
        numbers, footprint = self.num_embeddings * self.embedding_dim, self.footprint()
        return 2 * numbers / footprint.bytes if self.quantised else numbers / footprint.parameters

    def _checked(self, ids: Tensor) -> Tensor:
        """``ids`` (n,); IndexError if one is not of the table: tensors read a negative one from their end."""
        return ids + ids.new_zeros(()).expand(self.num_embeddings).index_select(0, ids)

    def _real(self, ids: Tensor) -> Tensor | None:
        """Which of the rows ``ids`` are not the padding row, (n,) bool; None where no row is."""
        return None if self.padding_idx is None else ids != self.padding_idx

    def _normalised(self, rows: Tensor, norm: nn.LayerNorm | None, ids: Tensor) -> Tensor:
        """``rows`` (n, d) of ``ids`` through a LayerNorm, if there is one; its bias does not reach the padding row."""
        if norm is None:
            return rows
        out, real = norm(rows.to(norm.weight.dtype)), self._real(ids)
        return out if real is None else out * real.to(out.dtype).unsqueeze(1)

    def _device(self) -> torch.device:
        parameter = next(self.parameters(), None)
        if parameter is None:
            raise SeeError("this is a copy that nn.DataParallel made, without parameters; train with torchrun instead")
        return parameter.device

    def _serving(self) -> bool:
        """No gradient can be asked for, so a reconstructed table stays true until the weights change."""
        return not self.training and not torch.is_grad_enabled()

    def _ready(self, table: Tensor | None) -> Tensor | None:
        """The table to read from, if there is one without building it for this call alone."""
        if table is not None or self._held is not None:
            return self._held if table is None else table
        if not self._serving():
            # An optimizer step may follow, and optimizers that write through .data leave no version trace.
            self._forget()
            return None
        if self.inference == "factored":
            return None
        # Tensors made in inference mode count no versions, and cannot be changed outside of it.
        key = tuple((0 if p.is_inference() else p._version, p.data_ptr()) for p in self.parameters())
        if self._cache is None or self._cache_key != key:
            device = self._device().type
            # It outlives this call, and whatever precision autocast chooses in it.
            with nullcontext() if device == "meta" else torch.autocast(device, enabled=False):
                self._cache, self._cache_key = self.table(), key
        return self._cache

    def _project_in_chunks(self, hidden: Tensor) -> Tensor:
        scores = hidden.new_empty(*hidden.shape[:-1], self.num_embeddings)
        for start in range(0, self.num_embeddings, PROJECTION_ROWS):
            ids = torch.arange(start, min(start + PROJECTION_ROWS, self.num_embeddings), device=hidden.device)
            scores[..., start : start + len(ids)] = F.linear(hidden, self.rows(ids))
        return scores

    def _forget(self) -> None:
        self._cache = self._cache_key = None

    def train(self, mode: bool = True) -> Embedding:
        """Set training mode; a table cached in eval mode is dropped, an index is narrow in factored inference only."""
        if mode or self.inference == "factored":
            self._forget()
        for module in self.modules():
            if isinstance(module, StoredIndex):
                module.narrow(not mode and self.inference == "factored")
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> Embedding:
        self._forget()
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._forget()
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None, "_cache": None, "_cache_key": None}

    def extra_repr(self) -> str:
        """Shape, as nn.Embedding prints it."""
        return f"{self.num_embeddings}, {self.embedding_dim}, padding_idx={self.padding_idx}"


def meets(reached: float, ratio: float) -> bool:
    """Whether a ratio is near enough to the one asked for: not below it, and within TOLERANCE above."""
    rounding = 1e-9
    return ratio * (1 - rounding) <= reached <= ratio * TOLERANCE


def infeasible(method: str, ratio: float, reached: Iterable[float], advice: str = "") -> InfeasibleRatio:
    """The error that names the nearest of the ratios that can be ``reached``."""
    nearest = min(reached, key=lambda value: abs(math.log(value / ratio)))
    return InfeasibleRatio(
        f"{method!r} cannot compress {ratio:g}x here; nearest ratio: {nearest:.4g}x{advice}", nearest
    )


def _check_shape(rows: int, columns: int, padding_idx: int | None) -> None:
    if rows < 1 or columns < 1:
        raise SeeError(f"an embedding needs at least one row and one column, not {rows} x {columns}")
    if padding_idx is not None and not 0 <= padding_idx < rows:
        raise SeeError(f"padding_idx {padding_idx} is not one of the {rows} rows")


E = TypeVar("E", bound=type[Embedding])


def register(name: str) -> Callable[[E], E]:
    """Class decorator: make an :class:`Embedding` available as ``--see-method name``."""

    def add(cls: E) -> E:
        if REGISTRY.setdefault(name, cls) is not cls:
            raise ValueError(f"two embeddings are registered as {name!r}: {REGISTRY[name]} and {cls}")
        cls.method = name
        return cls

    return add


def embedding_class(method: str) -> type[Embedding]:
    """The class registered as ``method``."""
    try:
        return REGISTRY[method]
    except KeyError:
        raise SeeError(f"unknown embedding method {method!r}; there are: {', '.join(sorted(REGISTRY))}") from None


def options_of(cls: type[Embedding]) -> dict[str, bool]:
    """Options that a method takes: its name, and whether it must be given (or planned)."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {
        parameter.name: parameter.default is parameter.empty
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def training_options(cls: type[Embedding], options: dict[str, Any]) -> dict[str, Any]:
    """``options``, and those that training takes where they are missing or None."""
    return options | {name: value for name, value in cls.for_training.items() if options.get(name) is None}


def build(
    method: str,
    num_embeddings: int,
    embedding_dim: int,
    padding_idx: int | None = None,
    *,
    ratio: float | None = None,
    **options: Any,
) -> Embedding:
    """Build the embedding registered as ``method``.

    Args:
        method: a name in the registry.
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        ratio: compression to plan for; None when the options say all.
        **options: options of the method; None stands for its default.

    Raises:
        SeeError: an unknown method, an option the method does not take, an impossible value.
        InfeasibleRatio: the ratio cannot be reached.
    """
    cls = embedding_class(method)
    _check_shape(num_embeddings, embedding_dim, padding_idx)
    options = {name: value for name, value in options.items() if value is not None}
    known = options_of(cls)
    unknown = sorted(set(options) - set(known))
    if unknown:
        takes = ", ".join(sorted(known)) or "none"
        raise SeeError(f"method {method!r} takes no option {unknown[0]!r} (its options: {takes})")
    if ratio is not None:
        if not 0 < ratio < math.inf:
            raise SeeError(f"the ratio is {ratio}, but must be a number above 0")
        planned = cls.plan(ratio, num_embeddings, embedding_dim, **options)
        if given := sorted(planned.keys() & options.keys()):
            raise SeeError(f"give {method!r} either a ratio or {given[0]}, not both")
        options |= planned
    missing = [name for name, required in known.items() if required and name not in options]
    if missing:
        raise SeeError(f"method {method!r} needs {missing[0]!r}, or a ratio to plan it for")
    return cls(num_embeddings, embedding_dim, padding_idx, **options)
