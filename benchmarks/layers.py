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
from indexes import histogram, like_real, worst
from measure import finish, markdown, measure, options, repeat
from torch import Tensor, nn

from fairseq_see.embeddings import REGISTRY, Embedding, SEEEmbedding, build
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.units import UnitIndex

TOKENS, DISTINCT = 4096, 2170
BEAM = 5

# Times of a dense embedding that a lookup and a tied step of SEE may take at so many positions.
PROMISED = {"lookup": 1.0, f"step {TOKENS}": 1.1, f"step {TOKENS // 4}": 1.3}
SLACK = 1.5


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
        make = partial(build, method, index.num_words, dim, 1, index=worst(index.num_words) if bad else index)
        torch.manual_seed(1)
        try:
            embeddings[name] = make(ratio=ratio if REGISTRY[method].compresses else None)
        except InfeasibleRatio as error:
            embeddings[name] = make(ratio=error.nearest)
    return embeddings


def lookups(embeddings: dict[str, Embedding], tokens: Tensor) -> dict[str, Callable[[], None]]:
    """A training step of an input embedding: lookup, backward, Adam."""

    def step(embedding: Embedding, optimizer: torch.optim.Optimizer, slope: Tensor) -> None:
        embedding(tokens).backward(slope)
        optimizer.step()
        optimizer.zero_grad()

    slopes = {name: torch.randn_like(embedding(tokens)) for name, embedding in embeddings.items()}
    return {name: partial(step, each, _adam(each), slopes[name]) for name, each in embeddings.items()}


def tied_steps(embeddings: dict[str, Embedding], tokens: Tensor) -> dict[str, Callable[[], None]]:
    """A training step of a decoder that is nothing but its embedding: lookup, scores, log-softmax, loss, Adam."""
    targets = tokens.roll(1)

    def step(embedding: Embedding, optimizer: torch.optim.Optimizer) -> None:
        with embedding.hold_table():
            scores = embedding.project(embedding(tokens))
            F.nll_loss(F.log_softmax(scores, -1), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return {name: partial(step, each, _adam(each)) for name, each in embeddings.items()}


def decoding_steps(embeddings: dict[str, Embedding], tokens: Tensor) -> dict[str, Callable[[], None]]:
    """Lookup and scores of a beam's tokens in eval mode, ``NAME, cached`` and ``NAME, factored``."""

    @torch.no_grad()
    def step(embedding: Embedding, inference: str) -> None:
        embedding.inference = inference
        embedding.project(embedding(tokens[:BEAM]))

    actions = {"dense": partial(step, embeddings["dense"].eval(), "cached")}
    for name, embedding in embeddings.items():
        if name != "dense":
            embedding.eval()
            actions |= {f"{name}, {mode}": partial(step, embedding, mode) for mode in ("cached", "factored")}
    return actions


def _adam(embedding: Embedding) -> torch.optim.Optimizer:
    # Its usual epsilon is 0 in half precision.
    return torch.optim.Adam(embedding.parameters(), lr=1e-5, eps=1e-4)


def published(embedding: SEEEmbedding, index: UnitIndex) -> Callable[[Tensor], Tensor]:
    """Embeddings as published code of this family makes them: rank x V x d parameters for every batch.

    Missing senses are made of padding units there, so that all words have equally many products.
    """
    slots = torch.arange(index.order).repeat(index.num_words, index.rank - 1, 1)
    for word, (first, end) in enumerate(zip(index.sense_offsets[:-1], index.sense_offsets[1:], strict=True)):
        slots[word, : end - first] = torch.from_numpy(index.groups[index.sense_groups[first:end]])
    morphemes = torch.from_numpy(index.word_morphemes).long()

    def products(units: nn.Module, ids: Tensor) -> Tensor:
        vectors = units.vectors.view(len(units.vectors), units.whole, -1)
        factors = F.embedding(ids, vectors.flatten(1)).unflatten(-1, vectors.shape[1:])
        first, second, third = factors.unbind(-3)
        return torch.einsum("...i,...j,...k->...ijk", first, second, third).flatten(-3)

    def lookup(tokens: Tensor) -> Tensor:
        sememes = products(embedding.sememes, slots).flatten(1, 2)
        ranks = torch.cat((sememes, products(embedding.morphemes, morphemes)), 1)
        return F.embedding(tokens, ranks.sum(1)[:, : embedding.embedding_dim])

    return lookup


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--index", type=Path, help="a unit index (default: a random one like a real dictionary's)")
    parser.add_argument("--dim", type=int, default=512, help="d (default: 512)")
    parser.add_argument("--ratio", type=float, default=20, help="compression (default: 20)")
    parser.add_argument("--methods", nargs="*", default=sorted(REGISTRY), help="besides dense and see (default: all)")
    args = parser.parse_args()
    index = UnitIndex.load(args.index) if args.index else like_real(args.words)
    print(f"index: {histogram(index)}\nworst case: {histogram(worst(index.num_words))}\n")
    embeddings = build_embeddings([*args.methods, "see", "see, worst case"], index, args.dim, args.ratio)
    tokens = draw_tokens(index.num_words).to(args.device)
    for embedding in embeddings.values():
        embedding.to(args.device)
    parts = {"lookup": measure(lookups(embeddings, tokens), args.rounds, args.device)}
    for positions in (TOKENS, TOKENS // 4):
        parts[f"step {positions}"] = measure(tied_steps(embeddings, tokens[:positions]), args.rounds, args.device)
    dense = {part: of["dense"]["seconds"] for part, of in parts.items()}
    columns = ["method", "parameters", "ratio"]
    columns += [f"{part} {column}" for part in parts for column in ("ms", "of dense", "MB")]
    rows = []
    for name, embedding in embeddings.items():
        rows.append([f"`{name}`", f"{embedding.footprint().parameters:,}", f"{embedding.ratio:.1f}x"])
        for part, of in parts.items():
            seconds, memory = of[name]["seconds"], of[name]["memory"]
            rows[-1] += [f"{seconds * 1e3:.1f}", f"{seconds / dense[part]:.2f}x", f"{memory / 1e6:.0f}"]
    print(markdown(columns, rows))

    times = 20
    steps = {name: repeat(action, times) for name, action in decoding_steps(embeddings, tokens).items()}
    parts["decoding"] = measure(steps, args.rounds, args.device)
    rows = []
    for name, of in parts["decoding"].items():
        of["seconds"] /= times
        cached = parts["decoding"][name.replace(", factored", ", cached")]["seconds"]
        rows.append([name, f"{of['seconds'] * 1e3:.2f}", f"{of['seconds'] / cached:.2f}x", f"{of['memory'] / 1e6:.0f}"])
    print("\n" + markdown(["decoding step of beam 5", "ms", "of cached", "MB"], rows))

    see = embeddings["see"].train()
    if args.device == "cpu" and index.order == 3:
        assert isinstance(see, SEEEmbedding)
        reference, slope = published(see, index), torch.randn(TOKENS, args.dim)
        both = {
            "published": lambda: reference(tokens).backward(slope),
            "see": lambda: see(tokens).backward(slope),
        }
        parts["reconstruction"] = measure(both, args.rounds)
        figures = ", ".join(
            f"{name} {of['seconds'] * 1e3:.1f} ms and {of['memory'] / 1e6:.0f} MB"
            for name, of in parts["reconstruction"].items()
        )
        print(f"\nlookup by a rank x V x d reconstruction, forward and backward: {figures}")
    finish({"index": histogram(index), "results": parts}, args.json)
    late = [part for part, most in PROMISED.items() if parts[part]["see"]["seconds"] > SLACK * most * dense[part]]
    for part in late:
        print(f"{part} of see takes {parts[part]['see']['seconds'] / dense[part]:.2f} times as long as dense")
    return bool(late)


if __name__ == "__main__":
    raise SystemExit(main())
