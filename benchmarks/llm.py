"""A tiny Phi-3 is trained, compressed with SEE, and taught by what it was: in the paper's two stages, or in the second.

python benchmarks/llm.py FOLDER [--text FILE] [--valid FILE] [--senses TSV] [--ratio R] [--arms ARM ...]

All students train as many updates and see the same batches. An arm is a start, ``random`` numbers as in the paper or
``fitted`` to the teacher's table, and a way to go on from it:

    staged   the first updates compare rows and hidden states alone (start stage), the others everything (formal stage)
    formal   everything from the beginning
    plain    cross entropy alone, without a teacher

FOLDER keeps what is done, so that a run that was interrupted goes on. FOLDER/results.json has all numbers,
FOLDER/curves.png how validation perplexity came back.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import matplotlib
import torch
from measure import machine, markdown
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    __version__,
)

from experiments.llm.cached_step import check_settings, once
from experiments.llm.data import Example, blocks, collate
from experiments.llm.evaluate import perplexity
from experiments.llm.experiment import last_checkpoint
from experiments.llm.tokens import distances, reach, token_counts
from fairseq_see.distillation.stages import Stages, Weights
from fairseq_see.errors import ends_in_one_line
from fairseq_see.fitting import PRESETS
from fairseq_see.hf import build_index, compress_embeddings, compressed_embeddings
from fairseq_see.hf.distillation import DistillationTrainer
from fairseq_see.io import read_lines, replacing, replacing_folder, write_json

DATA = Path(__file__).resolve().parents[1] / "data"
END = "<|endoftext|>"

START = Weights(embedding=1.0, hidden=1.0)
FORMAL = Weights(kl=1.0, embedding=1.0, hidden=1.0, ce=1.0)
STARTS, WAYS = ("random", "fitted"), ("staged", "formal", "plain")


def stages_of(way: str, start: int) -> Stages:
    """What counts when; a start stage has ``start`` updates."""
    if way == "plain":
        return Stages(Weights(), Weights(ce=1.0))
    return Stages(START, FORMAL, updates=start if way == "staged" else 0)


def train_tokenizer(lines: list[str], size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, pad_token=END)


def new_model(arguments: argparse.Namespace, rows: int) -> Phi3ForCausalLM:
    """Phi-3's architecture with random weights, input and output tied."""
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(arguments.seed)
    config = Phi3Config(
        vocab_size=rows,
        hidden_size=arguments.dim,
        intermediate_size=2 * arguments.dim,
        num_hidden_layers=arguments.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=arguments.length,
        tie_word_embeddings=True,
        **ids,
    )
    return Phi3ForCausalLM(config)


def unigram_perplexity(train: list[Example], valid: list[Example], rows: int) -> float:
    """Of predicting each token by its frequency, each seen once more than it was."""
    counts = token_counts(train, rows).double() + 1
    logs = (counts / counts.sum()).log()
    targets = torch.tensor([token for example in valid for token in example["labels"][1:]])
    return math.exp(-logs[targets].mean().item())


class Benchmark:
    """One folder of results.

    Args:
        arguments: of the command.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.folder = arguments, arguments.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {name: str(value) for name, value in vars(arguments).items() if name not in ("folder", "arms")}
        check_settings(self.folder, once(self.folder / "settings.json", lambda: settings), settings)
        lines = read_lines(arguments.text)
        if not (self.folder / "tokenizer").exists():
            self._save(train_tokenizer(lines, arguments.words), "tokenizer")
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder / "tokenizer")
        self.train, self.valid = (
            # Whole blocks only, so that a mean over blocks is one over tokens.
            [
                block
                for block in blocks(text, self.tokenizer, arguments.length)
                if len(block["labels"]) == arguments.length
            ]
            for text in (lines, read_lines(arguments.valid))
        )

    def run(self) -> dict[str, Any]:
        """Do what is not done yet; all results."""
        rows = len(self.tokenizer)
        teacher = self._model("teacher", self._teach)
        results: dict[str, Any] = {
            "tokens": {
                "train": len(self.train) * self.arguments.length,
                "valid": len(self.valid) * self.arguments.length,
            },
            "unigram": unigram_perplexity(self.train, self.valid, rows),
            "teacher": once(self.folder / "teacher.json", lambda: self._measure(teacher)),
        }
        for arm in self.arguments.arms:
            start = arm.partition("-")[0]
            model = self._model(start, lambda start=start: self._compress(start))
            results[start] = once(self.folder / f"{start}.json", lambda model=model: self._measure(model))
            results[arm] = once(
                self.folder / f"{arm}.json", lambda arm=arm, model=model: self._distil(arm, teacher, model)
            )
        return results | self._settings()

    def _settings(self) -> dict[str, Any]:
        return {
            **machine(),
            "transformers": __version__,
            "settings": json.loads((self.folder / "settings.json").read_text()),
        }

    def _teach(self) -> Phi3ForCausalLM:
        model, updates = new_model(self.arguments, len(self.tokenizer)), self.arguments.teacher_updates
        arguments = self._training(
            "teacher", updates, self.arguments.teacher_lr, lr_scheduler_type="cosine", warmup_steps=50
        )
        self._go_on(Trainer(model, arguments, train_dataset=self.train, eval_dataset=self.valid, data_collator=collate))
        return model

    def _compress(self, start: str) -> Any:
        arguments, model = self.arguments, self._load("teacher")
        counts = token_counts(self.train, len(self.tokenizer)).tolist()
        index = build_index(self.tokenizer, senses=arguments.senses, counts=counts, language="en")
        fit = PRESETS["see"].fit._replace(epochs=arguments.fit_epochs) if start == "fitted" else None
        plain = PRESETS["see"].options
        return compress_embeddings(model, ratio=arguments.ratio, index=index, fit=fit, seed=arguments.seed, **plain)

    def _distil(self, arm: str, teacher: Any, model: Any) -> dict[str, Any]:
        """Train an arm and measure it; its weights are not kept."""
        start, _, way = arm.partition("-")
        before = self._load(start)
        arguments = self._training(arm, self.arguments.updates, self.arguments.lr, lr_scheduler_type="constant")
        trainer = DistillationTrainer(
            model,
            arguments,
            teacher=teacher,
            stages=stages_of(way, self.arguments.start_updates),
            train_dataset=self.train,
            eval_dataset=self.valid,
            data_collator=collate,
        )
        self._go_on(trainer)
        counts = token_counts(self.train[: self.arguments.updates * self.arguments.batch], len(self.tokenizer))
        tables = [each.get_input_embeddings() for each in (teacher, before, model)]
        history = trainer.state.log_history
        return {
            **self._measure(model),
            "curve": [[log["step"], math.exp(log["eval_loss"])] for log in history if "eval_loss" in log],
            "log": [log for log in history if "grad_norm" in log],
            "reach": reach(tables[1], counts),
            "rows": distances(*tables, counts),
        }

    def _training(self, name: str, updates: int, lr: float, **options: Any) -> TrainingArguments:
        return TrainingArguments(
            str(self.folder / "training" / name),
            max_steps=updates,
            learning_rate=lr,
            per_device_train_batch_size=self.arguments.batch,
            per_device_eval_batch_size=self.arguments.batch,
            eval_strategy="steps",
            eval_steps=self.arguments.every,
            eval_on_start=True,
            save_steps=self.arguments.every,
            save_total_limit=1,
            logging_steps=self.arguments.every,
            seed=self.arguments.seed,
            use_cpu=True,
            dataloader_pin_memory=False,
            report_to="none",
            **options,
        )

    def _go_on(self, trainer: Trainer) -> None:
        with redirect_stdout(sys.stderr):
            trainer.train(resume_from_checkpoint=last_checkpoint(Path(trainer.args.output_dir)))

    def _measure(self, model: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"perplexity": perplexity(model, self.valid), "parameters": model.num_parameters()}
        if hasattr(model.config, "quantization_config"):
            (embedding,) = compressed_embeddings(model).values()
            found["table"] = embedding.footprint()._asdict() | {"settings": embedding.config.to_json()["vectors"]}
        else:
            found["table"] = {"parameters": model.get_input_embeddings().weight.numel()}
        return found

    def _model(self, name: str, make: Callable[[], Any]) -> Any:
        if not (self.folder / name).exists():
            self._save(make(), name)
        return self._load(name)

    def _load(self, name: str) -> Any:
        return AutoModelForCausalLM.from_pretrained(self.folder / name, dtype="float32")

    def _save(self, what: Any, name: str) -> None:
        with replacing_folder(self.folder / name) as temporary:
            what.save_pretrained(temporary)


def draw(results: dict[str, Any], arms: list[str], path: Path) -> None:
    """Validation perplexity by updates."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for arm in arms:
        axes.plot(*zip(*results[arm]["curve"], strict=True), label=arm, marker=".")
    axes.axhline(results["teacher"]["perplexity"], color="black", linestyle=":", label="teacher")
    if any(arm.endswith("staged") for arm in arms):
        axes.axvline(int(results["settings"]["start_updates"]), color="grey", linewidth=0.8)
    axes.set(xlabel="updates", ylabel="validation perplexity", yscale="log")
    axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def table(results: dict[str, Any], arms: list[str]) -> str:
    rows = [["unigrams", "", f"{results['unigram']:.1f}"]]
    for name in ("teacher", *(name for name in results if name in STARTS), *arms):
        rows.append([name, f"{results[name]['table']['parameters']:,}", f"{results[name]['perplexity']:.1f}"])
    return markdown(["model", "parameters of the table", "validation perplexity"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--text", type=Path, default=DATA / "train.en", help="English, a sentence a line")
    parser.add_argument("--valid", type=Path, default=DATA / "dev.en")
    parser.add_argument("--senses", type=Path, default=DATA / "senses.tsv")
    parser.add_argument("--words", type=int, default=8000, help="tokens of the vocabulary at most")
    parser.add_argument("--dim", type=int, default=216)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--length", type=int, default=64, help="tokens in a block")
    parser.add_argument("--batch", type=int, default=16, help="blocks in an update")
    parser.add_argument("--ratio", type=float, default=5)
    parser.add_argument("--fit-epochs", type=int, default=100, help="of the fitted start")
    parser.add_argument("--teacher-updates", type=int, default=500)
    parser.add_argument("--teacher-lr", type=float, default=3e-3)
    parser.add_argument("--updates", type=int, default=200, help="of each arm")
    parser.add_argument("--start-updates", type=int, default=70, help="of them the start stage")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--every", type=int, default=50, help="updates between two measurements")
    arms = [f"{start}-{way}" for start in STARTS for way in WAYS]
    parser.add_argument("--arms", nargs="+", choices=arms, default=arms, metavar="ARM", help=", ".join(arms))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with ends_in_one_line():
        results = Benchmark(arguments).run()
    write_json(arguments.folder / "results.json", results)
    draw(results, arguments.arms, arguments.folder / "curves.png")
    print(table(results, arguments.arms))
    return 0


if __name__ == "__main__":
    sys.exit(main())
