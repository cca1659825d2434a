"""Updates per second and peak memory of a whole Transformer: dense embeddings against compressed ones.

python benchmarks/training.py [--rounds N] [--words V] [--json FILE]

An update is that of fairseq's own trainer, in the paper's setting (configs/iwslt17_zh_en.yaml).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from fairseq.tasks.translation import TranslationTask
from fairseq.trainer import Trainer
from measure import Results, finish, make_parser, measure_memory, print_table, time_in_turn
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
    lengths = torch.full((len(source),), LENGTH)
    inputs = {"src_tokens": source, "src_lengths": lengths, "prev_output_tokens": target.roll(1, 1)}
    sample = {"id": torch.arange(len(source)), "net_input": inputs, "target": target}
    sample |= {"ntokens": target.numel(), "nsentences": len(target)}
    return lambda: trainer.train_step([sample])


def measure_updates(
    words: int, ratios: Mapping[str, float | None], tokens: int, overrides: Sequence[str], rounds: int, device: str
) -> Results:
    """By method of ``ratios``: seconds of an update, bytes that it takes with model and optimizer, parameters."""
    updates: dict[str, Callable[[], object]] = {}
    results: Results = {}
    task = make_task(words)
    with TemporaryDirectory() as folder:
        for name, ratio in ratios.items():

            def begin(name: str = name, ratio: float | None = ratio) -> None:
                trainer = make_trainer(task, Path(folder), name, ratio, overrides)
                updates[name] = make_update(trainer, tokens)
                updates[name](), updates[name]()
                results[name] = {"parameters": sum(each.numel() for each in trainer.model.parameters())}

            memory = measure_memory(begin, device)
            results[name]["memory"] = memory
        for name, seconds in time_in_turn(updates, rounds, device).items():
            results[name]["seconds"] = seconds
    return results


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens in an update (default: 4096)")
    parser.add_argument("--methods", nargs="*", default=METHODS, help="besides dense, at 20x")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of the configuration")
    args = parser.parse_args()
    overrides = [*(ON_CPU if args.device == "cpu" else ()), *args.overrides]
    ratios = {"dense": None, **dict.fromkeys(args.methods, 20.0)}
    results = measure_updates(args.words, ratios, args.tokens, overrides, args.rounds, args.device)
    print(f"{CONFIG}, V = {args.words:,}, {args.tokens} tokens an update")
    rows = []
    for name, of in results.items():
        speed = results["dense"]["seconds"] / of["seconds"]
        rows.append({"embeddings": name, "seconds an update": of["seconds"], "updates/s of dense": speed})
        rows[-1]["peak MiB"] = of["memory"] / 2**20
    print_table(rows, "", ".2f", ".3f", ".0f")
    finish({"results": results}, args.json)


if __name__ == "__main__":
    main()
