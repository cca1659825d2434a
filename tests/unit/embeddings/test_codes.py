"""Learnt codes, few bits and frozen embeddings against slow readings of their formulas, and packing by hand."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_see.embeddings import REGISTRY, build, find_class, load
from fairseq_see.embeddings.buffers import pack_state
from fairseq_see.embeddings.exported import write
from fairseq_see.embeddings.packing import count_packed_bytes, pack_codes, unpack_codes
from fairseq_see.errors import SeeError
from tests.unit.embeddings.conftest import find_reachable


@given(
    states=st.sampled_from([2, 3, 4, 5, 6, 7, 16, 17, 64, 100, 255, 256]),
    rows=st.integers(0, 9),
    columns=st.integers(1, 7),
    seed=st.integers(0, 9),
)
def test_packed_codes_come_back(states, rows, columns, seed):
    codes = torch.randint(states, (rows, columns), generator=torch.Generator().manual_seed(seed)).byte()
    packed = pack_codes(codes, states)
    assert unpack_codes(packed).equal(codes) and len(packed) == 16 + count_packed_bytes(rows * columns, states)


@pytest.mark.parametrize(
    ("states", "codes", "expected"),
    [(256, 7, 7), (64, 4, 3), (64, 5, 4), (16, 3, 2), (3, 5, 1), (3, 6, 2), (6, 4, 2), (2, 9, 2), (17, 8, 5)],
)
def test_bytes_of_codes(states, codes, expected):
    """Six bits for 64 states; five ternary digits in a byte, since 3^5 = 243."""
    assert count_packed_bytes(codes, states) == expected


def test_packed_by_hand():
    """1, 0, 2, 1, 1 in base 3, the lowest digit first: 1 + 2 * 9 + 27 + 81 = 127; digits from -1 to 1 likewise."""
    assert pack_codes(torch.tensor([[1, 0, 2, 1, 1]], dtype=torch.uint8), 3)[16:].tolist() == [127]
    digits = torch.tensor([[0, -1, 1, 0, 0]], dtype=torch.int8)
    packed = pack_codes(digits, 3)
    assert packed[16:].tolist() == [127] and unpack_codes(packed).equal(digits)
    # 5 = 101 and 3 = 011 in three bits each, the lowest bit first.
    assert pack_codes(torch.tensor([[5, 3]], dtype=torch.uint8), 7)[16:].tolist() == [0b10111000]


def test_damaged_codes_are_refused():
    packed = pack_codes(torch.zeros(4, 3, dtype=torch.uint8), 16)
    for damaged in (packed[:-1], torch.cat((packed, packed[:1]))):
        with pytest.raises(SeeError, match="packed codes are damaged"):
            unpack_codes(damaged)


def rounded(value, bits):
    """A float64 array of rows (..., n), rounded one after another to integers times a scale in half precision."""
    out, largest = np.empty_like(value), 2 ** (bits - 1) - 1
    for place in np.ndindex(value.shape[:-1]):
        scale = float(np.float16(np.float32(max(abs(value[place]))) / np.float32(largest)))
        integers = [min(largest, max(-largest, round(float(each) / scale))) if scale else 0 for each in value[place]]
        out[place] = np.multiply(integers, scale)
    return out


@pytest.mark.parametrize("bits", [8, 6, 4])
@pytest.mark.parametrize("method", sorted(REGISTRY))
def test_parameters_are_shipped_rounded_by_row(method, bits, random_index, tmp_path):
    torch.manual_seed(bits)
    given = {"index": random_index(90)} if find_class(method).uses_index else {}
    embedding = build(method, 90, 27, 1, **given, ratio=find_reachable(method, 2.0, 90, 27, **given))
    small = embedding.ship()
    state = {f"encoder.embed_tokens.{name}": value for name, value in pack_state(small).items()}
    stored = write(tmp_path, state, {"embeddings": {"encoder": small.describe()}}, bits)

    expected = small.double()
    for name, parameter in expected.named_parameters():
        if parameter.dim() > 1 and f"encoder.embed_tokens.{name}.scales" in stored:
            parameter.data = torch.from_numpy(rounded(parameter.detach().numpy(), bits))
        elif f"encoder.embed_tokens.{name}" in stored:
            parameter.data = parameter.detach().half().double()
    torch.testing.assert_close(load(tmp_path).double().table(), expected.table())
    headers = 16 * sum(name.endswith(".packed") for name in stored)
    size = sum(tensor.nbytes for name, tensor in stored.items() if not name.endswith("config_version"))
    assert embedding.footprint(bits).bytes == size - headers
    assert json.loads((tmp_path / "config.json").read_text())["bytes"] == size + 8


def choose_codes(embedding, *words):
    return embedding.choose_codes(embedding.queries[list(words)])


def nearest(embedding, word):
    """The codes of a word, one distance after another."""
    codes = []
    for part in range(embedding.subvectors):
        query = embedding.queries[word, part]
        distances = [(query - centroid).square().sum().item() for centroid in embedding.codebooks[part]]
        codes.append(distances.index(min(distances)))
    return codes


@pytest.mark.parametrize("widths", [[3, 3, 3, 3], [3, 2, 3, 2, 2]])
def test_vq_takes_the_nearest_centroids(widths):
    embedding = build("dpq", 50, 12, 1, subvectors=len(widths), centroids=5).double()
    optimizer = torch.optim.Adam(embedding.parameters(), lr=0.1)
    embedding.table().square().sum().backward()
    optimizer.step()
    for word in (0, 7, 49):
        codes = nearest(embedding, word)
        assert choose_codes(embedding, word)[0].tolist() == codes
        parts = zip(codes, widths, strict=True)
        expected = torch.cat([embedding.codebooks[part, code, :width] for part, (code, width) in enumerate(parts)])
        torch.testing.assert_close(embedding.rows(torch.tensor([word]))[0], expected)
    drawn = torch.get_rng_state()
    torch.testing.assert_close(embedding.ship().table(), embedding.table().float())
    assert torch.get_rng_state().equal(drawn)


def test_dpq_has_unequal_subvectors_where_no_equal_ones_meet_a_ratio():
    """d is a prime: one subvector, or one for each dimension, or unequal ones."""
    planned = build("dpq", 5000, 37, ratio=12).ship()
    assert planned.config.subvectors not in (1, 37) and 12 <= planned.ratio <= 12.36


def test_vq_gives_its_gradient_to_the_centroid_and_straight_through_to_the_query():
    embedding = build("dpq", 50, 12, subvectors=4, centroids=5).double()
    slope = torch.randn(50, 12, dtype=torch.float64)
    (embedding.table() * slope).sum().backward()
    torch.testing.assert_close(embedding.queries.grad, slope.view(50, 4, 3))
    expected = torch.zeros_like(embedding.codebooks)
    for word in range(50):
        for part, code in enumerate(nearest(embedding, word)):
            expected[part, code] += slope[word, 3 * part : 3 * part + 3]
    torch.testing.assert_close(embedding.codebooks.grad, expected)


@pytest.mark.parametrize("widths", [[3, 3], [2, 1, 2, 1]])
def test_sx_is_hard_forwards_and_a_softmax_backwards(widths):
    def join(parts):
        return torch.cat([part[:, :width] for part, width in zip(parts, widths, strict=True)], 1)

    torch.manual_seed(0)
    embedding = build("dpq", 40, 6, subvectors=len(widths), centroids=4, response="sx").double()
    responses = torch.einsum("nmq,mkq->nmk", embedding.queries, embedding.keys)
    flat = responses.reshape(40, -1)
    normalised = ((flat - flat.mean(0)) / (flat.var(0, unbiased=False) + 1e-5).sqrt()).view(responses.shape)
    soft = normalised.softmax(2)
    slope = torch.randn(40, 6, dtype=torch.float64)
    expected = join(torch.einsum("nmk,mkq->mnq", soft, embedding.codebooks))
    parameters = [embedding.queries, embedding.keys]
    theirs = torch.autograd.grad((expected * slope).sum(), parameters)
    table = embedding.table()
    ours = torch.autograd.grad((table * slope).sum(), parameters)
    torch.testing.assert_close(ours, theirs)
    chosen = normalised.argmax(2)
    torch.testing.assert_close(table, join([book[chosen[:, part]] for part, book in enumerate(embedding.codebooks)]))


def test_sx_reads_a_single_word_and_its_checkpoints_can_be_averaged():
    """Of one word there is no variance: it is normalised by that of the words before."""
    torch.manual_seed(0)
    embedding = build("dpq", 2049, 6, subvectors=2, centroids=4, response="sx").double()
    before = {name: value.clone() for name, value in embedding.state_dict().items()}
    table = embedding.table()
    assert table.shape == (2049, 6)
    # The backward pass computes the responses again, which moves no moments.
    table.sum().backward()
    mean, variance = (embedding.state_dict()[f"norm.running_{name}"].clone() for name in ("mean", "var"))
    flat = torch.einsum("nmq,mkq->nmk", embedding.queries, embedding.keys).detach().flatten(1)
    torch.testing.assert_close(mean, 0.9 * before["norm.running_mean"] + 0.1 * flat[:2048].mean(0))
    torch.testing.assert_close(variance, 0.9 * before["norm.running_var"] + 0.1 * flat[:2048].var(0))
    codes = ((flat[7] - mean) / (variance + 1e-5).sqrt()).view(2, 4).argmax(1)
    expected = torch.cat([book[code] for book, code in zip(embedding.codebooks, codes, strict=True)])
    torch.testing.assert_close(embedding.lookup(torch.tensor([7, 7]))[1], expected)
    changed = {name for name, value in embedding.state_dict().items() if not value.equal(before[name])}
    assert changed == {"norm.running_mean", "norm.running_var"}


@pytest.mark.parametrize("response", ["vq", "sx"])
@pytest.mark.parametrize("subvectors", [4, 5])
def test_codes_are_learnt_from_a_fits_initialisation_on(response, subvectors):
    torch.manual_seed(0)
    matrix = torch.randn(300, 16) * torch.logspace(0, -1, 16)
    embedding = build("dpq", 300, 16, subvectors=subvectors, centroids=16, response=response)
    assert embedding.initialise_from(matrix)
    if response == "vq":
        quantised = build("product_quantised", 300, 16, subvectors=subvectors, centroids=16)
        quantised.initialise_from(matrix)
        torch.testing.assert_close(embedding.table(), quantised.table())
    else:
        # It serves what it is trained on from.
        flat = torch.einsum("nmq,mkq->nmk", embedding.queries, embedding.keys).flatten(1)
        moments = embedding.norm.running_mean, embedding.norm.running_var
        torch.testing.assert_close(moments, (flat.mean(0), flat.var(0)), atol=1e-5, rtol=1e-3)
        served = embedding.eval().table()
        torch.testing.assert_close(embedding.train().table(), served)
    every = range(300)
    before, optimizer = choose_codes(embedding, *every), torch.optim.Adam(embedding.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = (embedding.table() - matrix.flip(0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0] and (choose_codes(embedding, *every) != before).float().mean() > 0.2


def test_a_checkpoints_mean_has_codes_of_its_own():
    """Codes follow from queries, so averaging queries and codebooks averages the model."""
    one, other = (build("dpq", 50, 12, subvectors=4, centroids=5) for _ in range(2))
    mean = {name: (value + other.state_dict()[name]) / 2 if value.is_floating_point() else value
            for name, value in one.state_dict().items()}  # fmt: skip
    merged = build("dpq", 50, 12, subvectors=4, centroids=5)
    merged.load_state_dict(mean)
    for word in (0, 30):
        assert choose_codes(merged, word)[0].tolist() == nearest(merged, word)


def test_low_bit_is_digits_times_a_matrix():
    embedding = build("low_bit", 50, 12, 1, rank=7).double()
    latents, right = embedding.latents.detach(), embedding.right.detach()
    threshold = 0.7 * sum(abs(float(each)) for each in latents.flatten()) / latents.numel()
    digits = [[0 if abs(each) <= threshold else (1 if each > 0 else -1) for each in row] for row in latents.tolist()]
    expected = embedding.output_scale * torch.tensor(digits, dtype=torch.float64) @ right
    expected[1] = 0
    torch.testing.assert_close(embedding.table().detach(), expected)
    slope = torch.randn(50, 12, dtype=torch.float64)
    (embedding.table() * slope).sum().backward()
    slope[1] = 0
    torch.testing.assert_close(embedding.latents.grad, slope @ right.T * embedding.output_scale)
    assert embedding.footprint().bytes == 70 + 2 * 7 * 12


def test_low_bit_begins_near_a_matrix_of_its_kind():
    torch.manual_seed(0)
    digits = torch.randint(-1, 2, (200, 3)).double()
    matrix = digits @ torch.linalg.qr(torch.randn(12, 3).double())[0].T
    embedding = build("low_bit", 200, 12, rank=3).double()
    embedding.initialise_from(matrix)
    assert (embedding.table() - matrix).norm() < 0.6 * matrix.norm()


def test_random_embeddings_follow_from_their_seed():
    one, same, other = (build("random", 50, 12, 1, seed=seed) for seed in (3, 3, 4))
    same.load_state_dict(one.state_dict())
    assert same.table().equal(one.table()) and list(one.state_dict()) == ["map", "config_version"]
    frozen = torch.randn(50, 12, generator=torch.Generator().manual_seed(3)) * 12**-0.5
    torch.testing.assert_close(one.table()[2:], (frozen @ one.map)[2:])
    assert not other.frozen.equal(one.frozen)
    assert one.footprint() == (144, 288)
