"""What every registered embedding promises. It names no method: a new one is tested by being registered."""

import copy
import json
import math
import pickle
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F

from fairseq_see.embeddings import REGISTRY, build, complete_config, find_class, restore
from fairseq_see.embeddings.buffers import IndexBuffers, pack_state, unpack_state
from fairseq_see.errors import InfeasibleRatio, SeeError
from tests.unit.embeddings.conftest import find_reachable

V, D, PAD = 60, 27, 1
TOKENS = torch.tensor([[5, 1, 59, 5], [0, 7, 7, 1]])


@pytest.fixture(params=sorted(REGISTRY))
def method(request):
    return request.param


@pytest.fixture
def options(method, random_index):
    """Index if the method takes one, and a ratio near 2 that it reaches."""
    given = {"index": random_index(V)} if find_class(method).uses_index else {}
    return {**given, "ratio": find_reachable(method, 2.0, V, D, **given)}


@pytest.fixture
def embedding(method, options):
    torch.manual_seed(0)
    return build(method, V, D, PAD, **options).double()


@pytest.fixture
def hidden():
    return torch.randn(2, 3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_rows_lookup_and_projection_are_those_of_the_matrix(embedding, hidden):
    table = embedding.table()
    assert table.shape == (V, D)
    ids = torch.tensor([3, 59, 3, PAD, 0])
    torch.testing.assert_close(embedding.rows(ids), table[ids])
    for given in ((), (table,)):
        torch.testing.assert_close(embedding(TOKENS, *given), table[TOKENS])
        torch.testing.assert_close(embedding.project(hidden, *given), hidden @ table.T)


def test_gradients_reach_every_parameter_and_are_those_of_the_matrix(embedding):
    weights, parameters = torch.randn(V, D, dtype=torch.float64), list(embedding.parameters())
    expected = torch.autograd.grad((embedding.table() * weights).sum(), parameters)
    assert all(grad.any() for grad in expected)
    ids = torch.randperm(V)
    found = torch.autograd.grad((embedding(ids) * weights[ids]).sum(), parameters)
    torch.testing.assert_close(found, expected)


class Verbs(torch.nn.Module):
    """Lookup and projection as one function of the parameters, for gradcheck."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding

    def forward(self, hidden):
        return self.embedding.lookup(TOKENS), self.embedding.project(hidden)


def test_gradcheck(method, options):
    # Without a padding embedding: its gradient is withheld on purpose.
    if not find_class(method).exact_gradients:
        return
    verbs = Verbs(build(method, V, D, None, **options).double())
    names = [name for name, _ in verbs.named_parameters()]

    def compute(hidden, *parameters):
        return torch.func.functional_call(verbs, dict(zip(names, parameters, strict=True)), (hidden,))

    inputs = [parameter.detach().clone().requires_grad_() for parameter in verbs.parameters()]
    hidden = torch.randn(2, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(compute, (hidden, *inputs), fast_mode=True)


def test_padding_embedding_is_zero_and_stays_zero(embedding, hidden):
    optimizer = torch.optim.SGD(embedding.parameters(), lr=0.1)
    for _ in range(3):
        loss = embedding.project(hidden).logsumexp(2).sum() + embedding(TOKENS).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert not embedding.table()[PAD].any() and not embedding.rows(torch.tensor([PAD])).any()


def test_one_matrix_serves_a_block_if_it_wants_one(embedding):
    calls, table, parameters = [], embedding.table, list(embedding.parameters())
    embedding.table = lambda: calls.append(1) or table()
    with embedding.hold_table():
        loss = embedding.project(embedding(TOKENS)).square().sum()
    assert len(calls) <= 1
    held = torch.autograd.grad(loss, parameters)
    apart = torch.autograd.grad(embedding.project(embedding(TOKENS)).square().sum(), parameters)
    torch.testing.assert_close(held, apart)
    assert all(tensor.is_leaf for tensor in vars(embedding).values() if isinstance(tensor, torch.Tensor))


def test_cached_equals_uncached_and_follows_the_parameters(embedding, hidden):
    expected = embedding(TOKENS).detach(), embedding.project(hidden).detach()
    embedding.eval()
    with torch.no_grad():
        for embedding.inference in ("auto", "factored", "cached", "cached"):
            torch.testing.assert_close((embedding(TOKENS), embedding.project(hidden)), expected)
        for parameter in embedding.parameters():
            parameter.mul_(1.5)
        assert not torch.allclose(embedding(TOKENS), expected[0])
        torch.testing.assert_close(embedding(TOKENS), embedding.table()[TOKENS])


def test_weight_is_the_matrix_as_code_written_for_nn_embedding_reads_it(embedding, hidden):
    parameters = list(embedding.parameters())
    expected = torch.autograd.grad(embedding.project(hidden).square().sum(), parameters)
    scores = F.linear(hidden, embedding.weight)
    torch.testing.assert_close(torch.autograd.grad(scores.square().sum(), parameters), expected)
    assert "weight" not in embedding.state_dict()
    embedding.eval().inference = "cached"
    with torch.no_grad():
        assert embedding.weight.data_ptr() == embedding.weight.data_ptr()


@pytest.mark.parametrize(
    "write",
    [
        lambda weight: weight[0].zero_(),
        lambda weight: weight.__setitem__(0, 1.0),
        lambda weight: weight.data.__setitem__(0, 1.0),
        lambda weight: torch.nn.init.normal_(weight),
        lambda weight: setattr(weight, "data", weight + 1),
        lambda weight: weight.view(-1)[:3].zero_(),
        lambda weight: weight.split(3)[1].t().fill_(1),
        lambda weight: torch.add(weight, 1, out=weight),
    ],
    ids=["row", "item", "data", "init", "exchange", "view", "split", "out"],
)
def test_what_is_written_into_the_weight_is_not_lost_in_silence(write):
    embedding = build("low_rank", 7, 4, rank=2).eval()
    with torch.no_grad():
        before = embedding.table()
        with pytest.raises(SeeError, match="a change to it is lost"):
            write(embedding.weight)
        with pytest.raises(ValueError, match="read-only"):
            embedding.weight.numpy()[0] = 1.0
        assert torch.zeros(7, 4).copy_(embedding.weight).equal(before)


def test_a_step_through_data_is_noticed_after_training_or_a_backward_pass(embedding):
    """fairseq's optimizers write through ``.data``, which leaves no version trace."""
    embedding.eval()
    with torch.no_grad():
        embedding(TOKENS)
    for forget in (lambda: embedding(TOKENS).sum().backward(), embedding.train):
        forget()
        for parameter in embedding.parameters():
            parameter.data.mul_(2)
        embedding.eval()
        with torch.no_grad():
            torch.testing.assert_close(embedding(TOKENS), embedding.table()[TOKENS])


def test_state_dict_deepcopy_pickle_and_description_round_trip(embedding):
    embedding.eval()
    with torch.no_grad():
        embedding(TOKENS)
    kept = {name for name, _ in [*embedding.named_parameters(), *embedding.named_buffers()]}
    assert set(embedding.state_dict()) <= kept
    restored = restore(json.loads(json.dumps(embedding.describe()))).double()
    restored.load_state_dict(embedding.state_dict())
    assert restored.footprint() == embedding.footprint() and restored.describe() == embedding.describe()
    for twin in (restored, copy.deepcopy(embedding), pickle.loads(pickle.dumps(embedding))):
        torch.testing.assert_close(twin.table(), embedding.table())
        assert twin._matrices.cached is None


def test_modules_built_alike_are_the_same_function_of_their_state(method, options):
    torch.manual_seed(1)
    embedding, twin = (build(method, V, D, PAD, **options) for _ in range(2))
    twin.load_state_dict(embedding.state_dict())
    assert twin.table().equal(embedding.table())


@pytest.mark.parametrize("inference", ["training", "cached", "factored"])
def test_ids_outside_the_matrix_are_refused(embedding, inference):
    if inference != "training":
        embedding.inference = inference
        embedding.eval()
    with torch.set_grad_enabled(inference == "training"):
        for bad in (V, V + 3, -1, -V):
            with pytest.raises(IndexError):
                embedding(torch.tensor([3, bad]))


def test_a_module_built_in_inference_mode_serves(method, options):
    with torch.inference_mode():
        embedding = build(method, V, D, PAD, **options).eval()
        scores = embedding.project(embedding(TOKENS))
        torch.testing.assert_close(scores, embedding.table()[TOKENS] @ embedding.table().T)


def replicated(module):
    """A copy as ``nn.DataParallel`` makes them: plain tensors in the place of parameters."""
    copied = module._replicate_for_data_parallel()
    for name, child in module.named_children():
        copied._modules[name] = replicated(child)
    for name, parameter in module._parameters.items():
        setattr(copied, name, None if parameter is None else parameter.detach())
    return copied


def test_data_parallel_names_what_to_use_in_its_place(embedding):
    with pytest.raises(SeeError, match="torchrun"):
        _ = replicated(embedding)._device


def test_integers_in_a_checkpoint_survive_averaging(embedding):
    """Sums of narrower ones overflow; and fairseq's moving average leaves alone what has "version" in its name."""
    integers = {name: value for name, value in embedding.state_dict().items() if not value.is_floating_point()}
    assert all(value.dtype.itemsize >= 4 and "version" in name for name, value in integers.items())


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_precisions(embedding, dtype, device, hidden):
    expected = embedding.table().detach()
    low = copy.deepcopy(embedding).to(device, dtype)
    if not embedding.exact_gradients:
        # Rounded queries may choose other codes: compare with what these choose.
        expected = copy.deepcopy(low).cpu().double().table().detach()
    hidden, tokens = hidden.to(device, dtype), TOKENS.to(device)
    tolerance = 20 * torch.finfo(dtype).eps * expected.abs().max().item()
    vectors, scores = low(tokens), low.project(hidden)
    assert vectors.dtype == scores.dtype == dtype
    torch.testing.assert_close(low.table().cpu().double(), expected, atol=tolerance, rtol=0)
    torch.testing.assert_close(vectors.cpu().double(), expected[TOKENS], atol=tolerance, rtol=0)
    torch.testing.assert_close(scores.cpu().double(), hidden.cpu().double() @ expected.T, atol=30 * tolerance, rtol=0)
    vectors.float().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == dtype for p in low.parameters())


def test_autocast_and_what_is_cached_under_it(embedding, hidden):
    expected, embedding, hidden = embedding.table().detach().float(), embedding.float(), hidden.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors, scores = embedding(TOKENS), embedding.project(hidden)
        (vectors.float().sum() + scores.float().sum()).backward()
    torch.testing.assert_close(vectors.float(), expected[TOKENS], atol=0.02, rtol=0.02)
    torch.testing.assert_close(scores.float(), hidden @ expected.T, atol=0.1, rtol=0.05)
    assert all(parameter.grad.isfinite().all() for parameter in embedding.parameters())
    embedding.eval()
    with torch.no_grad():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embedding.project(hidden)
        assert embedding(TOKENS).dtype == torch.float32
        torch.testing.assert_close(embedding.project(hidden), hidden @ embedding.table().T)


def test_footprint_counts_parameters_codes_and_index(embedding):
    small = embedding.ship()
    parameters = sum(parameter.numel() for parameter in small.parameters())
    parameters += sum(buffer.numel() for buffer in small.buffers() if buffer.dtype.itemsize == 1)
    header = 16
    shipped = sum(
        value.nbytes - header * name.endswith(".packed") if value.dtype == torch.uint8 else 2 * value.numel()
        for name, value in pack_state(small).items()
        if name != "config_version"
    )
    assert embedding.footprint() == (parameters, shipped)
    for module in embedding.modules():
        if isinstance(module, IndexBuffers):
            assert shipped == 2 * parameters + len(module.to_unit_index().pack())
    reached = 2 * V * D / shipped if embedding.quantised else V * D / parameters
    assert embedding.ratio == pytest.approx(reached)


def test_what_is_shipped_computes_the_same(embedding):
    embedding.eval()
    small = embedding.ship()
    restored = restore(json.loads(json.dumps(small.describe()))).double()
    restored.load_state_dict(unpack_state(pack_state(small)))
    torch.testing.assert_close(restored.table(), embedding.table())


def test_plan_meets_the_ratio_or_names_the_nearest(method, options):
    given = {name: value for name, value in options.items() if name != "ratio"}
    previous = math.inf
    for ratio in (1, 1.3, 2, 3, 5, 8, 13, 50, 1000):
        try:
            reached = build(method, V, D, PAD, ratio=ratio, **given).ratio
        except InfeasibleRatio as error:
            assert f"{ratio:g}x" in str(error) and error.nearest > 0
            nearest = build(method, V, D, PAD, ratio=error.nearest, **given)
            assert nearest.ratio == pytest.approx(error.nearest, rel=0.031)
            continue
        assert ratio - 1e-9 <= reached <= ratio * 1.03 + 1e-9
        assert 1 / reached <= previous
        previous = 1 / reached


def test_planned_on_the_meta_device_costs_no_memory(method, options):
    with torch.device("meta"):
        planned = build(method, V, D, PAD, **options)
    assert planned.footprint() == build(method, V, D, PAD, **options).footprint()
    assert all(parameter.is_meta for parameter in planned.parameters())


def test_initialisation_has_the_variance_of_a_dense_matrix(method, random_index):
    rows, columns = 2000, 64
    given = {"index": random_index(rows, sememes=80, morphemes=600)} if find_class(method).uses_index else {}
    ratio = find_reachable(method, 4.0, rows, columns, **given)
    torch.manual_seed(0)
    embedding = build(method, rows, columns, PAD, ratio=ratio, **given)
    variance = embedding.table().detach()[torch.arange(rows) != PAD].var(1).mean() * columns
    assert abs(variance - 1) < 0.05
    hidden = F.layer_norm(torch.randn(200, columns), (columns,))
    assert F.cross_entropy(embedding.project(hidden), torch.randint(2, rows, (200,))) < math.log(rows) + 1


@pytest.mark.parametrize("device", DEVICES)
def test_a_closed_form_is_near_the_matrix_or_reports_that_there_is_none(embedding, device):
    matrix = torch.randn(V, D, dtype=torch.float64, device=device)
    matrix[PAD] = 0
    near = embedding.to(device).initialise_from(matrix)
    assert near == ((embedding.table() - matrix).norm() < 0.9 * matrix.norm())
    assert not embedding.table()[PAD].any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"colour": "red"}, "takes no option 'colour'"),
        *(({"ratio": ratio}, "the ratio is") for ratio in (0, -5, math.inf, math.nan)),
        *(({"shape": (*shape, None)}, "at least one row") for shape in ((0, 4), (4, 0))),
        *(({"shape": (V, D, padding)}, "padding_idx") for padding in (V, -1)),
    ],
)
def test_impossible_requests_are_refused(method, options, wrong, message):
    options = options | wrong
    with pytest.raises(SeeError, match=message):
        build(method, *options.pop("shape", (V, D, PAD)), **options)


def test_what_a_ratio_decides_is_not_given_too(method, options):
    planned = complete_config(method, V, D, options["ratio"], options.get("index"))
    for each in fields(planned):
        if each.metadata["planned"]:
            with pytest.raises(SeeError, match=f"either a ratio or {each.name}, not both"):
                build(method, V, D, PAD, **options, **{each.name: getattr(planned, each.name)})


def test_a_description_of_a_newer_version_is_refused(embedding):
    description = embedding.describe()
    with pytest.raises(SeeError, match="takes no option 'novelty'"):
        restore({**description, "config": {**description["config"], "novelty": 1}})


def test_weights_of_other_hyper_parameters_are_refused(method, options):
    """Those that no shape shows, too: the padding here."""
    embedding, other = build(method, V, D, PAD, **options), build(method, V, D, None, **options)
    with pytest.raises((RuntimeError, SeeError), match="other options"):
        other.load_state_dict(embedding.state_dict())


def bad_values(kind, limits):
    """Values that a field of a type must refuse."""
    if "bool" in kind:
        return ["false", 1, 0.5]
    if "str" in kind:
        return ["nonsense", 3, True]
    bad = ["2", True, math.nan, math.inf, [1, 2, 3], {}]
    bad += [1.5] if "int" in kind and "float" not in kind else []
    return bad + [limit for limit, beyond in ((limits["least"] - 1, limits["least"]),) if math.isfinite(beyond)]


ALL_FIELDS = [
    pytest.param(method, each, value, id=f"{method}-{each.name}-{value}")
    for method in sorted(REGISTRY)
    for each in fields(REGISTRY[method].Config)
    for value in bad_values(str(each.type), each.metadata)
]


@pytest.mark.parametrize(("method", "each", "value"), ALL_FIELDS)
def test_every_hyper_parameter_refuses_what_it_is_not(method, each, value):
    with pytest.raises(SeeError, match=f"^{each.name} is"):
        REGISTRY[method].Config.from_options(method, {each.name: value})
    assert each.metadata["help"]
