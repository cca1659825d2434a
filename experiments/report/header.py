"""What stands at the top of a report: data, scale, seeds, machine and commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.report import listing, provenance, texts
from experiments.report.provenance import counted
from experiments.report.runs import Result, settings_of


def lines(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Names and values."""
    now = provenance.facts()
    code, machine = provenance.trained(dict.fromkeys(result.run for result in results))
    seeds = sorted({str(result.seed) for result in results})
    return [
        ("Data", counted(_data(result) for result in _runs(results))),
        ("Scale", counted(scale(result) for result in _runs(results))),
        ("Seeds", ", ".join(seeds)),
        ("Scores", "; ".join(listing.signatures(results))),
        ("Trained at commit", code),
        ("Trained on", machine),
        ("Report made at commit", now["commit"]),
    ]


def _runs(results: Sequence[Result]) -> list[Result]:
    """The first result of each run."""
    return list({result.run: result for result in reversed(results)}.values())[::-1]


def _data(result: Result) -> str:
    count = texts.training_pairs(result)
    pairs = "" if count is None else f", {count:,} training pairs"
    checksum = "".join(f", checksum {value}" for value in settings_of(Path(result.run)).get("data", []))
    return f"{texts.prepared(result).name or provenance.UNKNOWN}{pairs}{checksum}"


def scale(result: Result) -> str:
    """A model's shape, its vocabulary, batches and updates, as a line."""
    model = result.setting["model"]
    layers = f"{model.get('encoder_layers', '?')}+{model.get('decoder_layers', '?')} layers"
    rows = ", ".join(f"{rows:,}" for rows, _ in result.tables)
    dims = ", ".join(str(dim) for dim in dict.fromkeys(dim for _, dim in result.tables))
    tokens = result.setting["dataset"].get("max_tokens")
    batch = f", batches of {tokens:,} tokens" if isinstance(tokens, int) else ""
    wanted = result.setting["optimization"].get("max_update")
    updates = f", at most {wanted:,} updates" if wanted else ""
    return f"{layers}, d = {dims}, ffn {model.get('encoder_ffn_embed_dim', '?')}, V = {rows}{batch}{updates}"
