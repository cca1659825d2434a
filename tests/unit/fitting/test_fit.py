"""The loop: it gets nearer, keeps the best, and refuses what cannot be."""

import math

import pytest
import torch

from fairseq_see.embeddings import build
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig, fit, initialise, parse_loss
from tests.unit.embeddings.conftest import random_index

V, D, PAD = 60, 27, 1
REAL = torch.arange(V) != PAD


@pytest.fixture
def matrix():
    """Embeddings of different length, some elements large."""
    torch.manual_seed(5)
    return torch.randn(V, D) * torch.rand(V, 1) * torch.logspace(0, -1, D)


def low_rank(rank=5):
    torch.manual_seed(6)
    return build("low_rank", V, D, PAD, rank=rank)


def see(method="see_paper", seed=6, vectors=2):
    torch.manual_seed(seed)
    return build(method, V, D, PAD, index=random_index(V), vectors=vectors)


@pytest.mark.parametrize("loss", ["l1", "power", "cosine", "direction", "mse:1,cosine:1"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_every_loss_falls_below_the_closed_form(matrix, loss, optimizer):
    fitted, epochs = low_rank(), 60 if optimizer == "adam" else 8
    done = fit(fitted, matrix, FitConfig(loss, optimizer=optimizer, epochs=epochs, batch_rows=16))
    assert done.closed_form and len(done.losses) == epochs + 1
    assert done.losses[done.epoch] == min(done.losses) < 0.99 * done.losses[0]
    reached = parse_loss(loss)(fitted.table()[REAL], matrix[REAL], None, 0.1).item()
    assert reached == pytest.approx(min(done.losses), rel=1e-5)


@pytest.mark.parametrize(("optimizer", "lr"), [("adam", 0.02), ("lbfgs", 1.0)])
def test_a_method_without_closed_form_is_fitted_from_where_it_is(matrix, optimizer, lr):
    fitted = see()
    done = fit(fitted, matrix, FitConfig(optimizer=optimizer, epochs=15, batch_rows=16, lr=lr))
    assert not done.closed_form and min(done.losses) < 0.7 * done.losses[0]
    assert not fitted.table()[PAD].any()


@pytest.mark.parametrize(("method", "vectors"), [("see_paper", 2.5), ("see", 2), ("morphte", 2.5)])
def test_fits_from_aligned_vectors_end_nearer_than_zeros(method, vectors):
    matrix = see(method, 0, vectors).table().detach()
    done = fit(see(method, 1, vectors), matrix, FitConfig(epochs=60, batch_rows=16))
    assert not done.closed_form and min(done.losses) < matrix.square().sum() / ((V - 1) * D)


@pytest.mark.parametrize(("make", "rate"), [(low_rank, 1e-3), (see, 1e-2)])
def test_the_rate_is_higher_where_the_initialisation_is_far(matrix, make, rate):
    config = FitConfig("l1", epochs=2, batch_rows=16)
    assert fit(make(), matrix, config) == fit(make(), matrix, config._replace(lr=rate))


def test_only_a_closed_form_initialises(matrix):
    """And the truncated SVD cannot be beaten in mse: what is worse than the initialisation is not kept."""
    near, fitted, far, random = low_rank(), low_rank(), see(), see()
    assert initialise(near, matrix, torch.ones(V)) and not initialise(far, matrix)
    assert far.table().equal(random.table())
    left, values, right = torch.linalg.svd(matrix * REAL.unsqueeze(1))
    expected = left[:, :5] * values[:5] @ right[:5]
    torch.testing.assert_close(near.table()[REAL].detach(), expected[REAL], atol=1e-5, rtol=1e-4)
    assert fit(fitted, matrix, FitConfig(lr=0.1, epochs=3)).epoch == 0
    torch.testing.assert_close(fitted.table(), near.table(), atol=1e-5, rtol=1e-4)


def test_the_same_seed_gives_the_same_fit(matrix):
    config = FitConfig("mse", epochs=3, batch_rows=16)
    one, other = see(), see()
    assert fit(one, matrix, config) == fit(other, matrix, config) and one.table().equal(other.table())
    assert fit(see(), matrix, config._replace(seed=2)) != fit(see(), matrix, config)


def test_the_optimum_under_weights_is_that_of_the_weighted_svd():
    """Independent of the loop: rows scaled by the roots of their weights, truncated."""
    torch.manual_seed(7)
    matrix, weights = torch.randn(30, 8, dtype=torch.float64), torch.rand(30, dtype=torch.float64) + 0.1
    weights = weights / weights.mean()
    done = fit(build("low_rank", 30, 8, rank=3).double(), matrix, FitConfig(optimizer="lbfgs", epochs=20), weights)
    rest = torch.linalg.svdvals(matrix * weights.sqrt().unsqueeze(1))[3:].square().sum()
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
def test_impossible_configs_are_refused(matrix, config, message):
    with pytest.raises(SeeError, match=message):
        fit(low_rank(), matrix, config)


def test_impossible_matrices_are_refused(matrix):
    with pytest.raises(SeeError, match="60 x 27"):
        initialise(low_rank(), matrix[:, :20])
    matrix[3, 3] = torch.nan
    with pytest.raises(SeeError, match="finite"):
        fit(low_rank(), matrix, FitConfig())


@pytest.mark.parametrize("weights", [[1.0] * 3, [0.0] * 60, [-1.0] * 60, [math.nan] * 60, [math.inf] * 60])
def test_impossible_weights_are_refused(matrix, weights):
    with pytest.raises(SeeError, match="must be 60 finite values, none negative and not all zero"):
        fit(low_rank(), matrix, FitConfig(), torch.tensor(weights, dtype=matrix.dtype))


@pytest.mark.parametrize("encoder", [False, True])
def test_no_gradient_is_left_behind(matrix, encoder):
    fitted = low_rank()
    fit(fitted, matrix, FitConfig(epochs=1, encoder=encoder))
    assert all(parameter.grad is None for parameter in fitted.parameters())
