"""The linear autoencoder: what it leaves behind is a matrix, and the embeddings held out choose the epoch."""

import pytest
import torch

from fairseq_see.embeddings import build
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig, fit
from fairseq_see.fitting.encoder import LinearEncoder
from fairseq_see.fitting.fit import _Loop, _split
from tests.unit.embeddings.conftest import random_index

V, D, PAD = 300, 20, 1


@pytest.fixture
def matrix():
    """Embeddings of rank 6 and noise, of very different length, round a mean that is not zero."""
    torch.manual_seed(8)
    matrix = (torch.randn(V, 6) @ torch.randn(6, D) + torch.randn(V, D)) * torch.randn(V, 1).exp() + torch.randn(D)
    matrix[PAD] = 0
    return matrix


@pytest.mark.parametrize(("k", "bias"), [(4, False), (4, True), (4.5, True)])
def test_the_initialisation_is_the_svd_of_the_embeddings_learnt_from(matrix, k, bias):
    torch.manual_seed(0)
    embedding, svd = (build("low_rank", V, D, PAD, rank=k, bias=bias) for _ in range(2))
    LinearEncoder(embedding, matrix, torch.tensor([i for i in range(V) if i != PAD])).leave_latents()
    if k == 4:
        svd.initialise_from(matrix)
        torch.testing.assert_close(embedding.table(), svd.table(), atol=1e-4, rtol=1e-4)
    real = torch.arange(V) != PAD
    right = torch.linalg.svd(matrix[real])[2]
    for i in (0, V // 2 - 1, V // 2, V - 1):
        # The last latent of a fraction belongs to the first half of the words.
        kept = right[: 5 if k == 4.5 and i < V // 2 else 4]
        expected = matrix[i] @ kept.T @ kept
        torch.testing.assert_close(embedding.table()[i].detach(), expected, atol=1e-4, rtol=1e-4)


def test_latents_are_a_linear_map_of_the_embeddings_afterwards(matrix):
    embedding = build("low_rank", V, D, PAD, rank=6, bias=True)
    done = fit(embedding, matrix, FitConfig("direction", batch_rows=16, encoder=True))
    assert done.epoch > 0 and min(done.losses) < 0.97 * done.losses[0]
    with_one = torch.cat((matrix, torch.ones(V, 1)), 1)
    fitted = torch.linalg.lstsq(with_one, embedding.left.detach()).solution
    torch.testing.assert_close(with_one @ fitted, embedding.left.detach(), atol=1e-4, rtol=1e-4)
    assert not embedding.table()[PAD].any()


def test_embeddings_held_out_are_not_learnt_from(matrix):
    """Nothing of them reaches the parameters of either half."""
    config = FitConfig("direction", epochs=4, encoder=True)
    train, held_out = _split(torch.tensor([i for i in range(V) if i != PAD]), config)
    assert len(held_out) == 29 and not set(train.tolist()) & set(held_out.tolist())
    changed = matrix.clone()
    changed[held_out] = 1 + matrix[held_out]
    halves = []
    for rows in (matrix, changed):
        embedding = build("low_rank", V, D, PAD, rank=4, bias=True)
        # As the losses of embeddings held out choose the epoch, compare the last one's.
        module = LinearEncoder(embedding, rows, train)
        loop = _Loop(module, rows, None, config, closed_form=True)
        for epoch in range(4):
            loop.step(epoch, train)
        halves.append([module.weight, module.bias, embedding.right, embedding.bias])
    for one, other in zip(*halves, strict=True):
        assert one.equal(other)


def test_only_a_matrix_has_a_linear_decoder(matrix):
    embedding = build("see", 60, 20, index=random_index(60), vectors=2)
    with pytest.raises(SeeError, match="goes with --see-method low_rank, not with 'see'"):
        fit(embedding, matrix[:60], FitConfig(encoder=True))
