"""Compress a causal language model, distil it, measure it before and after: the third experiment of the SEE paper.

Everything is in one folder; a step that is there is not done again:

    settings.json             what was asked for
    compressed/ distilled/    models, each with its tokenizer
    original.json compressed.json distilled.json    their measures
    training/                 checkpoints, from which an interrupted training goes on
    log.json                  the log of the training, each loss by itself
    tokens.json               which tokens were seen, what they can change, how far their embeddings moved
    results.json              all measures together
"""

import argparse
import hashlib
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from experiments.llm import data, evaluate, tokens
from experiments.llm.cached_step import check_settings, load_or_make
from experiments.llm.hub import load_model
from experiments.run_record import collect_machine, collect_versions, find_commit
from fairseq_see.distillation.stages import Stages, Weights, parse_side
from fairseq_see.embeddings import find_class
from fairseq_see.embeddings.config import parse_options
from fairseq_see.errors import SeeError
from fairseq_see.fitting import FitConfig
from fairseq_see.hf import build_index, compress_embeddings, get_compressed_embeddings, ship
from fairseq_see.hf.distillation import DistillationTrainer
from fairseq_see.io import replace_folder, write_json

# Tasks of lm-eval that belong to a task of ours.
TASKS = {"arc": ("arc_challenge", "arc_easy")}

# Settings that change how something is computed, and not what.
FREE = ("output", "micro_batch", "checkpointing", "command", "run")


class Experiment:
    """One model and the folder of its results; ``args`` are the command's."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.folder = args, args.output
        self.stages = Stages(
            start=Weights(embedding=args.start_beta, hidden=args.start_gamma),
            formal=Weights(kl=args.distil_alpha, embedding=args.distil_beta, hidden=args.distil_gamma, ce=1.0),
            epochs=0 if args.start_updates else args.start_epochs,
            updates=args.start_updates,
        )
        self.stages.check()
        parse_side(args.distil_layers, "model")
        if args.task is None and args.data is None:
            raise SeeError("nothing to learn from; give --task arc or --data FILE")
        self.options, self.method = parse_options(args.see_args), find_class(args.see_method)
        config = self.method.Config
        sized = config.from_options(args.see_method, self.options).list_unplanned() != config().list_unplanned()
        if args.see_ratio is not None and sized:
            raise SeeError("give either --see-ratio or the size in --see-args, not both")
        self.ratio = None if sized else args.see_ratio or 5.0
        if args.batch % args.micro_batch:
            raise SeeError(f"--batch {args.batch} is no multiple of --micro-batch {args.micro_batch}")
        settings = {name: _describe(value) for name, value in vars(args).items() if name not in FREE}
        path = self.folder / "settings.json"
        if not (self.folder / "compressed").exists():
            write_json(path, settings)
        check_settings(self.folder, load_or_make(path, lambda: settings), settings)

    def run(self) -> None:
        """Do what is not done yet, and print the results."""
        args = self.args
        self.tokenizer = load_model(AutoTokenizer, args.model)
        self.examples = data.read_arc(self.tokenizer, args.length) if args.data is None else self._read(args.data)
        for name, step in (("compressed", self._compress), ("distilled", self._distil)):
            if not (self.folder / name).exists():
                model = step()
                with replace_folder(self.folder / name) as folder:
                    model.save_pretrained(folder)
                    self.tokenizer.save_pretrained(folder)
        sources = {"original": args.model, **{name: self.folder / name for name in ("compressed", "distilled")}}
        results = {
            name: load_or_make(self.folder / f"{name}.json", partial(self._measure, source))
            for name, source in sources.items()
        }
        seen = load_or_make(self.folder / "tokens.json", partial(self._count_tokens, sources.values()))
        made = {"commit": find_commit(), "machine": collect_machine(), **collect_versions()}
        write_json(self.folder / "results.json", {"models": results, "tokens": seen, "made": made})
        _print(results, seen)

    def _compress(self) -> PreTrainedModel:
        args, model = self.args, self._load(self.args.model)
        size = model.get_input_embeddings().num_embeddings
        counts = tokens.count_tokens(self.examples, size).tolist()
        options = {**self.options, "output": args.see_output, "seed": args.seed}
        if self.method.quantised:
            options["counts"] = counts
        if self.method.uses_index and args.senses is not None:
            shape = {"order": args.order, "rank": args.rank}
            options["index"] = build_index(self.tokenizer, size, args.senses, counts=counts, **shape)
        if args.fit_epochs:
            options["fit"] = FitConfig(epochs=args.fit_epochs, seed=args.seed)
        return compress_embeddings(model, self.tokenizer, args.see_method, self.ratio, **options)

    def _distil(self) -> PreTrainedModel:
        args, model, training = self.args, self._load(self.folder / "compressed"), self.folder / "training"
        if args.train == "tables":
            model.requires_grad_(False)
            for embedding in get_compressed_embeddings(model).values():
                embedding.requires_grad_(True)
        valid = self._read(args.valid) if args.valid and args.every else None
        arguments = TrainingArguments(
            output_dir=str(training),
            per_device_train_batch_size=args.micro_batch,
            gradient_accumulation_steps=args.batch // args.micro_batch,
            num_train_epochs=args.epochs,
            max_steps=args.updates or -1,
            learning_rate=args.lr,
            # AdamW without decay, which is Adam.
            optim="adamw_torch",
            weight_decay=0.0,
            lr_scheduler_type="constant",
            bf16=args.bf16,
            activation_checkpointing=args.checkpointing,
            save_strategy="epoch",
            save_total_limit=2,
            logging_steps=args.every or 10,
            eval_strategy="steps" if valid else "no",
            eval_on_start=valid is not None,
            seed=args.seed,
            report_to="none",
            dataloader_pin_memory=torch.cuda.is_available(),
        )
        trainer = DistillationTrainer(
            model,
            arguments,
            teacher=self._load(args.model, args.teacher_dtype),
            stages=self.stages,
            temperature=args.distil_temperature,
            layers=args.distil_layers,
            train_dataset=self.examples,
            eval_dataset=valid,
            data_collator=data.collate,
        )
        with redirect_stdout(sys.stderr):  # standard output is for the results
            trainer.train(resume_from_checkpoint=get_last_checkpoint(training) if training.exists() else None)
        write_json(self.folder / "log.json", trainer.state.log_history)
        return ship(model)

    def _measure(self, source: str | Path) -> dict[str, Any]:
        args, model = self.args, self._load(source)
        if hasattr(model.config, "quantization_config"):
            footprints = [embedding.footprint() for embedding in get_compressed_embeddings(model).values()]
            tables = {unit: sum(getattr(each, unit) for each in footprints) for unit in ("parameters", "bytes")}
        else:
            number = model.get_input_embeddings().weight.numel() * (2 if args.see_output == "untied" else 1)
            tables = {"parameters": number, "bytes": 2 * number}
        measures: dict[str, Any] = {"parameters": model.num_parameters(), "tables": tables}
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        if args.valid is not None:
            measures["perplexity"] = evaluate.measure_perplexity(model, self._read(args.valid))
        if tasks := [*TASKS.get(args.task, ()), *args.tasks]:
            measures["tasks"] = evaluate.run_tasks(model, self.tokenizer, tasks, args.task_folder, limit=args.limit)
        return measures

    def _count_tokens(self, sources: Any) -> dict[str, Any]:
        original, before, after = (self._load(source).get_input_embeddings() for source in sources)
        counts = tokens.count_tokens(self.examples, original.num_embeddings)
        return {
            "dense": tokens.measure_reach(original, counts),
            "compressed": tokens.measure_reach(before, counts),
            "rows": tokens.measure_distances(original, before, after, counts),
        }

    def _load(self, source: str | Path, dtype: str = "float32") -> Any:
        return load_model(AutoModelForCausalLM, source, dtype=dtype)

    def _read(self, path: Path) -> list[data.Example]:
        return data.read(path, self.tokenizer, self.args.length)


def _describe(value: Any) -> Any:
    """A setting as JSON has it; a file with its content's hash."""
    if not isinstance(value, Path):
        return value
    return f"{value} (sha256 {hashlib.sha256(value.read_bytes()).hexdigest()[:12]})" if value.is_file() else str(value)


def _print(results: dict[str, Any], seen: dict[str, Any]) -> None:
    rows: dict[str, dict[str, str]] = {}
    for name, result in results.items():
        rows[name] = {"embedding parameters": f"{result['tables']['parameters']:,}"}
        if "perplexity" in result:
            rows[name]["perplexity"] = f"{result['perplexity']:.2f}"
        for task, scores in result.get("tasks", {}).items():
            rows[name] |= {f"{task} {each}": f"{scores[each]:.1%}" for each in evaluate.MEASURES if each in scores}
    print(pd.DataFrame(rows).T.to_markdown(disable_numparse=True))
    reach = seen["compressed"]
    print(
        f"\n{reach['distinct']:,} of {reach['vocabulary']:,} tokens were seen ({reach['share']:.1%}). Through them "
        f"{reach['parameters']:.1%} of the compressed matrix's parameters can learn (of a dense one's "
        f"{seen['dense']['parameters']:.1%}), and with these {reach['unseen_rows']:.1%} of the other embeddings move. "
        "How far they moved, and how near they are to the teacher's, before and after:\n"
    )
    print(pd.DataFrame(seen["rows"]).T.map(_round).to_markdown(disable_numparse=True))


def _round(value: Any) -> str:
    return " -> ".join(f"{each:.3f}" for each in value) if isinstance(value, list) else f"{value:,.4g}"
