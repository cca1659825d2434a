"""From a method's name to an embedding: built with planned or given hyper-parameters, or restored from a record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fairseq_see.embeddings.base import Embedding
from fairseq_see.embeddings.buffers import IndexSizes
from fairseq_see.embeddings.config import MethodConfig
from fairseq_see.errors import SeeError
from fairseq_see.units import UnitIndex

REGISTRY: dict[str, type[Embedding]] = {}

# The paper's name for a low-rank factorisation.
ALIASES = {"matrix": "low_rank"}

# Hyper-parameters by their names in version 0.1.
_FORMER = {"m": "vectors", "head": "frequent_share", "gain": "output_scale", "k": "rank", "codes": "subvectors"}

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
        return REGISTRY[ALIASES.get(method, method)]
    except KeyError:
        raise SeeError(f"unknown embedding method {method!r}; there are: {', '.join(sorted(REGISTRY))}") from None


def complete_config(
    method: str,
    num_embeddings: int,
    embedding_dim: int,
    ratio: float | None = None,
    index: UnitIndex | None = None,
    options: Mapping[str, Any] | None = None,
) -> MethodConfig:
    """The hyper-parameters of a method, those that a ratio decides planned.

    Args:
        method: a name in the registry.
        num_embeddings: V.
        embedding_dim: d.
        ratio: compression to plan for; None where the options say all.
        index: the unit index, where the method uses one.
        options: hyper-parameters by name; None stands for a default.

    Raises:
        SeeError: an unknown method or option, an impossible value, or a missing one.
        InfeasibleRatio: the ratio cannot be reached.
    """
    cls = embedding_class(method)
    config = cls.Config.of(method, options or {})
    if num_embeddings < 1 or embedding_dim < 1:
        raise SeeError(f"an embedding needs at least one row and one column, not {num_embeddings} x {embedding_dim}")
    if cls.uses_index:
        _check_index(method, index, num_embeddings)
    open_fields = config.unplanned()
    if ratio is not None:
        if not 0 < ratio < math.inf:
            raise SeeError(f"the ratio is {ratio}, but must be a number above 0")
        planned = [each for each in cls.Config().unplanned() if each not in open_fields]
        if planned:
            raise SeeError(f"give {method!r} either a ratio or {planned[0]}, not both")
        return cls.plan(config, ratio, num_embeddings, embedding_dim, index)
    if open_fields:
        raise SeeError(f"method {method!r} needs {open_fields[0]!r}, or a ratio to plan it for")
    return config


def build(
    method: str,
    num_embeddings: int,
    embedding_dim: int,
    padding_idx: int | None = None,
    *,
    ratio: float | None = None,
    index: UnitIndex | None = None,
    **options: Any,
) -> Embedding:
    """Build the embedding registered as ``method``.

    Args:
        method: a name in the registry.
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the embedding that stays zero.
        ratio: compression to plan for; None where the options say all.
        index: the unit index of the V tokens, for methods that use one; others ignore it.
        **options: hyper-parameters of the method; None stands for a default.

    Raises:
        SeeError: as :func:`complete_config`, or a padding that is no row.
        InfeasibleRatio: the ratio cannot be reached.
    """
    config = complete_config(method, num_embeddings, embedding_dim, ratio, index, options)
    if padding_idx is not None and not 0 <= padding_idx < num_embeddings:
        raise SeeError(f"padding_idx {padding_idx} is not one of the {num_embeddings} rows")
    return _instance(embedding_class(method), config, num_embeddings, embedding_dim, padding_idx, index)


def restore(description: Mapping[str, Any]) -> Embedding:
    """Build an embedding whose weights and index are about to be loaded from a state dict.

    Args:
        description: what :meth:`~fairseq_see.embeddings.base.Embedding.describe` returned.

    Raises:
        SeeError: it is damaged, or holds an option that this version does not know.
    """
    try:
        shape = [description[name] for name in ("rows", "columns", "padding")]
        method, config, sizes = description["method"], description["config"], description.get("index")
        cls, index = embedding_class(method), None if sizes is None else IndexSizes(**sizes)
        return _instance(cls, cls.Config.of(method, config), shape[0], shape[1], shape[2], index)
    except (KeyError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise SeeError(f"the description of an embedding is damaged ({error}); write the model again") from error


def upgrade(method: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The description of an embedding that version 0.1 recorded as rows, columns, padding and settings."""
    settings = {_FORMER.get(name, name): value for name, value in table["settings"].items()}
    if method == "morphte":
        settings["vectors"] = settings.pop("rank")
    sizes = settings.pop("shape", None)
    if method == "see" and not settings.get("frequent_share"):
        settings["frequent_share"] = 0.0
    index = {} if sizes is None else {"index": sizes}
    return {
        "method": ALIASES.get(method, method),
        **{k: table[k] for k in ("rows", "columns", "padding")},
        "config": settings,
        **index,
    }


def _instance(
    cls: type[Embedding], config: MethodConfig, rows: int, columns: int, padding: int | None, index: Any
) -> Embedding:
    make: Any = cls
    return make(config, rows, columns, padding, index) if cls.uses_index else make(config, rows, columns, padding)


def _check_index(method: str, index: UnitIndex | None, num_embeddings: int) -> None:
    if not isinstance(index, UnitIndex):
        raise SeeError(f"{method!r} needs a unit index, not {index!r}; fairseq-see index builds one")
    if index.num_words != num_embeddings:
        raise SeeError(f"the unit index has {index.num_words} words, the dictionary {num_embeddings}; build it again")
