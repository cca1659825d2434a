"""Lookups and tied decoder steps of every method against a dense table, forward, backward and Adam.

python benchmarks/layers.py [--index FILE] [--rounds N] [--json FILE]

Exits with status 1 if SEE, on the senses of a real dictionary, is 1.5 times slower than docs/performance.md promises.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from indexes import histogram, like_real, worst
from measure import extra_memory, finish, in_turn, markdown, options
from torch import Tensor, nn

from fairseq_see.embeddings import REGISTRY, Embedding, SEEEmbedding, build
from fairseq_see.errors import InfeasibleRatio
from fairseq_see.units import UnitIndex

TOKENS, DISTINCT = 4096, 2170

# Times of a dense table that a lookup and a tied step of SEE may take at so many positions.
PROMISED = {"lookup": 1.0, "step 4096": 1.1, "step 1024": 1.3}
SLACK = 1.5


def tokens_of(vocabulary: int, seed: int = 1) -> Tensor:
    """TOKENS ids of which DISTINCT are different, frequent ones as often as Zipf's law has it."""
    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(5, vocabulary + 1)
    distinct = 4 + rng.choice(len(chance), DISTINCT, replace=False, p=chance / chance.sum())
    again = chance[distinct - 4]
    repeated = rng.choice(distinct, TOKENS - DISTINCT, p=again / again.sum())
    return torch.from_numpy(rng.permutation(np.concatenate((distinct, repeated))))


def lookup(embedding: Embedding, optimizer: torch.optim.Optimizer, tokens: Tensor, slope: Tensor) -> None:
    """One training step of an input embedding."""
    embedding(tokens).backward(slope)
    optimizer.step()
    optimizer.zero_grad()


def tied_step(embedding: Embedding, optimizer: torch.optim.Optimizer, tokens: Tensor, targets: Tensor) -> None:
    """One training step of a decoder that is nothing but its embedding: lookup, scores, log-softmax, loss."""
    with embedding.hold_table():
        scores = embedding.project(embedding(tokens))
        F.nll_loss(F.log_softmax(scores, -1), targets).backward()
    optimizer.step()
    optimizer.zero_grad()


def published(embedding: SEEEmbedding, index: UnitIndex) -> Callable[[Tensor], Tensor]:
    """Rows as published code of this family makes them: rank x V x d numbers for every batch, then the rows read.

    Missing senses are made of padding units there, so that all words have equally many products.
    """
    padding = torch.arange(index.order)
    slots = padding.repeat(index.num_words, index.rank - 1, 1)
    for word, (first, end) in enumerate(zip(index.sense_offsets[:-1], index.sense_offsets[1:], strict=True)):
        slots[word, : end - first] = torch.from_numpy(index.groups[index.sense_groups[first:end]])
    morphemes = torch.from_numpy(index.word_morphemes).long()

    def factors(units: nn.Module, ids: Tensor) -> Tensor:
        vectors = units.vectors.view(len(units.vectors), units.whole, -1)
        return F.embedding(ids, vectors.flatten(1)).unflatten(-1, vectors.shape[1:])

    def product(of: Tensor) -> Tensor:
        first, second, third = of.unbind(-3)
        return torch.einsum("...i,...j,...k->...ijk", first, second, third).flatten(-3)

    def rows(tokens: Tensor) -> Tensor:
        sememes = product(factors(embedding.sememes, slots)).flatten(1, 2)
        ranks = torch.cat((sememes, product(factors(embedding.morphemes, morphemes))), 1)
        return F.embedding(tokens, ranks.sum(1)[:, : embedding.embedding_dim])

    return rows


def candidates(arguments: Any, real: UnitIndex, bad: UnitIndex) -> dict[str, Embedding]:
    """Every method of the registry that is trained, at the ratio asked for where it has one and can."""
    embeddings: dict[str, Embedding] = {}
    shape = real.num_words, arguments.dim, 1
    for method in ("dense", *sorted(set(REGISTRY) - {"dense"})):
        cls = REGISTRY[method]
        if cls.quantised:
            continue
        try:
            ratio = arguments.ratio if cls.compresses else None
            embeddings[method] = build(method, *shape, ratio=ratio, index=real)
        except InfeasibleRatio as error:
            print(f"left out: {error}")
    embeddings["see, worst case"] = build("see", *shape, ratio=arguments.ratio, index=bad)
    return embeddings


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--index", type=Path, help="a unit index (default: a random one like a real dictionary's)")
    parser.add_argument("--words", type=int, default=40_000, help="V of the random index (default: 40,000)")
    parser.add_argument("--dim", type=int, default=512, help="d (default: 512)")
    parser.add_argument("--ratio", type=float, default=20, help="compression (default: 20)")
    parser.add_argument("--methods", nargs="*", help="measure only these, besides dense and see")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    real = UnitIndex.load(arguments.index) if arguments.index else like_real(arguments.words)
    bad = worst(real.num_words)
    print(f"index: {histogram(real)}\nworst case: {histogram(bad)}\n")
    torch.manual_seed(1)
    embeddings = candidates(arguments, real, bad)
    if arguments.methods is not None:
        wanted = {"dense", "see", "see, worst case", *arguments.methods}
        embeddings = {name: embedding for name, embedding in embeddings.items() if name in wanted}
    tokens = tokens_of(real.num_words).to(arguments.device)
    slope = torch.randn(TOKENS, arguments.dim, device=arguments.device)
    results: dict[str, dict[str, float]] = {name: {} for name in embeddings}
    lookups: dict[str, Callable[[], None]] = {}
    steps: dict[int, dict[str, Callable[[], None]]] = {TOKENS: {}, TOKENS // 4: {}}
    for name, embedding in embeddings.items():
        embedding.to(arguments.device)
        optimizer = torch.optim.Adam(embedding.parameters(), lr=1e-5)
        lookups[name] = partial(lookup, embedding, optimizer, tokens, slope)
        for positions, of in steps.items():
            of[name] = partial(tied_step, embedding, optimizer, tokens[:positions], tokens.roll(1)[:positions])
        results[name]["parameters"] = embedding.footprint().parameters
    for name, seconds in in_turn(lookups, arguments.rounds, arguments.device).items():
        results[name] |= {"lookup": seconds, "lookup memory": extra_memory(lookups[name])}
    for positions, of in steps.items():
        for name, seconds in in_turn(of, arguments.rounds, arguments.device).items():
            results[name] |= {f"step {positions}": seconds}
            if positions == TOKENS // 4:
                results[name]["step memory"] = extra_memory(of[name])
    dense = results["dense"]
    columns = ["method", "parameters", "lookup ms", "ratio", "memory MB"]
    columns += ["step 4096 ms", "ratio", "step 1024 ms", "ratio", "memory MB"]
    rows = []
    for name, result in results.items():
        cells = [f"`{name}`", f"{result['parameters']:,}", *_against(result, dense, "lookup")]
        cells += [f"{result['lookup memory'] / 1e6:.0f}", *_against(result, dense, "step 4096")]
        rows.append([*cells, *_against(result, dense, "step 1024"), f"{result['step memory'] / 1e6:.0f}"])
    print(markdown(columns, rows))
    see = embeddings["see"]
    assert isinstance(see, SEEEmbedding)
    if arguments.device == "cpu" and real.order == 3:
        reference = published(see, real)
        action = lambda: reference(tokens).backward(slope)  # noqa: E731
        ours = lambda: see(tokens).backward(slope)  # noqa: E731
        times = in_turn({"published": action, "ours": ours}, arguments.rounds)
        memory = {"published": extra_memory(action), "ours": extra_memory(ours)}
        results["published"] = {"lookup": times["published"], "lookup memory": memory["published"]}
        print(
            f"\nrank x V x d reconstruction, forward and backward: {times['published'] * 1e3:.0f} ms and "
            f"{memory['published'] / 1e6:.0f} MB; see: {times['ours'] * 1e3:.1f} ms and {memory['ours'] / 1e6:.0f} MB"
        )
    finish({"index": histogram(real), "results": results}, arguments.json)
    late = [name for name, times in PROMISED.items() if results["see"][name] > SLACK * times * dense[name]]
    for name in late:
        print(f"{name} of see takes {results['see'][name] / dense[name]:.2f} times as long as dense")
    return bool(late)


def _against(result: dict[str, float], dense: dict[str, float], name: str) -> list[str]:
    return [f"{result[name] * 1e3:.1f}", f"{result[name] / dense[name]:.2f}x"]


if __name__ == "__main__":
    raise SystemExit(main())
