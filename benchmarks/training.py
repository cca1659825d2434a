"""Updates per second and peak memory of a whole Transformer: dense embeddings against compressed ones.

python benchmarks/training.py [--rounds N] [--words V] [--json FILE]

An update is that of fairseq's own trainer, in the paper's setting (configs/iwslt17_zh_en.yaml).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from fairseq.tasks.translation import TranslationTask
from fairseq.trainer import Trainer
from measure import extra_memory, finish, in_turn, markdown, options
from translator import CONFIG, ON_CPU, build_model, configure, make_sentences, make_task

METHODS = ("see", "see, worst case")
LENGTH = 32


def make_trainer(
    task: TranslationTask, folder: Path, method: str, ratio: float | None, overrides: Sequence[str]
) -> Trainer:
    """fairseq's trainer of a new model."""
    cfg = configure(task, folder, method, f"model.see_ratio={ratio or 'null'}", *overrides)
    trainer = Trainer(cfg, task, build_model(cfg, task), task.build_criterion(cfg.criterion))
    trainer.cuda_env = None  # With one, every update forgets the peak of the GPU's memory.
    return trainer


def make_update(trainer: Trainer, tokens: int) -> Callable[[], object]:
    """An update with a batch of so many target tokens, in sentences of 32."""
    words = len(trainer.task.source_dictionary)
    source, target = (make_sentences(tokens // LENGTH, LENGTH, words, seed) for seed in (1, 2))
    inputs = {
        "src_tokens": source,
        "src_lengths": torch.full((len(source),), LENGTH),
        "prev_output_tokens": target.roll(1, 1),
    }
    sample = {"id": torch.arange(len(source)), "net_input": inputs, "target": target}
    sample |= {"ntokens": target.numel(), "nsentences": len(target)}
    return lambda: trainer.train_step([sample])


def measure_updates(
    task: TranslationTask,
    folder: Path,
    ratios: Mapping[str, float | None],
    tokens: int,
    overrides: Sequence[str],
    rounds: int,
    device: str,
) -> dict[str, dict[str, float]]:
    """By method of ``ratios``: seconds of an update, bytes that it takes with model and optimizer, parameters."""
    updates: dict[str, Callable[[], object]] = {}
    results: dict[str, dict[str, float]] = {}
    for name, ratio in ratios.items():

        def begin(name: str = name, ratio: float | None = ratio) -> None:
            trainer = make_trainer(task, folder, name, ratio, overrides)
            updates[name] = make_update(trainer, tokens)
            updates[name](), updates[name]()
            results[name] = {"parameters": sum(each.numel() for each in trainer.model.parameters())}

        memory = extra_memory(begin, device)
        results[name]["memory"] = memory
    for name, seconds in in_turn(updates, rounds, device).items():
        results[name]["seconds"] = seconds
    return results


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens in an update (default: 4096)")
    parser.add_argument("--methods", nargs="*", default=METHODS, help="besides dense, at 20x")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of the configuration")
    args = parser.parse_args()
    overrides = [*(ON_CPU if args.device == "cpu" else ()), *args.overrides]
    ratios = {"dense": None, **dict.fromkeys(args.methods, 20.0)}
    with tempfile.TemporaryDirectory() as folder:
        task = make_task(args.words)
        results = measure_updates(task, Path(folder), ratios, args.tokens, overrides, args.rounds, args.device)
    print(f"{CONFIG}, V = {args.words:,}, {args.tokens} tokens an update\n")
    dense = results["dense"]["seconds"]
    rows = [
        [name, f"{of['seconds']:.2f}", f"{dense / of['seconds']:.3f}x", f"{of['memory'] / 2**20:.0f}"]
        for name, of in results.items()
    ]
    print(markdown(["embeddings", "seconds an update", "updates/s of dense", "peak MiB"], rows))
    finish({"results": results}, args.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
