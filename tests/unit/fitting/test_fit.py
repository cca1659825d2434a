"""The loop: it gets nearer, goes on where it was, keeps the best, and refuses what cannot be."""

import math

import pytest
import torch

from fairseq_see.embeddings import build
from fairseq_see.errors import SeeError
from fairseq_see.fitting import Recipe, fit, parse_loss
from fairseq_see.fitting.fit import _Run
from tests.unit.embeddings.conftest import random_index

V, D, PAD = 60, 27, 1


@pytest.fixture
def table():
    """Rows of different length, some numbers large."""
    torch.manual_seed(5)
    return torch.randn(V, D) * torch.rand(V, 1) * torch.logspace(0, -1, D)


def embedding(method="matrix", **options):
    torch.manual_seed(6)
    return build(method, V, D, PAD, **options)


def see():
    return embedding("see", index=random_index(V), m=2)


def distance(loss, fitted, table):
    real = torch.arange(V) != PAD
    return parse_loss(loss)(fitted.table()[real], table[real], None, 0.1).item()


@pytest.mark.parametrize("loss", ["l1", "power", "cosine", "direction", "mse:1,cosine:1"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_loss_falls_below_the_closed_form_start(table, loss, optimizer):
    fitted = embedding(k=5)
    epochs = 60 if optimizer == "adam" else 8
    done = fit(fitted, table, Recipe(loss, optimizer=optimizer, epochs=epochs, batch_rows=16))
    assert done.closed_form and len(done.losses) == epochs + 1
    assert done.losses[done.epoch] == min(done.losses) < 0.99 * done.losses[0]
    assert distance(loss, fitted, table) == pytest.approx(min(done.losses), rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_method_without_closed_form_is_fitted_from_where_it_is(table, optimizer):
    fitted = see()
    lr = {"adam": 0.02, "lbfgs": 1.0}[optimizer]
    done = fit(fitted, table, Recipe(optimizer=optimizer, epochs=15, batch_rows=16, lr=lr))
    assert not done.closed_form and min(done.losses) < 0.7 * done.losses[0]
    assert not fitted.table()[PAD].any()


@pytest.mark.parametrize(
    ("method", "options"), [("see", {"m": 2.5}), ("see", {"m": 2, "layernorm": True}), ("morphte", {"rank": 2.5})]
)
def test_fits_from_aligned_vectors_end_nearer_than_zeros(method, options):
    def made(seed):
        torch.manual_seed(seed)
        return build(method, V, D, PAD, index=random_index(V), **options)

    table = made(0).table().detach()
    done = fit(made(1), table, Recipe(epochs=60, batch_rows=16))
    assert not done.closed_form
    assert min(done.losses) < table.square().sum() / ((V - 1) * D)


@pytest.mark.parametrize(("make", "rate"), [(lambda: embedding(k=5), 1e-3), (see, 1e-2)])
def test_the_rate_is_higher_where_the_start_is_far(table, make, rate):
    recipe = Recipe("l1", epochs=2, batch_rows=16)
    assert fit(make(), table, recipe) == fit(make(), table, recipe._replace(lr=rate))


def test_what_is_worse_than_the_start_is_not_kept(table):
    """The truncated SVD cannot be beaten in mse."""
    fitted, start = embedding(k=5), embedding(k=5)
    table[PAD] = 0
    start.fit_start(table)
    assert fit(fitted, table, Recipe(lr=0.1, epochs=3)).epoch == 0
    assert fitted.table().equal(start.table())


@pytest.mark.parametrize(
    ("make", "recipe"),
    [
        (see, Recipe("mse", epochs=5, batch_rows=16)),
        (see, Recipe("mse:1,cosine:1", optimizer="lbfgs", epochs=5)),
        (lambda: embedding(k=4.5, bias=True), Recipe("direction", encoder=True, epochs=5, batch_rows=16)),
    ],
)
def test_resumed_equals_straight_to_the_bit(table, tmp_path, monkeypatch, make, recipe):
    straight, resumed = make(), make()
    weights = torch.rand(V) + 0.1
    expected = fit(straight, table, recipe, weights)

    save, state = _Run.save, tmp_path / "state"

    def save_and_stop(self, *args):
        save(self, *args)
        if self.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Run, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            fit(make(), table, recipe, weights, state)
    assert torch.load(state, weights_only=True)["epoch"] == 3
    assert fit(resumed, table, recipe, weights, state) == expected
    for name, value in straight.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name
    # Once more, from the end.
    again = make()
    assert fit(again, table, recipe, weights, state) == expected
    assert again.table().equal(straight.table())

    with pytest.raises(SeeError, match="other settings or another table"):
        fit(make(), table, recipe._replace(seed=2), weights, state)
    with pytest.raises(SeeError, match="other settings or another table"):
        fit(make(), table + 1, recipe, weights, state)
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(SeeError, match="does not hold the state of a fit"):
        fit(make(), table, recipe, weights, state)


def test_weights_move_the_fit_to_the_rows_that_have_them(table):
    weights = torch.where(torch.arange(V) < 10, 100.0, 1.0)
    plain, weighted = embedding(k=3), embedding(k=3)
    recipe = Recipe(optimizer="lbfgs", epochs=5)
    fit(plain, table, recipe)
    fit(weighted, table, recipe, weights)
    errors = [(one.table() - table).detach().square().mean(1) for one in (plain, weighted)]
    frequent = torch.tensor([i for i in range(10) if i != PAD])
    assert errors[1][frequent].mean() < 0.5 * errors[0][frequent].mean()
    assert errors[1][10:].mean() > errors[0][10:].mean()


def test_the_optimum_under_weights_is_that_of_the_weighted_svd():
    """Independent of the loop: rows scaled by the roots of their weights, truncated, scaled back."""
    torch.manual_seed(7)
    table, weights = torch.randn(30, 8, dtype=torch.float64), torch.rand(30, dtype=torch.float64) + 0.1
    weights = weights / weights.mean()
    fitted = build("matrix", 30, 8, k=3).double()
    done = fit(fitted, table, Recipe(optimizer="lbfgs", epochs=20), weights)
    rest = torch.linalg.svdvals(table * weights.sqrt().unsqueeze(1))[3:].square().sum()
    assert min(done.losses) == pytest.approx(rest.item() / (30 * 8), rel=1e-6)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(loss="huber"), "huber"),
        (Recipe(optimizer="sgd"), "unknown optimizer 'sgd'"),
        (Recipe(epochs=-1), "--epochs"),
        (Recipe(batch_rows=0), "--batch-rows"),
        (Recipe(lr=0.0), "--lr"),
        (Recipe(alpha=(1.0, 0.0)), "--alpha"),
        (Recipe(lr=1e30, epochs=3), "lower --lr"),
    ],
)
def test_impossible_recipes_are_refused(table, recipe, message):
    with pytest.raises(SeeError, match=message):
        fit(embedding(k=3), table, recipe)


def test_impossible_tables_are_refused(table):
    with pytest.raises(SeeError, match="60 x 27"):
        fit(embedding(k=3), table[:, :20], Recipe())
    table[3, 3] = torch.nan
    with pytest.raises(SeeError, match="finite"):
        fit(embedding(k=3), table, Recipe())
    with pytest.raises(SeeError, match="no row but the padding row"):
        fit(build("matrix", 1, 4, 0, k=1), torch.zeros(1, 4), Recipe())


@pytest.mark.parametrize("weights", [[1.0] * 3, [0.0] * 60, [-1.0] * 60, [math.nan] * 60, [math.inf] * 60])
def test_impossible_weights_are_refused(table, weights):
    with pytest.raises(SeeError, match="must be 60 numbers, none negative and not all zero"):
        fit(embedding(k=3), table, Recipe(), torch.tensor(weights, dtype=table.dtype))


@pytest.mark.parametrize("recipe", [Recipe(epochs=1), Recipe(epochs=1, encoder=True)])
def test_no_gradient_is_left_behind(table, recipe):
    fitted = embedding(k=3)
    fit(fitted, table, recipe)
    assert all(parameter.grad is None for parameter in fitted.parameters())
