"""Updates per second and peak memory of a whole Transformer: its dense tables against compressed ones.

python benchmarks/training.py [--rounds N] [--words V] [--json FILE]
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from measure import finish, in_turn, markdown, options, resident
from translator import ARCHITECTURE, built, configuration, sentences, task

from fairseq_see.criterions.see_cross_entropy import CrossEntropyCriterion

METHODS = {"dense": None, "see": 20, "see, worst case": 20}


def update_of(method: str, words: int, tokens: int, folder: Path, device: str) -> Callable[[], None]:
    """A training step on one batch of ``tokens`` target tokens."""
    of = task(words)
    model = built(configuration(of, folder, method, METHODS[method]), of).train().to(device)
    criterion = CrossEntropyCriterion(of, sentence_avg=False, label_smoothing=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, betas=(0.9, 0.98))
    length = 32
    source = sentences(tokens // length, length, words).to(device)
    target = sentences(tokens // length, length, words, seed=2).to(device)
    inputs = {
        "src_tokens": source,
        "src_lengths": torch.full((len(source),), length, device=device),
        "prev_output_tokens": target.roll(1, 1),
    }
    sample = {"net_input": inputs, "target": target, "ntokens": target.numel(), "nsentences": len(target)}

    def update() -> None:
        loss, size, _ = criterion(model, sample)
        (loss / size).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return update


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--words", type=int, default=40_000, help="V of both languages (default: 40,000)")
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens in an update (default: 4096)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--peak", choices=METHODS, help="train this one alone and print the process's peak memory")
    arguments = parser.parse_args()
    shape = arguments.words, arguments.tokens
    with tempfile.TemporaryDirectory() as folder:
        if arguments.peak:
            update = update_of(arguments.peak, *shape, Path(folder), arguments.device)
            update(), update()
            print(resident("VmHWM"))
            return 0
        updates = {name: update_of(name, *shape, Path(folder), arguments.device) for name in METHODS}
        seconds = in_turn(updates, arguments.rounds, arguments.device)
        del updates
    command = [sys.executable, __file__, "--words", str(arguments.words), "--tokens", str(arguments.tokens)]
    command += ["--device", arguments.device, "--peak"]
    peaks = {
        name: int(subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        for name in METHODS
    }
    print(f"{ARCHITECTURE}, V = {arguments.words:,}, {arguments.tokens} tokens an update\n")
    rows = [
        [name, f"{time:.2f}", f"{seconds['dense'] / time:.3f}x", f"{peaks[name] / 2**20:.0f}"]
        for name, time in seconds.items()
    ]
    print(markdown(["tables", "seconds an update", "updates/s of dense", "peak MiB of the process"], rows))
    finish({"seconds": seconds, "peak": peaks}, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
