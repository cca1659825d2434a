"""Lookup, tied step and decoding step of every registered method against a dense embedding.

python benchmarks/layers.py [--index FILE] [--rounds N] [--methods NAME ...] [--json FILE]

Exits with status 1 if SEE, on the senses of a real dictionary, is 1.5 times slower than docs/results/speed.md promises.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from indexes import describe_index, make_realistic_index, make_worst_index
from measure import finish, make_parser, measure, print_table, repeat
from torch import Tensor, nn

from fairseq_see.embeddings import REGISTRY, Embedding, SEEEmbedding, build, find_class
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.units import UnitIndex

TOKENS, DISTINCT = 4096, 2170
BEAM, DECODING_STEPS = 5, 20

# Times of a dense embedding that a lookup and a tied step of SEE may take at so many positions.
PROMISED = {"lookup": 1.0, f"step {TOKENS}": 1.1, f"step {TOKENS // 4}": 1.3}
SLACK = 1.5

Actions = dict[str, Callable[[], None]]


def draw_tokens(vocabulary: int, number: int = TOKENS) -> Tensor:
    """Ids, 4,096 at a time, of which 2,170 are distinct, frequent ones as often as Zipf's law has it."""
    chance = 1 / np.arange(5, vocabulary + 1)
    batches = []
    for seed in range(1, 1 + -(-number // TOKENS)):
        rng = np.random.default_rng(seed)
        distinct = 4 + rng.choice(len(chance), DISTINCT, replace=False, p=chance / chance.sum())
        again = chance[distinct - 4]
        repeated = rng.choice(distinct, TOKENS - DISTINCT, p=again / again.sum())
        batches.append(rng.permutation(np.concatenate((distinct, repeated))))
    return torch.from_numpy(np.concatenate(batches)[:number])


def build_embeddings(methods: Sequence[str], index: UnitIndex, dim: int, ratio: float) -> dict[str, Embedding]:
    """Embeddings by method, at the ratio where they compress, or the nearest that they reach; dense comes first.

    ``see, worst case`` is SEE with the worst index there can be.
    """
    embeddings = {}
    for name in dict.fromkeys(("dense", *methods)):
        method, _, bad = name.partition(", worst case")
        of = make_worst_index(index.num_words) if bad else index
        make = partial(build, method, index.num_words, dim, 1, index=of)
        torch.manual_seed(1)
        try:
            embeddings[name] = make(ratio=ratio if find_class(method).compresses else None)
        except InfeasibleRatio as error:
            embeddings[name] = make(ratio=error.nearest)
    return embeddings


def make_lookups(embeddings: dict[str, Embedding], tokens: Tensor) -> Actions:
    """A training step of an input embedding: lookup, backward, Adam."""
    slope = torch.randn_like(embeddings["dense"](tokens))
    return _make_updates(embeddings, lambda embedding: embedding(tokens).backward(slope))


def make_tied_steps(embeddings: dict[str, Embedding], tokens: Tensor) -> Actions:
    """A training step of a decoder that is nothing but its embedding: lookup, scores, log-softmax, loss, Adam."""

    def step(embedding: Embedding) -> None:
        with embedding.hold_table():
            scores = embedding.project(embedding(tokens))
            F.nll_loss(F.log_softmax(scores, -1), tokens.roll(1)).backward()

    return _make_updates(embeddings, step)


def _make_updates(embeddings: dict[str, Embedding], backward: Callable[[Embedding], None]) -> Actions:
    def update(embedding: Embedding, optimizer: torch.optim.Optimizer) -> None:
        backward(embedding)
        optimizer.step()
        optimizer.zero_grad()

    # Adam's usual epsilon is 0 in half precision.
    adams = {name: torch.optim.Adam(each.parameters(), lr=1e-5, eps=1e-4) for name, each in embeddings.items()}
    return {name: partial(update, each, adams[name]) for name, each in embeddings.items()}


def make_decoding_steps(embeddings: dict[str, Embedding], tokens: Tensor) -> Actions:
    """Lookup and scores of a beam's tokens in eval mode, ``NAME, cached`` and ``NAME, factored``."""

    @torch.no_grad()
    def step(embedding: Embedding, inference: str) -> None:
        embedding.eval().inference = inference
        embedding.project(embedding(tokens[:BEAM]))

    modes = ((name, mode) for name in embeddings if name != "dense" for mode in ("cached", "factored"))
    steps = {f"{name}, {mode}": partial(step, embeddings[name], mode) for name, mode in modes}
    return {"dense": partial(step, embeddings["dense"], "cached"), **steps}


def make_published_lookup(embedding: SEEEmbedding, index: UnitIndex) -> Callable[[Tensor], Tensor]:
    """Embeddings as published code of this family makes them: rank x V x d parameters for every batch.

    Missing senses are made of padding units there, so that all words have equally many products.
    """
    slots = torch.arange(index.order).repeat(index.num_words, index.rank - 1, 1)
    for word, (first, end) in enumerate(zip(index.sense_offsets[:-1], index.sense_offsets[1:], strict=True)):
        slots[word, : end - first] = torch.from_numpy(index.groups[index.sense_groups[first:end]])
    morphemes = torch.from_numpy(index.word_morphemes).long()

    def multiply(units: nn.Module, ids: Tensor) -> Tensor:
        vectors = units.vectors.view(len(units.vectors), units.whole, -1)
        factors = F.embedding(ids, vectors.flatten(1)).unflatten(-1, vectors.shape[1:])
        first, second, third = factors.unbind(-3)
        return torch.einsum("...i,...j,...k->...ijk", first, second, third).flatten(-3)

    def lookup(tokens: Tensor) -> Tensor:
        sememes = multiply(embedding.sememes, slots).flatten(1, 2)
        ranks = torch.cat((sememes, multiply(embedding.morphemes, morphemes)), 1)
        return F.embedding(tokens, ranks.sum(1)[:, : embedding.embedding_dim])

    return lookup


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--index", type=Path, help="a unit index (default: a random one like a real dictionary's)")
    parser.add_argument("--dim", type=int, default=512, help="d (default: 512)")
    parser.add_argument("--ratio", type=float, default=20, help="compression (default: 20)")
    parser.add_argument("--methods", nargs="*", default=sorted(REGISTRY), help="besides dense and see (default: all)")
    args = parser.parse_args()
    index = UnitIndex.load(args.index) if args.index else make_realistic_index(args.words)
    print(f"index: {describe_index(index)}\nworst case: {describe_index(make_worst_index(index.num_words))}")
    embeddings = build_embeddings([*args.methods, "see", "see, worst case"], index, args.dim, args.ratio)
    tokens = draw_tokens(index.num_words).to(args.device)
    for embedding in embeddings.values():
        embedding.to(args.device)
    parts = {"lookup": measure(make_lookups(embeddings, tokens), args.rounds, args.device)}
    for positions in (TOKENS, TOKENS // 4):
        parts[f"step {positions}"] = measure(make_tied_steps(embeddings, tokens[:positions]), args.rounds, args.device)
    dense = {part: of["dense"]["seconds"] for part, of in parts.items()}
    rows = []
    for name, embedding in embeddings.items():
        rows.append({"method": f"`{name}`", "parameters": embedding.footprint().parameters, "ratio": embedding.ratio})
        for part, of in parts.items():
            seconds, memory = of[name]["seconds"], of[name]["memory"]
            rows[-1] |= {
                f"{part} ms": seconds * 1e3,
                f"{part} of dense": seconds / dense[part],
                f"{part} MB": memory / 1e6,
            }
    print_table(rows, "", "", ".1f", *3 * [".1f", ".2f", ".0f"])

    steps = {name: repeat(step, DECODING_STEPS) for name, step in make_decoding_steps(embeddings, tokens).items()}
    parts["decoding"] = decoding = measure(steps, args.rounds, args.device)
    rows = []
    for name, of in decoding.items():
        of["seconds"] /= DECODING_STEPS
        cached = of["seconds"] / decoding[name.replace(", factored", ", cached")]["seconds"]
        memory = of["memory"] / 1e6
        rows.append({"decoding step of beam 5": name, "ms": of["seconds"] * 1e3, "of cached": cached, "MB": memory})
    print_table(rows, "", ".2f", ".2f", ".0f")

    see = embeddings["see"].train()
    if args.device == "cpu" and index.order == 3:
        reference, slope = make_published_lookup(see, index), torch.randn(TOKENS, args.dim)
        both = {"published": lambda: reference(tokens).backward(slope), "see": lambda: see(tokens).backward(slope)}
        parts["reconstruction"] = measure(both, args.rounds)
        named = "lookup by a rank x V x d reconstruction, forward and backward"
        found = parts["reconstruction"].items()
        print_table(
            [{named: name, "ms": of["seconds"] * 1e3, "MB": of["memory"] / 1e6} for name, of in found], "", ".1f", ".0f"
        )
    finish({"index": describe_index(index), "results": parts}, args.json)
    late = [part for part, most in PROMISED.items() if parts[part]["see"]["seconds"] > SLACK * most * dense[part]]
    for part in late:
        print(f"{part} of see takes {parts[part]['see']['seconds'] / dense[part]:.2f} times as long as dense")
    return bool(late)


if __name__ == "__main__":
    raise SystemExit(main())
