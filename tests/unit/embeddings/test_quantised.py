"""Quantised matrices, against torch's own quantiser and against what k-means promises."""

import math

import pytest
import torch

from fairseq_see.embeddings import build, complete_config
from fairseq_see.errors import InfeasibleRatio, SeeError


def make_matrix(rows, columns, padding=None):
    torch.manual_seed(0)
    matrix = torch.randn(rows, columns) * torch.logspace(0, -1, rows).unsqueeze(1)
    if padding is not None:
        matrix[padding] = 0
    return matrix


def test_int8_is_torchs_symmetric_quantisation_by_channel():
    matrix = make_matrix(50, 12, padding=1)
    matrix[7] = 0
    embedding = build("int8", 50, 12, 1)
    assert embedding.initialise_from(matrix)
    scales = embedding.scales.detach()
    assert not embedding.table()[[1, 7]].any() and scales.equal(scales.half().float())
    real = [i for i in range(50) if i not in (1, 7)]
    torch.testing.assert_close(scales, matrix.abs().amax(1) / 127, rtol=1e-3, atol=0)
    expected = torch.fake_quantize_per_channel_affine(matrix[real], scales[real], torch.zeros(48).int(), 0, -127, 127)
    torch.testing.assert_close(embedding.table()[real], expected)
    before = embedding.table()
    embedding.initialise_from(-matrix)
    assert embedding.table().equal(-before)


@pytest.mark.parametrize(("codes", "widths"), [(1, [7]), (3, [3, 2, 2]), (7, [1] * 7)])
def test_product_quantiser_has_the_nearest_centroid_of_each_subvector(codes, widths):
    matrix = make_matrix(200, 7, padding=1)
    embedding = build("product_quantised", 200, 7, 1, subvectors=codes, centroids=8)
    assert embedding.initialise_from(matrix)
    found, real = embedding.table().detach(), torch.arange(200) != 1
    chosen = embedding.codes_version_1.codes
    for part, (columns, centroids) in enumerate(
        zip(matrix.split(widths, 1), embedding.codebooks.detach().split(widths, 1), strict=True)
    ):
        nearest = torch.cdist(columns[real], centroids).argmin(1)
        assert chosen[real, part].equal(nearest.to(torch.uint8))
        torch.testing.assert_close(found.split(widths, 1)[part][real], centroids[nearest])
    assert not found[1].any()


def test_product_quantiser_of_fewer_words_than_centroids_loses_nothing():
    matrix = make_matrix(5, 6)
    embedding = build("product_quantised", 5, 6, subvectors=2, centroids=200)
    embedding.initialise_from(matrix)
    torch.testing.assert_close(embedding.table(), matrix)


def test_refined_words_have_codes_for_what_their_first_leave():
    matrix = make_matrix(40, 7, padding=1).double()
    embedding, plain = (
        build("product_quantised", 40, 7, 1, subvectors=2, centroids=4, refined_share=share).double()
        for share in (0.15, 0)
    )
    for each in embedding, plain:
        each.initialise_from(matrix)
    expected = torch.zeros(40, 7, dtype=torch.float64)
    for word in range(40):
        for part, columns in enumerate((range(4), range(4, 7))):
            for column in columns:
                expected[word, column] += embedding.codebooks[embedding.codes_version_1.codes[word, part].int(), column]
        for part, columns in enumerate(((0, 1), (2, 3), (4, 5), (6,))):
            for column in columns if word < 6 else ():
                code = int(embedding.fine_codes_version_1.codes[word, part])
                expected[word, column] += embedding.fine_codebooks[code, column]
    expected[1] = 0
    ids = torch.tensor([5, 30, 1, 0, 6])
    torch.testing.assert_close(embedding.table(), expected)
    torch.testing.assert_close(embedding.rows(ids), expected[ids])
    embedding.eval().inference = "factored"
    with torch.no_grad():
        torch.testing.assert_close(embedding.project(matrix[:3]), matrix[:3] @ expected.T)
    errors, without = ((each.table() - matrix).square().sum(1) for each in (embedding, plain))
    assert errors[:6].sum() < without[:6].sum() / 4 and errors[6:].equal(without[6:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_product_quantiser_serves_on_a_cpu_from_its_codes(dtype):
    embedding = build("product_quantised", 5000, 16, 1, subvectors=4, centroids=8).to(dtype).eval()
    hidden = torch.randn(3, 16).to(dtype)
    with torch.no_grad():
        scores, expected = embedding.project(hidden), hidden.double() @ embedding.table().double().T
    torch.testing.assert_close(scores.double(), expected, rtol=0, atol=4 * torch.finfo(dtype).eps)
    assert embedding.is_factored() and embedding._matrices.cached is None


@pytest.mark.parametrize("ratio", [4, 7, 10, 20, 40])
@pytest.mark.parametrize(("rows", "columns"), [(300, 16), (21_016, 216)])
def test_a_plan_has_the_largest_score_of_all_that_meet_the_ratio(rows, columns, ratio):
    for share in (0.125, 0.0):
        refined = int(share * rows)
        scores = {}
        for codes in range(1, columns + 1):
            for centroids in range(2, 257):
                bits = {3: 8 / 5, 5: 8 / 3, 6: 8 / 3}.get(centroids, math.ceil(math.log2(centroids)))
                values = rows * codes, refined * min(2 * codes, columns)
                size = sum(math.ceil(number * bits / 8 - 1e-9) + 2 * centroids * columns for number in values if number)
                if ratio <= 2 * rows * columns / size <= 1.03 * ratio:
                    scores[codes, centroids] = codes * math.log(centroids) ** 1.5
        options = {"refined_share": share}
        if not scores:
            with pytest.raises(InfeasibleRatio):
                complete_config("product_quantised", rows, columns, ratio, options=options)
            continue
        found = complete_config("product_quantised", rows, columns, ratio, options=options)
        assert scores[found.subvectors, found.centroids] == max(scores.values())


FIXED = [
    ("int8", {}),
    ("product_quantised", {"subvectors": 4, "centroids": 8}),
]


@pytest.mark.parametrize(("method", "options"), FIXED)
def test_codes_stay_bytes_when_a_state_dict_is_assigned(method, options):
    embedding, twin = (build(method, 300, 8, 1, **options) for _ in range(2))
    twin.load_state_dict(embedding.state_dict(), assign=True)
    codes = twin.codes_version_1.codes
    assert codes.element_size() == 1 and codes.dtype == embedding.codes_version_1.codes.dtype


def test_more_subvectors_than_dimensions_are_refused():
    with pytest.raises(SeeError, match="subvectors is 65"):
        build("product_quantised", 100, 64, subvectors=65, centroids=8)


@pytest.mark.parametrize(("method", "options"), FIXED)
def test_training_moves_no_code(method, options):
    matrix = make_matrix(60, 16, padding=1)
    embedding = build(method, 60, 16, 1, **options)
    embedding.initialise_from(matrix)
    codes, before = embedding.codes_version_1.codes.clone(), embedding.table().detach()
    optimizer = torch.optim.Adam(embedding.parameters(), lr=0.01)
    (embedding.table() - matrix.flip(0)).square().sum().backward()
    optimizer.step()
    assert embedding.codes_version_1.codes.equal(codes) and not embedding.table().equal(before)
