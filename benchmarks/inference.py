"""Translating: dense embeddings, SEE's cached, and factored, which never hold V x d parameters, as codes do not.

python benchmarks/inference.py [--rounds N] [--words V] [--batches 1 8 64] [--lengths 16 64 256] [--json FILE]

Beam 5, and every translation as long as its source, so that all do the same work. Weights are random. With --rounds 0
each batch is translated once, without a warm-up: 64 sentences of 256 tokens take minutes. Without batches
(--batches --lengths) only the steps are measured.
"""

import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from fairseq.sequence_generator import SequenceGenerator
from fairseq.tasks.translation import TranslationTask
from measure import Results, finish, make_parser, measure, print_table, repeat, time_in_turn
from omegaconf import DictConfig
from translator import build_model, configure, make_sentences, make_task

from fairseq_see.embeddings import Embedding

SEE = ("see", "model.see_ratio=20")
FACTORED = "+model.see_inference=factored"
MODES = {
    "dense": ("dense",),
    "see, cached": SEE,
    "see, factored": (*SEE, FACTORED),
    "codes, factored": ("product_quantised", "model.see_ratio=20"),
}
BEAM = 5
LOOKUPS = 200


def make_translation(model: Any, task: TranslationTask, batch: int, length: int, device: str) -> Callable[[], Any]:
    """Beam search over ``batch`` sentences of ``length`` tokens, into as many."""
    generator = SequenceGenerator([model], task.target_dictionary, beam_size=BEAM, max_len_b=length, min_len=length)
    source = make_sentences(batch, length, len(task.source_dictionary)).to(device)
    lengths = torch.full((batch,), length, device=device)
    return lambda: generator.generate([model], {"net_input": {"src_tokens": source, "src_lengths": lengths}})


def make_step(model: Any, task: TranslationTask, device: str) -> Callable[[], Any]:
    """One step of the decoder for one sentence, five hypotheses, that have ten tokens."""
    source = make_sentences(1, 16, len(task.source_dictionary)).to(device)
    encoded = model.encoder(source, torch.tensor([16], device=device))
    encoded = model.encoder.reorder_encoder_out(encoded, torch.zeros(BEAM, dtype=torch.long, device=device))
    target = make_sentences(BEAM, 11, len(task.target_dictionary)).to(device)
    state: dict[str, Any] = {}
    for end in range(1, 11):
        model.decoder(target[:, :end], encoder_out=encoded, incremental_state=state)
    # Every call begins with the same state, of which it writes a new one.
    return lambda: model.decoder(
        target, encoder_out=encoded, incremental_state={key: dict(value) for key, value in state.items()}
    )


def count_held_bytes(embedding: Embedding) -> int:
    """Bytes of an embedding in half precision, as in memory: with its index, and the matrix that it caches."""
    cached = embedding.compresses and not embedding.is_factored()
    parameters = sum(parameter.numel() for parameter in embedding.parameters())
    parameters += embedding.num_embeddings * embedding.embedding_dim if cached else 0
    return 2 * parameters + sum(buffer.nbytes for buffer in embedding.buffers())


def measure_steps(models: dict[str, Any], task: TranslationTask, rounds: int, device: str) -> Results:
    """By mode: seconds of a decoder's ``step`` and of a ``lookup`` of 32 tokens, bytes on disk and in memory."""
    steps = time_in_turn({mode: make_step(model, task, device) for mode, model in models.items()}, rounds, device)
    few = torch.randint(4, len(task.source_dictionary), (32,), device=device)
    lookups = {mode: repeat(partial(model.encoder.embed_tokens, few), LOOKUPS) for mode, model in models.items()}
    seconds = time_in_turn(lookups, rounds, device)
    results = {}
    for mode, model in models.items():
        embeddings = model.encoder.embed_tokens, model.decoder.embed_tokens
        results[mode] = {
            "step": steps[mode],
            "lookup": seconds[mode] / LOOKUPS,
            # In half precision, in which the footprint is counted.
            "footprint": sum(each.footprint().bytes for each in embeddings),
            "resident": sum(map(count_held_bytes, embeddings)),
        }
    return results


def load(cfg: DictConfig, task: TranslationTask, path: Path) -> None:
    """Build a model that has been trained and read its weights, which is what loading a checkpoint costs."""
    build_model(cfg, task).load_state_dict(torch.load(path, weights_only=True))


@torch.no_grad()
def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8, 64], help="sentences at once")
    parser.add_argument("--lengths", type=int, nargs="*", default=[16, 64, 256], help="tokens of a sentence")
    args = parser.parse_args()
    task = make_task(args.words)
    with TemporaryDirectory() as folder:
        configs = {mode: configure(task, Path(folder), *given) for mode, given in MODES.items()}
        # What is built is written into its configuration, as in a checkpoint's.
        models = {mode: build_model(cfg, task).eval().to(args.device) for mode, cfg in configs.items()}
        results = measure_steps(models, task, max(20, args.rounds), args.device)
        loads = {}
        for mode, model in models.items():
            torch.save(model.state_dict(), path := Path(folder) / f"{mode}.pt")
            loads[mode] = partial(load, configs[mode], task, path)
        for mode, seconds in time_in_turn(loads, max(1, args.rounds)).items():
            results[mode]["load"] = seconds
    rows: list[dict[str, Any]] = []
    cached = results["see, cached"]["step"]
    for mode, of in results.items():
        rows.append({"": mode, "beam-5 step ms": of["step"] * 1e3, "of cached": of["step"] / cached})
        rows[-1] |= {"lookup of 32 us": of["lookup"] * 1e6, "load s": of["load"]}
        rows[-1]["embeddings in memory (fp16)"] = of["resident"]
        rows[-1]["of those on disk"] = of["resident"] / of["footprint"]
    print_table(rows, "", ".1f", ".2f", ".0f", ".2f", "", ".3f")
    rows = []
    for batch, length in product(args.batches, args.lengths):
        actions = {mode: make_translation(model, task, batch, length, args.device) for mode, model in models.items()}
        # No warm-up: the largest batches take minutes.
        measured = measure(actions, args.rounds, args.device, warm_up=False)
        seconds, memory = ({mode: of[kind] for mode, of in measured.items()} for kind in ("seconds", "memory"))
        for mode in MODES:
            results[mode] |= {f"{batch} x {length}": seconds[mode], f"memory {batch} x {length}": memory[mode]}
        rows.append({"sentences x tokens": f"{batch} x {length}"} | {f"{mode} s": seconds[mode] for mode in MODES})
        rows[-1] |= {f"{mode} of dense": seconds[mode] / seconds["dense"] for mode in MODES if mode != "dense"}
        rows[-1] |= {f"{mode} MiB more": memory[mode] / 2**20 for mode in MODES}
        print(rows[-1], file=sys.stderr, flush=True)
    if rows:
        print_table(rows, "", *4 * [".2f"], *3 * [".3f"], *4 * [".0f"])
    finish({"results": results}, args.json)


if __name__ == "__main__":
    main()
