"""A tiny Phi-3 is trained, compressed, and distilled: in the paper's two stages, or in the second alone.

python -m experiments.llm.tiny_phi3 FOLDER [--text FILE] [--valid FILE] [--senses TSV] [--arms ARM ...]

The students, each made by ``python -m experiments distil_llm``, train as many updates and see the same batches. An arm
is an initialisation and what follows. SEE's is ``random`` as in the paper, or ``fitted`` to the teacher's embedding
matrix; ``product_quantised`` and ``dpq`` are codes of that matrix, as many times smaller in bytes.

    staged   the first updates compare embeddings and hidden states alone (start stage), the others everything
    formal   everything from the beginning (formal stage)
    plain    cross entropy alone

FOLDER keeps what is done; FOLDER/results.json has all results, FOLDER/curves.png the validation perplexity.
"""

import argparse
import json
import math
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast, Trainer, TrainingArguments

from experiments.__main__ import main as run_experiment
from experiments.llm.data import collate, split_blocks
from experiments.llm.tokens import count_tokens
from fairseq_see.errors import ends_in_one_line
from fairseq_see.io import read_lines, replace_file, replace_folder, write_json

matplotlib.use("Agg")
DATA = Path(__file__).resolve().parents[2] / "data"
END = "<|endoftext|>"
SEE = {"see-method": "see", "see-args": "layernorm=false,frequent_share=0"}
CODES = ("product_quantised", "dpq")
ARMS = [f"{start}-{way}" for start in ("random", "fitted", *CODES) for way in ("staged", "formal", "plain")]


def train_teacher(args: argparse.Namespace, folder: Path) -> None:
    """Phi-3's architecture, input and output tied; its tokenizer beside it, and the perplexity of unigrams."""
    lines = read_lines(args.text)
    trained = ByteLevelBPETokenizer(add_prefix_space=True)
    trained.train_from_iterator(lines, args.words, special_tokens=[END], show_progress=False)
    ends = dict.fromkeys(("bos_token", "eos_token", "pad_token"), END)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, **ends)
    train, valid = (split_blocks(text, tokenizer, args.length) for text in (lines, read_lines(args.valid)))
    torch.manual_seed(args.seed)
    sizes = {"hidden_size": args.dim, "intermediate_size": 2 * args.dim, "num_hidden_layers": args.layers}
    sizes |= dict.fromkeys(("num_attention_heads", "num_key_value_heads"), 4)
    sizes |= dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0)
    sizes |= {"vocab_size": len(tokenizer), "max_position_embeddings": args.length, "tie_word_embeddings": True}
    model = Phi3ForCausalLM(Phi3Config(**sizes))
    how = {"max_steps": args.teacher_updates, "learning_rate": args.teacher_lr, "lr_scheduler_type": "cosine"}
    how |= {"warmup_steps": 50, "per_device_train_batch_size": args.batch, "save_strategy": "no", "seed": args.seed}
    how |= {"use_cpu": True, "dataloader_pin_memory": False, "report_to": "none"}
    with redirect_stdout(sys.stderr):
        arguments = TrainingArguments(str(folder.with_name("training")), **how)
        Trainer(model, arguments, train_dataset=train, data_collator=collate).train()
    counts = count_tokens(train, len(tokenizer)).double() + 1
    targets = torch.tensor([token for example in valid for token in example["labels"][1:]])
    unigram = math.exp(-(counts / counts.sum()).log()[targets].mean().item())
    with replace_folder(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        write_json(temporary / "unigram.json", unigram)


def distil(args: argparse.Namespace, arm: str) -> dict[str, Any]:
    """Results of an arm, and ``curve``: pairs of updates and validation perplexity."""
    start, way = arm.split("-")
    options = {"model": args.folder / "teacher", "output": args.folder / arm, "data": args.text, "valid": args.valid}
    options |= {"see-method": start} if start in CODES else SEE | {"senses": args.senses}
    options |= {"fit-epochs": args.fit_epochs} if start == "fitted" else {}
    options |= {"see-ratio": args.ratio, "length": args.length, "updates": args.updates, "lr": args.lr}
    options |= {"batch": args.batch, "micro-batch": args.batch, "every": args.every, "seed": args.seed}
    options |= {"start-updates": args.start_updates} if way == "staged" else {"start-epochs": 0}
    options |= {f"distil-{name}": 0 for name in ("alpha", "beta", "gamma")} if way == "plain" else {}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    with redirect_stdout(sys.stderr):
        if status := run_experiment(["distil_llm", *words]):
            sys.exit(status)
    results, log = (json.loads((args.folder / arm / f"{name}.json").read_text()) for name in ("results", "log"))
    return results | {"curve": [(at["step"], math.exp(at["eval_loss"])) for at in log if "eval_loss" in at]}


def main() -> None:
    """Train, compress, distil; print a table in Markdown."""
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
    parser.add_argument("--fit-epochs", type=int, default=100, help="of the fitted initialisation")
    parser.add_argument("--teacher-updates", type=int, default=500)
    parser.add_argument("--teacher-lr", type=float, default=3e-3)
    parser.add_argument("--updates", type=int, default=200, help="of each arm")
    parser.add_argument("--start-updates", type=int, default=70, help="of them the start stage")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--every", type=int, default=50, help="updates between two measurements")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS, metavar="ARM", help=", ".join(ARMS))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    teacher = args.folder / "teacher"
    with ends_in_one_line():
        if not teacher.exists():
            args.folder.mkdir(parents=True, exist_ok=True)
            train_teacher(args, teacher)
        results = {arm: distil(args, arm) for arm in args.arms}
    unigram = json.loads((teacher / "unigram.json").read_text())
    write_json(args.folder / "results.json", {"unigram": unigram, **results})
    original = results[args.arms[0]]["models"]["original"]
    curves = pd.DataFrame({arm: pd.Series(dict(each["curve"])) for arm, each in results.items()})
    axes = curves.plot(figsize=(7, 4), marker=".", logy=True, xlabel="updates", ylabel="validation perplexity")
    axes.axhline(original["perplexity"], color="black", linestyle=":", label="teacher")
    axes.legend()
    with replace_file(args.folder / "curves.png") as temporary:
        axes.figure.savefig(temporary, format="png", dpi=120)
    models = [("teacher", None, original)]
    models += [
        (arm, *(found["models"][name] for name in ("compressed", "distilled"))) for arm, found in results.items()
    ]
    rows = [["unigrams", "", "", "", f"{unigram:,.1f}"]]
    for name, before, after in models:
        sizes = [f"{after['tables'][unit]:,}" for unit in ("parameters", "bytes")]
        rows.append([name, *sizes, *(f"{each['perplexity']:,.1f}" if each else "" for each in (before, after))])
    columns = ["model", "embedding parameters", "bytes", "perplexity as compressed", "trained"]
    print(pd.DataFrame(rows, columns=columns).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
