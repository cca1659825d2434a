"""Compress a causal language model, distil it, measure it before and after: the third experiment of the SEE paper.

Everything is in one folder, each step in a file or folder of its own; a step that is there is not done again:

    settings.json     what was asked for
    original.json     measures of the model as it was
    compressed/       the model with compressed tables, and its tokenizer
    compressed.json   measures
    training/         checkpoints, from which an interrupted training goes on
    distilled/        the model after distillation
    distilled.json    measures
    log.json          the log of the training, each loss by itself
    tokens.json       which tokens were seen, what they can change, how far rows moved
    results.json      all measures together
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, TrainingArguments

from experiments.llm import data, evaluate, tokens
from experiments.llm.cached_step import check_settings, once
from experiments.llm.checkpoints import last_checkpoint
from experiments.run_record import collect_machine, collect_versions, commit
from fairseq_see.distillation.stages import Stages, Weights, parse_side
from fairseq_see.embeddings import embedding_class
from fairseq_see.embeddings.config import parse_options
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig
from fairseq_see.hf import build_index, compress_embeddings, compressed_embeddings
from fairseq_see.hf.distillation import DistillationTrainer
from fairseq_see.io import replacing_folder, write_json

# Tasks of lm-eval that belong to a task of ours.
TASKS = {"arc": ("arc_challenge", "arc_easy")}

MEASURED = (("relative error to the teacher's", "relative_error"), ("cosine", "cosine"))

# Settings that change how something is computed, and not what.
FREE = ("output", "micro_batch", "checkpointing", "command", "run")


class Experiment:
    """One model and the folder of its results.

    Args:
        args: what ``python -m experiments distil_llm`` was asked for.

    Raises:
        SeeError: settings that are impossible, or others than the folder was begun with.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        _check(args)
        self.args, self.folder = args, args.output
        _keep_settings(self.folder / "settings.json", args)

    def run(self) -> None:
        """Do what is not done yet, and print the results."""
        self.tokenizer = _from_hub(AutoTokenizer, self.args.model)
        self.examples = self._examples()
        self._compress()
        results = {"original": once(self.folder / "original.json", partial(self._measure, self.args.model))}
        self._distil()
        for name in ("compressed", "distilled"):
            results[name] = once(self.folder / f"{name}.json", partial(self._measure, self.folder / name))
        seen = once(self.folder / "tokens.json", self._tokens)
        made = {"commit": commit(), "machine": collect_machine(), **collect_versions()}
        write_json(self.folder / "results.json", {"models": results, "tokens": seen, "made": made})
        _print(results, seen)

    def _examples(self) -> list[data.Example]:
        if self.args.data is not None:
            return data.read(self.args.data, self.tokenizer, self.args.length)
        return data.arc(self.tokenizer, self.args.length)

    def _compress(self) -> None:
        args, folder = self.args, self.folder / "compressed"
        if folder.exists():
            return
        model = self._load(args.model)
        rows = model.get_input_embeddings().num_embeddings
        options = parse_options(args.see_args)
        ratio = args.see_ratio or (None if _sets_size(args) else 5.0)
        if args.senses is not None:
            counts = tokens.token_counts(self.examples, rows).tolist()
            options["index"] = build_index(
                self.tokenizer, rows, args.senses, counts=counts, order=args.order, rank=args.rank
            )
        fitted = args.fit_epochs or embedding_class(args.see_method).quantised
        fit = FitConfig(epochs=args.fit_epochs, seed=args.seed) if fitted else None
        compress_embeddings(
            model,
            self.tokenizer,
            args.see_method,
            ratio,
            output=args.see_output,
            fit=fit,
            seed=args.seed,
            **options,
        )
        self._save(model, folder)

    def _distil(self) -> None:
        args, folder = self.args, self.folder / "distilled"
        if folder.exists():
            return
        model = self._load(self.folder / "compressed")
        if args.train == "tables":
            model.requires_grad_(False)
            for embedding in compressed_embeddings(model).values():
                embedding.requires_grad_(True)
        trainer = DistillationTrainer(
            model,
            self._training_arguments(),
            teacher=self._load(args.model, args.teacher_dtype),
            stages=_stages(args),
            temperature=args.distil_temperature,
            layers=args.distil_layers,
            train_dataset=self.examples,
            data_collator=data.collate,
        )
        # Standard output is for the results.
        with redirect_stdout(sys.stderr):
            trainer.train(resume_from_checkpoint=last_checkpoint(self.folder / "training"))
        write_json(self.folder / "log.json", trainer.state.log_history)
        self._save(model, folder)

    def _training_arguments(self) -> TrainingArguments:
        args = self.args
        return TrainingArguments(
            output_dir=str(self.folder / "training"),
            per_device_train_batch_size=args.micro_batch,
            gradient_accumulation_steps=args.batch // args.micro_batch,
            num_train_epochs=args.epochs,
            learning_rate=args.lr,
            # AdamW without decay, which is Adam.
            optim="adamw_torch",
            weight_decay=0.0,
            lr_scheduler_type="constant",
            bf16=args.bf16,
            activation_checkpointing=args.checkpointing,
            save_strategy="epoch",
            save_total_limit=2,
            logging_steps=10,
            seed=args.seed,
            report_to="none",
            remove_unused_columns=False,
            dataloader_pin_memory=_device() != "cpu",
        )

    def _measure(self, source: str | Path) -> dict[str, Any]:
        args, model = self.args, self._load(source)
        measures: dict[str, Any] = {"parameters": model.num_parameters()}
        if hasattr(model.config, "quantization_config"):
            footprints = [embedding.footprint() for embedding in compressed_embeddings(model).values()]
            measures["tables"] = {"parameters": sum(f.parameters for f in footprints)}
            measures["tables"]["bytes"] = sum(f.bytes for f in footprints)
        else:
            tables = 2 if args.see_output == "untied" else 1
            measures["tables"] = {"parameters": model.get_input_embeddings().weight.numel() * tables}
        model.to(_device())
        if args.valid is not None:
            valid = data.read(args.valid, self.tokenizer, args.length)
            measures["perplexity"] = evaluate.perplexity(model, valid)
        tasks = [*TASKS.get(args.task, ()), *args.tasks]
        if tasks:
            measures["tasks"] = evaluate.run_tasks(model, self.tokenizer, tasks, args.task_folder, limit=args.limit)
        return measures

    def _tokens(self) -> dict[str, Any]:
        original, before, after = (
            self._load(path).get_input_embeddings()
            for path in (self.args.model, self.folder / "compressed", self.folder / "distilled")
        )
        counts = tokens.token_counts(self.examples, original.num_embeddings)
        return {
            "dense": tokens.reach(original, counts),
            "compressed": tokens.reach(before, counts),
            "rows": tokens.distances(original, before, after, counts),
        }

    def _load(self, source: str | Path, dtype: str = "float32") -> PreTrainedModel:
        return _from_hub(AutoModelForCausalLM, str(source), dtype=dtype)

    def _save(self, model: PreTrainedModel, folder: Path) -> None:
        with replacing_folder(folder) as temporary:
            model.save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)


def _stages(args: argparse.Namespace) -> Stages:
    return Stages(
        start=Weights(embedding=args.start_beta, hidden=args.start_gamma),
        formal=Weights(kl=args.distil_alpha, embedding=args.distil_beta, hidden=args.distil_gamma, ce=1.0),
        epochs=args.start_epochs,
    )


def _check(args: argparse.Namespace) -> None:
    _stages(args).check()
    parse_side(args.distil_layers, "model")
    embedding_class(args.see_method).Config.of(args.see_method, parse_options(args.see_args))
    if args.task is None and args.data is None:
        raise SeeError("nothing to learn from; give --task arc or --data FILE")
    if args.see_ratio is not None and _sets_size(args):
        raise SeeError("give either --see-ratio or the size in --see-args, not both")
    if min(args.batch, args.micro_batch) < 1 or args.batch % args.micro_batch:
        raise SeeError(f"--batch {args.batch} is no multiple of --micro-batch {args.micro_batch}")
    if min(args.epochs, args.length - 1) < 1 or args.lr <= 0 or min(args.start_epochs, args.fit_epochs) < 0:
        raise SeeError("--epochs must be at least 1, --length 2, --start-epochs and --fit-epochs 0, --lr above 0")


def _sets_size(args: argparse.Namespace) -> bool:
    """Whether the hyper-parameters given decide what a ratio would."""
    cls = embedding_class(args.see_method)
    config = cls.Config.of(args.see_method, parse_options(args.see_args))
    return config.unplanned() != cls.Config().unplanned()


def _keep_settings(path: Path, args: argparse.Namespace) -> None:
    """Write the settings, or compare them with those that something was made with."""
    now = {name: value for name, value in vars(args).items() if name not in FREE}
    for name, value in now.items():
        if isinstance(value, Path):
            now[name] = {"path": str(value)}
            if value.is_file():
                now[name]["sha256"] = hashlib.sha256(value.read_bytes()).hexdigest()
    if not (path.parent / "compressed").exists():
        write_json(path, now)
    check_settings(path.parent, once(path, lambda: now), now)


def _from_hub(kind: Any, name: str, **options: Any) -> Any:
    try:
        return kind.from_pretrained(name, **options)
    except SeeError:
        raise
    except Exception as error:
        # transformers raises errors of many kinds here.
        raise SeeError(
            f"cannot load {name}: {str(error).strip().splitlines()[0]} Give a folder with a causal language model and "
            "its tokenizer, or a name on the Hub; without a network it must be in the cache (HF_HOME)"
        ) from error


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _print(results: dict[str, Any], seen: dict[str, Any]) -> None:
    first = results["original"]
    tasks = {task: [m for m in evaluate.MEASURES if m in scores] for task, scores in first.get("tasks", {}).items()}
    table = Table()
    table.add_column("model")
    columns = ["parameters of the tables", *(["perplexity"] if "perplexity" in first else [])]
    for column in (*columns, *(f"{task} {measure}" for task, measures in tasks.items() for measure in measures)):
        table.add_column(column, justify="right")
    for name, result in results.items():
        cells = [f"{result['tables']['parameters']:,}"]
        cells += [f"{result['perplexity']:.2f}"] if "perplexity" in result else []
        cells += [f"{result['tasks'][task][m]:.1%}" for task, measures in tasks.items() for m in measures]
        table.add_row(name, *cells)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    reach, rows = seen["compressed"], seen["rows"]
    console.print(
        f"{reach['distinct']:,} of {reach['vocabulary']:,} tokens were seen ({reach['share']:.1%}). Through them "
        f"{reach['parameters']:.1%} of the compressed table's numbers can learn (of a dense one's "
        f"{seen['dense']['parameters']:.1%}), and with these {reach['unseen_rows']:.1%} of the rows not seen move."
    )
    for name, row in rows.items():
        console.print(
            f"rows {name}: {row['rows']:,}, of which {row['moved']:.1%} moved, by {row['change']:.3f} of their length; "
            + "; ".join(f"{what} {row[key][0]:.3f} -> {row[key][1]:.3f}" for what, key in MEASURED)
        )
