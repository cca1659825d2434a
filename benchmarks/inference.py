"""Translating: dense tables, compressed ones cached, and factored, which never hold V x d numbers.

python benchmarks/inference.py [--rounds N] [--words V] [--batches 1 8 64] [--lengths 16 64 256] [--json FILE]

Beam 5, and every translation as long as its source, so that all do the same work. Weights are random. With --rounds 0
each batch is translated once, without a warm-up: 64 sentences of 256 tokens take minutes.
"""

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fairseq.sequence_generator import SequenceGenerator
from measure import extra_memory, finish, in_turn, markdown, options
from translator import built, configuration, sentences, task

from fairseq_see.embeddings import Embedding

MODES = {"dense": ("dense", None, "cached"), "cached": ("see", 20, "cached"), "factored": ("see", 20, "factored")}
BEAM = 5


def translate(model: Any, of: Any, batch: int, length: int, device: str) -> Callable[[], Any]:
    """Beam search over ``batch`` sentences of ``length`` tokens, into as many."""
    generator = SequenceGenerator([model], of.target_dictionary, beam_size=BEAM, max_len_b=length, min_len=length)
    source = sentences(batch, length, len(of.source_dictionary)).to(device)
    lengths = torch.full((batch,), length, device=device)
    return lambda: generator.generate([model], {"net_input": {"src_tokens": source, "src_lengths": lengths}})


def step(model: Any, of: Any, device: str) -> Callable[[], Any]:
    """One step of the decoder for one sentence, five hypotheses, that have ten tokens."""
    source = sentences(1, 16, len(of.source_dictionary)).to(device)
    encoded = model.encoder(source, torch.tensor([16], device=device))
    order = torch.zeros(BEAM, dtype=torch.long, device=device)
    encoded = model.encoder.reorder_encoder_out(encoded, order)
    target = sentences(BEAM, 11, len(of.target_dictionary)).to(device)
    state: dict[str, Any] = {}
    for end in range(1, 11):
        model.decoder(target[:, :end], encoder_out=encoded, incremental_state=state)
    # Every call starts from the same state, of which it writes a new one.
    return lambda: model.decoder(
        target, encoder_out=encoded, incremental_state={key: dict(value) for key, value in state.items()}
    )


def load(cfg: Namespace, of: Any, path: Path) -> None:
    """Build a model that has been trained and read its weights, which is what loading a checkpoint costs."""
    built(cfg, of).load_state_dict(torch.load(path, weights_only=True))


def held(table: Embedding) -> int:
    """Bytes of an embedding in half precision, as it is held in memory: its index with it, and the table it caches."""
    cached = table.num_embeddings * table.embedding_dim if table.compresses and table.inference == "cached" else 0
    numbers = sum(parameter.numel() for parameter in table.parameters()) + cached
    return 2 * numbers + sum(buffer.nbytes for buffer in table.buffers())


def _row(mode: str, result: dict[str, float]) -> list[str]:
    return [
        mode,
        f"{result['step'] * 1e3:.1f}",
        f"{result['lookup'] * 1e6:.0f}",
        f"{result['load']:.2f}",
        f"{result['resident']:,.0f}",
        f"{result['resident'] / result['footprint']:.3f}x",
    ]


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--words", type=int, default=40_000, help="V of both languages (default: 40,000)")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8, 64], help="sentences at once")
    parser.add_argument("--lengths", type=int, nargs="*", default=[16, 64, 256], help="tokens of a sentence")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    device, rounds = arguments.device, arguments.rounds
    of = task(arguments.words)
    results: dict[str, dict[str, float]] = {mode: {} for mode in MODES}
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        folder = Path(name)
        models, loads = {}, {}
        for mode, (method, ratio, inference) in MODES.items():
            cfg = configuration(of, folder, method, ratio, see_inference=inference)
            models[mode] = built(cfg, of).eval().to(device)
            torch.save(models[mode].state_dict(), folder / f"{mode}.pt")
            loads[mode] = partial(load, cfg, of, folder / f"{mode}.pt")
        for mode, seconds in in_turn(loads, max(1, rounds)).items():
            results[mode]["load"] = seconds
        actions = {mode: step(model, of, device) for mode, model in models.items()}
        for mode, seconds in in_turn(actions, max(20, rounds), device).items():
            results[mode]["step"] = seconds
        few = torch.randint(4, arguments.words, (32,), device=device)
        lookups = {mode: _repeated(partial(model.encoder.embed_tokens, few)) for mode, model in models.items()}
        for mode, seconds in in_turn(lookups, max(20, rounds), device).items():
            results[mode]["lookup"] = seconds / REPEATED
        for mode, model in models.items():
            tables = model.encoder.embed_tokens, model.decoder.embed_tokens
            results[mode]["footprint"] = sum(table.footprint().bytes for table in tables)
            # In half precision, in which the footprint is counted.
            results[mode]["resident"] = sum(held(table) for table in tables)
        columns = ["", "beam-5 step ms", "lookup of 32 us", "load s", "tables in memory (fp16)", "of those on disk"]
        print(markdown(columns, [_row(mode, result) for mode, result in results.items()]) + "\n")
        rows = []
        for batch in arguments.batches:
            for length in arguments.lengths:
                actions = {mode: translate(model, of, batch, length, device) for mode, model in models.items()}
                # Measuring the memory is the warm-up: the largest batches take minutes.
                memory, seconds = {}, {}
                for mode, action in actions.items():
                    start = time.perf_counter()
                    memory[mode] = extra_memory(action, warm_up=False)
                    seconds[mode] = time.perf_counter() - start
                if rounds:
                    seconds = in_turn(actions, rounds, device, warm_up=False)
                for mode in MODES:
                    results[mode] |= {f"{batch} x {length}": seconds[mode], f"memory {batch} x {length}": memory[mode]}
                rows.append([f"{batch} x {length}"])
                rows[-1] += [f"{seconds[mode]:.2f}" for mode in MODES]
                rows[-1] += [f"{seconds[mode] / seconds['dense']:.3f}x" for mode in ("cached", "factored")]
                rows[-1] += [f"{memory[mode] / 2**20:.0f}" for mode in MODES]
                print(rows[-1], file=sys.stderr, flush=True)
        columns = ["sentences x tokens", *(f"{mode} s" for mode in MODES), "cached", "factored"]
        print(markdown([*columns, *(f"{mode} MiB more" for mode in MODES)], rows))
    finish({"results": results}, arguments.json)
    return 0


REPEATED = 200


def _repeated(action: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(REPEATED):
            action()

    return run


if __name__ == "__main__":
    raise SystemExit(main())
