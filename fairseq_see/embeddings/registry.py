"""From a method's name to an embedding: built with planned or given hyper-parameters, or restored from a record."""

import math
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
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


def import_user_dir(folder: str | Path) -> None:
    """Import a package with methods of a user's own, as fairseq's ``--user-dir`` does; SeeError if there is none."""
    path = Path(folder).resolve()
    if not path.is_dir():
        raise SeeError(f"{folder} is no folder; --user-dir or SEE_USER_DIR names a package of your own")
    sys.path.insert(0, str(path.parent))
    import_module(path.name)


def find_class(method: str) -> type[Embedding]:
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
    """The hyper-parameters of a method, those that a ratio decides planned; arguments as of :func:`build`.

    Raises:
        SeeError: an unknown method or option, or an impossible value.
        InfeasibleRatio: the ratio cannot be reached.
    """
    cls = find_class(method)
    config = cls.Config.from_options(method, options or {})
    if num_embeddings < 1 or embedding_dim < 1:
        raise SeeError(f"an embedding needs at least one row and one column, not {num_embeddings} x {embedding_dim}")
    if cls.uses_index:
        if not isinstance(index, UnitIndex):
            raise SeeError(f"{method!r} needs a unit index, not {index!r}; fairseq-see index builds one")
        if index.num_words != num_embeddings:
            raise SeeError(
                f"the unit index has {index.num_words} words, the dictionary {num_embeddings}; build it again"
            )
    if ratio is None:
        return config
    if not 0 < ratio < math.inf:
        raise SeeError(f"the ratio is {ratio}, but must be a number above 0")
    if given := [each for each in cls.Config().list_unplanned() if each not in config.list_unplanned()]:
        raise SeeError(f"give {method!r} either a ratio or {given[0]}, not both")
    return cls.plan(config, ratio, num_embeddings, embedding_dim, index)


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
        ratio: compression to plan for; None where the options are complete.
        index: the unit index of the V tokens, for methods that use one; others ignore it.
        **options: hyper-parameters of the method; None stands for a default.

    Raises:
        SeeError: as :func:`complete_config`, a missing hyper-parameter, or a padding that is no row.
        InfeasibleRatio: the ratio cannot be reached.
    """
    config = complete_config(method, num_embeddings, embedding_dim, ratio, index, options)
    if padding_idx is not None and not 0 <= padding_idx < num_embeddings:
        raise SeeError(f"padding_idx {padding_idx} is not one of the {num_embeddings} rows")
    return find_class(method).create(config, num_embeddings, embedding_dim, padding_idx, index)


def restore(description: Mapping[str, Any]) -> Embedding:
    """Build an embedding whose weights and index are about to be loaded, from what ``Embedding.describe`` returned.

    Raises:
        SeeError: it is damaged, or holds an option that this version does not know.
    """
    try:
        cls, sizes = find_class(description["method"]), description.get("index")
        config = cls.Config.from_options(description["method"], description["config"])
        rows, columns, padding = (description[name] for name in ("rows", "columns", "padding"))
        return cls.create(config, rows, columns, padding, None if sizes is None else IndexSizes(**sizes))
    except (KeyError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise SeeError(f"the description of an embedding is damaged ({error}); write the model again") from error


def upgrade(method: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The description of an embedding that version 0.1 recorded as rows, columns, padding and settings."""
    config = {_FORMER.get(name, name): value for name, value in table["settings"].items()}
    sizes = config.pop("shape", None)
    if method == "morphte":
        config["vectors"] = config.pop("rank")
    if method == "see":
        config["frequent_share"] = config.get("frequent_share") or 0.0
    shape = {name: table[name] for name in ("rows", "columns", "padding")}
    index = {} if sizes is None else {"index": sizes}
    return {"method": ALIASES.get(method, method), **shape, "config": config, **index}
