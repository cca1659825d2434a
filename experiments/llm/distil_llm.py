"""``python -m experiments distil_llm``: compress and distil a causal language model."""

import argparse
from pathlib import Path

HELP = "compress a language model of Hugging Face and distil it (needs fairseq_see[llm])"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; the defaults are the paper's, where it has any."""
    parser.add_argument("--model", required=True, help="name on the Hub, or folder of a model with its tokenizer")
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FOLDER", help="all that is made")
    data = parser.add_argument_group("text and tasks")
    arc = "arc: learn ARC's training questions, measure arc_challenge and arc_easy"
    data.add_argument("--task", choices=("arc",), help=arc)
    data.add_argument("--data", type=Path, metavar="FILE", help="text or .jsonl to learn from, in place of the task's")
    data.add_argument("--valid", type=Path, metavar="FILE", help="text or .jsonl whose perplexity is measured")
    data.add_argument("--length", type=int, default=512, help="tokens of an example at most (default: %(default)s)")
    data.add_argument("--tasks", nargs="+", default=[], metavar="NAME", help="tasks of lm-eval, besides the task's")
    data.add_argument("--task-folder", type=Path, metavar="FOLDER", help="further tasks for lm-eval, a YAML each")
    data.add_argument("--limit", type=int, metavar="N", help="measure N questions of each task (default: all)")
    embedding = parser.add_argument_group("embedding")
    embedding.add_argument("--see-method", default="see", metavar="METHOD", help="default: %(default)s")
    embedding.add_argument("--see-ratio", type=float, metavar="R", help="compress each matrix R times (default: 5)")
    hyper_parameters = "hyper-parameters (fairseq-see plan --list-options)"
    embedding.add_argument("--see-args", metavar="NAME=VALUE,...", help=hyper_parameters)
    embedding.add_argument("--senses", type=Path, metavar="TSV", help="table of senses (data/README.md)")
    embedding.add_argument("--order", type=int, default=3, help="units in a group (default: %(default)s)")
    embedding.add_argument("--rank", type=int, default=5, help="groups in a word (default: %(default)s)")
    output = "output layer: tied to the input's, with an embedding of its own, or as it was (default: tied if it was)"
    embedding.add_argument("--see-output", choices=("auto", "tied", "untied", "dense"), default="auto", help=output)
    fit = "fit to the dense matrix before distilling (default: %(default)s)"
    embedding.add_argument("--fit-epochs", type=int, default=0, metavar="N", help=fit)
    losses = parser.add_argument_group("losses (docs/compress.md)")
    losses.add_argument("--start-epochs", type=int, default=2, help="length of the start stage (default: %(default)s)")
    losses.add_argument("--start-updates", type=int, default=0, metavar="N", help="its length in updates, not epochs")
    terms = {"alpha": "KL divergence", "beta": "MSE of embeddings", "gamma": "MSE of hidden states"}
    for stage, names in (("start", ("beta", "gamma")), ("distil", ("alpha", "beta", "gamma"))):
        for name in names:
            weight = f"weight of the {terms[name]} in the {'start' if stage == 'start' else 'formal'} stage"
            losses.add_argument(f"--{stage}-{name}", type=float, default=1.0, help=f"{weight} (default: 1)")
    losses.add_argument("--distil-temperature", type=float, default=1.0, help="T of the KL divergence")
    losses.add_argument("--distil-layers", default="all", help="all, last, or LAYER,STUDENT:TEACHER,...")
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=5, help="both stages together (default: %(default)s)")
    training.add_argument("--updates", type=int, metavar="N", help="both stages together, in updates, not epochs")
    training.add_argument("--every", type=int, metavar="N", help="updates between validations (default: none)")
    training.add_argument("--lr", type=float, default=4e-5, help="of Adam, constant (default: %(default)s)")
    training.add_argument("--batch", type=int, default=32, help="examples in an update (default: %(default)s)")
    training.add_argument("--micro-batch", type=int, default=4, metavar="N", help="at a time (default: %(default)s)")
    which = "all weights, or the compressed embeddings alone"
    training.add_argument("--train", choices=("all", "tables"), default="all", help=which)
    training.add_argument("--bf16", action="store_true", help="compute in bfloat16; weights stay in single precision")
    training.add_argument("--teacher-dtype", default="auto", metavar="TYPE", help="bfloat16, ... (default: as saved)")
    training.add_argument("--checkpointing", action="store_true", help="keep no activations: less memory, more time")
    training.add_argument("--seed", type=int, default=1, help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Compress, distil, measure before and after."""
    # Here, not above: transformers takes seconds to import.
    from experiments.llm.experiment import Experiment

    Experiment(args).run()
