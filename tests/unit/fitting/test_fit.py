"""The loop: it gets nearer, keeps the best, and refuses what cannot be."""

import math

import pytest
import torch

from fairseq_see.embeddings import build
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig, fit, parse_loss
from tests.unit.embeddings.conftest import random_index

V, D, PAD = 60, 27, 1


@pytest.fixture
def table():
    """Rows of different length, some numbers large."""
    torch.manual_seed(5)
    return torch.randn(V, D) * torch.rand(V, 1) * torch.logspace(0, -1, D)


def embedding(method="low_rank", **options):
    torch.manual_seed(6)
    return build(method, V, D, PAD, **options)


def see():
    return embedding("see_paper", index=random_index(V), vectors=2)


def distance(loss, fitted, table):
    real = torch.arange(V) != PAD
    return parse_loss(loss)(fitted.table()[real], table[real], None, 0.1).item()


@pytest.mark.parametrize("loss", ["l1", "power", "cosine", "direction", "mse:1,cosine:1"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_loss_falls_below_the_closed_form_start(table, loss, optimizer):
    fitted = embedding(rank=5)
    epochs = 60 if optimizer == "adam" else 8
    done = fit(fitted, table, FitConfig(loss, optimizer=optimizer, epochs=epochs, batch_rows=16))
    assert done.closed_form and len(done.losses) == epochs + 1
    assert done.losses[done.epoch] == min(done.losses) < 0.99 * done.losses[0]
    assert distance(loss, fitted, table) == pytest.approx(min(done.losses), rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_method_without_closed_form_is_fitted_from_where_it_is(table, optimizer):
    fitted = see()
    lr = {"adam": 0.02, "lbfgs": 1.0}[optimizer]
    done = fit(fitted, table, FitConfig(optimizer=optimizer, epochs=15, batch_rows=16, lr=lr))
    assert not done.closed_form and min(done.losses) < 0.7 * done.losses[0]
    assert not fitted.table()[PAD].any()


@pytest.mark.parametrize(
    ("method", "options"), [("see_paper", {"vectors": 2.5}), ("see", {"vectors": 2}), ("morphte", {"vectors": 2.5})]
)
def test_fits_from_aligned_vectors_end_nearer_than_zeros(method, options):
    def made(seed):
        torch.manual_seed(seed)
        return build(method, V, D, PAD, index=random_index(V), **options)

    table = made(0).table().detach()
    done = fit(made(1), table, FitConfig(epochs=60, batch_rows=16))
    assert not done.closed_form
    assert min(done.losses) < table.square().sum() / ((V - 1) * D)


@pytest.mark.parametrize(("make", "rate"), [(lambda: embedding(rank=5), 1e-3), (see, 1e-2)])
def test_the_rate_is_higher_where_the_start_is_far(table, make, rate):
    config = FitConfig("l1", epochs=2, batch_rows=16)
    assert fit(make(), table, config) == fit(make(), table, config._replace(lr=rate))


def test_what_is_worse_than_the_start_is_not_kept(table):
    """The truncated SVD cannot be beaten in mse."""
    fitted, start = embedding(rank=5), embedding(rank=5)
    table[PAD] = 0
    start.initialise_from(table)
    assert fit(fitted, table, FitConfig(lr=0.1, epochs=3)).epoch == 0
    assert fitted.table().equal(start.table())


def test_the_same_seed_gives_the_same_fit(table):
    config = FitConfig("mse", epochs=3, batch_rows=16)
    one, other = see(), see()
    assert fit(one, table, config) == fit(other, table, config) and one.table().equal(other.table())
    assert fit(see(), table, config._replace(seed=2)) != fit(see(), table, config)


def test_weights_move_the_fit_to_the_rows_that_have_them(table):
    weights = torch.where(torch.arange(V) < 10, 100.0, 1.0)
    plain, weighted = embedding(rank=3), embedding(rank=3)
    config = FitConfig(optimizer="lbfgs", epochs=5)
    fit(plain, table, config)
    fit(weighted, table, config, weights)
    errors = [(one.table() - table).detach().square().mean(1) for one in (plain, weighted)]
    frequent = torch.tensor([i for i in range(10) if i != PAD])
    assert errors[1][frequent].mean() < 0.5 * errors[0][frequent].mean()
    assert errors[1][10:].mean() > errors[0][10:].mean()


def test_the_optimum_under_weights_is_that_of_the_weighted_svd():
    """Independent of the loop: rows scaled by the roots of their weights, truncated, scaled back."""
    torch.manual_seed(7)
    table, weights = torch.randn(30, 8, dtype=torch.float64), torch.rand(30, dtype=torch.float64) + 0.1
    weights = weights / weights.mean()
    fitted = build("low_rank", 30, 8, rank=3).double()
    done = fit(fitted, table, FitConfig(optimizer="lbfgs", epochs=20), weights)
    rest = torch.linalg.svdvals(table * weights.sqrt().unsqueeze(1))[3:].square().sum()
    assert min(done.losses) == pytest.approx(rest.item() / (30 * 8), rel=1e-6)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (FitConfig(loss="huber"), "huber"),
        (FitConfig(optimizer="sgd"), "unknown optimizer 'sgd'"),
        (FitConfig(epochs=-1), "--epochs"),
        (FitConfig(batch_rows=0), "--batch-rows"),
        (FitConfig(lr=0.0), "--lr"),
        (FitConfig(alpha=(1.0, 0.0)), "--alpha"),
        (FitConfig(lr=1e30, epochs=3), "lower --lr"),
    ],
)
def test_impossible_configs_are_refused(table, config, message):
    with pytest.raises(SeeError, match=message):
        fit(embedding(rank=3), table, config)


def test_impossible_tables_are_refused(table):
    with pytest.raises(SeeError, match="60 x 27"):
        fit(embedding(rank=3), table[:, :20], FitConfig())
    table[3, 3] = torch.nan
    with pytest.raises(SeeError, match="finite"):
        fit(embedding(rank=3), table, FitConfig())


@pytest.mark.parametrize("weights", [[1.0] * 3, [0.0] * 60, [-1.0] * 60, [math.nan] * 60, [math.inf] * 60])
def test_impossible_weights_are_refused(table, weights):
    with pytest.raises(SeeError, match="must be 60 finite values, none negative and not all zero"):
        fit(embedding(rank=3), table, FitConfig(), torch.tensor(weights, dtype=table.dtype))


@pytest.mark.parametrize("config", [FitConfig(epochs=1), FitConfig(epochs=1, encoder=True)])
def test_no_gradient_is_left_behind(table, config):
    fitted = embedding(rank=3)
    fit(fitted, table, config)
    assert all(parameter.grad is None for parameter in fitted.parameters())
