"""Fits by name, so that the command line, the scripts and the experiments mean the same by it."""

from __future__ import annotations

from typing import Any, NamedTuple

from fairseq_see.errors import SeeError
from fairseq_see.fitting.fit import Recipe


class Method(NamedTuple):
    """A way to compress a table that is trained already.

    Attributes:
        embedding: registered name.
        recipe: how it is fitted.
        options: of the embedding.
    """

    embedding: str
    recipe: Recipe
    options: dict[str, Any]


RECIPES = {
    # Truncated SVD.
    "svd": Method("matrix", Recipe(epochs=0), {}),
    # The linear autoencoder of Balazy et al. 2021 (arXiv 2106.08181), with their batches.
    "direction": Method("matrix", Recipe(loss="direction", encoder=True, batch_rows=32), {"bias": True}),
    "see": Method("see", Recipe(), {}),
    "morphte": Method("morphte", Recipe(), {}),
}


def method_named(name: str) -> Method:
    """The method of a recipe's name.

    Raises:
        SeeError: there is none of this name.
    """
    if name not in RECIPES:
        raise SeeError(f"unknown recipe {name!r}; there are: {', '.join(RECIPES)}")
    return RECIPES[name]
