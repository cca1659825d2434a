"""Recipes: read, checked, put together with other overrides."""

import re

import pytest

from experiments.hyperparameters import check_recipe, joined, read_recipes, write_recipes
from fairseq_see.errors import SeeError


def test_what_is_written_is_read(tmp_path):
    recipes = {
        "see": {
            "optimization.lr": [5e-05],
            "lr_scheduler._name": "polynomial_decay",
            "lr_scheduler.warmup_updates": 150,
        },
        "dense": {"optimization.lr": [0.002], "++model.dropout": "0.3"},
    }
    write_recipes(tmp_path / "recipes.yaml", recipes, ["why", "who"])
    assert read_recipes(tmp_path / "recipes.yaml") == recipes
    assert (tmp_path / "recipes.yaml").read_text().startswith("# why\n# who\nsee:\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("see: {", "no YAML"),
        ("", "does not map methods"),
        ("- see", "does not map methods"),
        ("sea: {a: 1}", "unknown embedding method 'sea'"),
        ("see: [a=1]", "see: write a mapping"),
        ("see:", "see: write a mapping"),
        ("see: {a: {b: 1}}", "cannot be an override's value"),
        ("see: {++optimization.max_epoch: 1}", "optimization.max_epoch is no part of a recipe"),
        ("see: {checkpoint.save_dir: x}", "checkpoint.save_dir is no part of a recipe"),
    ],
)
def test_another_file_is_told_in_a_line(tmp_path, text, message):
    (tmp_path / "recipes.yaml").write_text(text)
    with pytest.raises(SeeError, match=re.escape(message)) as error:
        read_recipes(tmp_path / "recipes.yaml")
    assert "\n" not in str(error.value) and "recipes.yaml" in str(error.value)
    with pytest.raises(SeeError, match="cannot read"):
        read_recipes(tmp_path / "absent.yaml")


def test_nothing_is_set_twice():
    assert joined({"a": 1}, {"+b": 2}, "here") == {"a": 1, "+b": 2}
    with pytest.raises(SeeError, match="here: b is set already, to 2"):
        joined({"a": 1, "+b": 2}, {"b": 3}, "here")
    assert check_recipe({}, "here") == {}
