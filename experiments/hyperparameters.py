"""Frozen recipes: what a search chose for each method, as overrides of all its runs.

scripts/search.sh writes them, and scripts/reproduce.sh takes them, as a mapping of methods to overrides:

    see:
      optimization.lr: [0.002]
      lr_scheduler._name: polynomial_decay
      lr_scheduler.warmup_updates: 150

How long a run is trained is no part of a recipe: who trains tells it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.run_list import OWN, as_overrides, bare, load_yaml
from fairseq_see.errors import SeeError
from fairseq_see.io import replacing

NOT_ITS_OWN = (*OWN, "optimization.max_update", "optimization.max_epoch", "lr_scheduler.total_num_update")

Overrides = dict[str, Any]


def length(updates: int) -> Overrides:
    """Overrides that train for so many updates; a polynomial_decay takes its length from them, too."""
    return {"optimization.max_update": updates, "optimization.max_epoch": 0}


def joined(given: Mapping[str, Any], added: Mapping[str, Any], where: str) -> Overrides:
    """Two lots of overrides as one.

    Raises:
        SeeError: one of those ``added`` is given already, with whatever plus signs; ``where`` it stands is told.
    """
    known = {bare(key): value for key, value in given.items()}
    for key in map(bare, added):
        if key in known:
            raise SeeError(f"{where}: {key} is set already, to {known[key]}; leave it out")
    return {**given, **added}


def check_recipe(recipe: Any, where: str) -> Overrides:
    """The recipe, if it is one.

    Raises:
        SeeError: it is no mapping of overrides to values, or sets what a recipe may not; ``where`` it stands is told.
    """
    if not isinstance(recipe, dict):
        raise SeeError(f"{where}: write a mapping of overrides to their values")
    as_overrides(recipe, where)
    for key in map(bare, recipe):
        if key in NOT_ITS_OWN:
            raise SeeError(f"{where}: {key} is no part of a recipe; leave it out")
    return recipe


def read_recipes(path: Path) -> dict[str, Overrides]:
    """The recipes of a file, by method.

    Raises:
        SeeError: it is no YAML, or anything about it is wrong.
    """
    from fairseq_see.embeddings import embedding_class

    recipes = load_yaml(path)
    if not isinstance(recipes, dict) or not recipes:
        raise SeeError(f"{path} does not map methods to overrides; scripts/search.sh writes a file that does")
    for method, recipe in recipes.items():
        try:
            embedding_class(method)
        except SeeError as error:
            raise SeeError(f"{path}: {error}") from error
        check_recipe(recipe, f"{path}, {method}")
    return recipes


def write_recipes(path: Path, recipes: Mapping[str, Overrides], comments: Sequence[str]) -> None:
    """Write a file for ``read_recipes``, opened by the comments."""
    import yaml

    text = "".join(f"# {line}\n" for line in comments) + yaml.safe_dump(dict(recipes), sort_keys=False)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
