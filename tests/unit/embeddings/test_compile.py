"""What torch.compile and torch.export make of embeddings computes the same."""

from io import BytesIO

import pytest
import torch

from fairseq_see.embeddings import build, find_class

METHODS = {
    "see": {"ratio": 2},
    "morphte": {"ratio": 2},
    "low_rank": {"rank": 6.5},
    "product_quantised": {"subvectors": 4, "centroids": 16},
}
TOKENS = torch.tensor([[5, 1, 59, 5], [0, 7, 7, 1]])


class Tied(torch.nn.Module):
    """A model whose output layer is its embedding."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding

    def forward(self, tokens):
        with self.embedding.hold_table():
            return self.embedding.project(torch.tanh(self.embedding(tokens)))


@pytest.fixture(params=METHODS)
def model(request, random_index):
    torch.manual_seed(0)
    index = random_index(60) if find_class(request.param).uses_index else None
    torch._dynamo.reset()
    return Tied(build(request.param, 60, 27, 1, index=index, **METHODS[request.param])).double()


def test_compiled_training_has_the_same_gradients(model):
    # What the data decides: how many senses words have, and which tokens of a batch are distinct.
    whole = model.embedding.method in ("morphte", "product_quantised")
    compiled = torch.compile(model, backend="aot_eager", fullgraph=whole)
    results = []
    for run in (model, compiled, compiled):
        scores = run(TOKENS)
        results.append((scores, torch.autograd.grad(scores.square().sum(), list(model.parameters()))))
    for found in results[1:]:
        torch.testing.assert_close(found, results[0])


@pytest.mark.parametrize("inference", ["cached", pytest.param("factored", marks=pytest.mark.slow)])
def test_compiled_inference_is_the_same_and_follows_the_parameters(model, inference):
    model.embedding.inference = inference
    model.eval()
    compiled = torch.compile(model, backend="aot_eager")
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(compiled(TOKENS), model(TOKENS))
            for parameter in model.parameters():
                parameter.mul_(1.5)
        torch.testing.assert_close(compiled(TOKENS), model(TOKENS))


@pytest.mark.parametrize("inference", ["cached", pytest.param("auto", marks=pytest.mark.slow)])
def test_an_exported_program_holds_the_cached_matrix(model, inference):
    model.embedding.inference = inference
    model.eval()
    with torch.no_grad():
        expected = model(TOKENS)
        program = torch.export.export(model, (TOKENS,), strict=False)
    file = BytesIO()
    torch.export.save(program, file)
    for served in (program, torch.export.load(file)):
        torch.testing.assert_close(served.module()(TOKENS), expected)
    if model.embedding.method != "low_rank" and inference == "cached":
        used = {node.target for node in program.graph.nodes if node.op == "call_function"}
        assert used <= {torch.ops.aten.embedding.default, torch.ops.aten.tanh.default, torch.ops.aten.linear.default,
                        torch.ops.aten.reshape.default, torch.ops.aten.view.default}  # fmt: skip
