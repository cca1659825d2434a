"""What a GPU must answer, in one run: checks, figures beside dense, two short trainings (docs/gpu.md).

python benchmarks/gpu.py OUT [--data DATA-BIN] [--budget SECONDS] [--methods NAME ...]

Each part writes OUT/PART.json when it ends, those worth most first. What the budget does not suffice for is skipped.
"""

import argparse
import copy
import gc
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from floors import DATA_SHEETS, TINY, Size, count_parameters, count_work, floor
from indexes import like_real
from inference import MODES, measure_steps
from layers import BEAM, build_embeddings, decoding_steps, draw_tokens, lookups, tied_steps
from measure import describe_machine, in_turn, markdown, measure
from training import measure_updates
from translator import CONFIG, ON_CPU, build_model, configure, make_task

from experiments.progress import read_log
from experiments.run_record import read_curve
from experiments.training import begin
from fairseq_see.embeddings import Embedding
from fairseq_see.io import write_json

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Run:
    """One run: where, on what, until when."""

    out: Path
    size: Size
    device: str
    methods: list[str]
    data: Path | None
    deadline: float
    rates: tuple[float, float] = DATA_SHEETS["H200"]
    embeddings: dict[str, Embedding] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of whole models."""
        if self.device == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16

    @property
    def halves(self) -> tuple[torch.dtype, ...]:
        """Half precisions, without bfloat16 where the GPU has none."""
        return (torch.float16,) if self.dtype == torch.float16 else (torch.bfloat16, torch.float16)

    def overrides(self) -> list[str]:
        """Of the configuration of a whole model, with its precision."""
        half = ["common.fp16=false", "common.bf16=true"] if self.dtype == torch.bfloat16 else []
        return [*self.size.overrides(), *(ON_CPU if self.device == "cpu" else half)]

    def on_device(self, dtype: torch.dtype) -> dict[str, Embedding]:
        return {name: copy.deepcopy(each).to(self.device, dtype) for name, each in self.embeddings.items()}

    def compare(self, figure: str, dtype: torch.dtype, results: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Add the times of dense, and of the floor, to figures by method; ``NAME, cached`` reads a whole matrix."""
        dense = results["dense"]["seconds"]
        for name, of in results.items():
            embedding = self.embeddings.get(name.removesuffix(", factored"))
            parameters = count_parameters(embedding) if embedding else self.size.matrix
            least = floor(count_work(self.size, parameters)[figure], self.rates)
            of |= {"of_dense": of["seconds"] / dense, "floor": least, "of_floor": of["seconds"] / least}
        rows = [
            [name, f"{of['seconds'] * 1e3:.3f}", f"{of['of_dense']:.2f}x", f"{of['of_floor']:.1f}x"]
            for name, of in results.items()
        ]
        print("\n" + markdown([f"{figure}, {dtype}", "ms", "of dense", "of floor"], rows), flush=True)
        return results


Figures = Iterator[tuple[str, dict[str, Any]]]


def check(run: Run) -> Figures:
    """The embeddings' contract on this device, each precision against float64 on the CPU."""
    chosen = ("-m", "gpu") if run.device != "cpu" else ("-k", "test_precisions and see")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *chosen]
    command.append("tests/unit/embeddings/test_contract.py")
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    yield "contract", {"status": done.returncode, "output": lines[-60:] if done.returncode else lines[-1:]}
    if done.returncode:
        raise RuntimeError("the contract is broken on this device")


def write_floors(run: Run) -> Figures:
    """The device's rates, and the floor of every figure at these rates: before anything else is measured."""
    size = run.size
    block = torch.zeros(size.block, dtype=torch.uint8, device=run.device)
    other, square = block.clone(), torch.randn(size.side, size.side, device=run.device).to(run.dtype)
    actions = {"copy": lambda: other.copy_(block), "product": lambda: square @ square}
    seconds = in_turn(actions, size.rounds, run.device)
    run.rates = 2 * size.block / seconds["copy"], 2 * size.side**3 / seconds["product"]
    yield "rates", {"bytes a second": run.rates[0], "operations a second": run.rates[1], "precision": str(run.dtype)}
    run.embeddings = build_embeddings(run.methods, like_real(size.words), size.dim, size.ratio)
    for name, each in run.embeddings.items():
        work = count_work(size, count_parameters(each))
        yield name, {figure: {"work": of, "seconds": floor(of, run.rates)} for figure, of in work.items()}


def time_updates(run: Run) -> Figures:
    with TemporaryDirectory() as folder:
        ratios = {name: each.ratio if each.compresses else None for name, each in run.embeddings.items()}
        given = Path(folder), ratios, run.size.batch, run.overrides(), run.size.rounds, run.device
        figures = measure_updates(make_task(run.size.words), *given)
    yield str(run.dtype), run.compare("update", run.dtype, figures)


def time_steps(run: Run) -> Figures:
    for dtype in run.halves:
        for positions in run.size.positions:
            tokens = draw_tokens(run.size.words, positions).to(run.device)
            figures = measure(tied_steps(run.on_device(dtype), tokens), run.size.rounds, run.device)
            yield f"{positions} positions, {dtype}", run.compare(f"step {positions}", dtype, figures)


def time_embeddings(run: Run) -> Figures:
    for dtype in run.halves:
        with torch.no_grad():
            actions = {name: each.table for name, each in run.on_device(dtype).items()}
            figures = measure(actions, run.size.rounds, run.device)
        yield f"matrix, {dtype}", run.compare("matrix", dtype, figures)
    tokens = draw_tokens(run.size.words, run.size.tokens).to(run.device)
    figures = measure(lookups(run.on_device(torch.float32), tokens), run.size.rounds, run.device)
    yield "lookup, torch.float32", run.compare("lookup", torch.float32, figures)


def time_decoding(run: Run) -> Figures:
    steps = decoding_steps(run.on_device(run.dtype), draw_tokens(run.size.words, BEAM).to(run.device))
    yield "embedding", run.compare("decoding", run.dtype, measure(steps, run.size.rounds, run.device))
    task, names = make_task(run.size.words), ("dense", "see, cached", "see, factored")
    with TemporaryDirectory() as folder, torch.no_grad():
        models = {}
        for name, (method, *options) in zip(names, MODES.values(), strict=True):
            ratio = [f"model.see_ratio={run.size.ratio}"] if options else []
            cfg = configure(task, Path(folder), method, *options, *ratio, *run.overrides())
            models[name] = build_model(cfg, task).eval().to(run.device, run.dtype)
        figures = measure_steps(models, task, run.size.rounds, run.device)
    results = {name: of | {"seconds": of.pop("step")} for name, of in figures.items()}
    yield "model", run.compare("model decoding", run.dtype, results)


def train(run: Run) -> Figures:
    """Dense and SEE side by side until the budget ends: curves of the loss, and of the perplexity on the dev set."""
    # Half a minute goes to beginning and ending.
    if run.data is None or run.deadline - time.monotonic() < 60:
        yield "skipped", {"reason": "no --data" if run.data is None else "the budget is used up"}
        return
    overrides = [*run.overrides(), f"optimization.max_update={run.size.updates}", "checkpoint.no_save=true"]
    overrides += ["lr_scheduler.warmup_updates=500", "dataset.validate_interval_updates=200", "common.log_interval=20"]
    code = "from fairseq_cli.hydra_train import cli_main; cli_main()"
    with TemporaryDirectory() as name:
        cells = {Path(name) / "dense": [], Path(name) / "see": [f"model.see_ratio={run.size.ratio}"]}
        for cell, given in cells.items():
            ends = time.time() + run.deadline - time.monotonic()
            begin(CONFIG, run.data, cell, [*overrides, f"model.see_method={cell.name}", *given], ends)
        trainers = {}
        for cell in cells:
            command = [sys.executable, "-c", code, "--config-dir", cell, "--config-name", "training"]
            with (cell / "fairseq.log").open("w") as log:
                trainers[cell] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        for cell, trainer in trainers.items():
            try:
                trainer.wait(max(5, run.deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                trainer.kill()
            if trainer.wait():
                print((cell / "fairseq.log").read_text()[-3000:], file=sys.stderr)
            log = cell / "train.log"
            log.touch()
            steps = [line for line in read_log(log) if "num_updates" in line]
            yield cell.name, {"status": trainer.returncode, "curve": read_curve(log), "steps": steps}
        if any(trainer.returncode for trainer in trainers.values()):
            raise RuntimeError("a training failed")
    yield "overrides", {"overrides": overrides}


PARTS: dict[str, Callable[[Run], Figures]] = {
    "checks": check,
    "floors": write_floors,
    "updates": time_updates,
    "steps": time_steps,
    "embeddings": time_embeddings,
    "decoding": time_decoding,
    "training": train,
}


def perform(run: Run) -> list[str]:
    """Run all parts, each figure written as soon as it is there; return the names of parts that failed."""
    failed = []
    for name, part in PARTS.items():
        start, results = time.monotonic(), {**describe_machine(), "figures": {}}
        try:
            if start > run.deadline:
                results["skipped"] = "the budget is used up"
            else:
                for figure, found in part(run):
                    results["figures"][figure] = found
                    write_json(run.out / f"{name}.json", results)
                    if time.monotonic() > run.deadline:
                        results["stopped"] = "the budget is used up"
                        break
        except Exception:  # Whatever a part fails of, the others are worth having.
            failed.append(name)
            results["error"] = traceback.format_exc()
            print(results["error"], file=sys.stderr)
        gc.collect()
        torch.cuda.empty_cache()
        write_json(run.out / f"{name}.json", results | {"part's seconds": time.monotonic() - start})
        print(f"{name}: {results.get('skipped', 'written')}", flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the results")
    parser.add_argument("--data", type=Path, metavar="DATA-BIN", help="prepared corpus with unit indexes, to train on")
    parser.add_argument("--budget", type=float, default=480, help="seconds that all may take (default: 480)")
    parser.add_argument("--methods", nargs="*", default=["see", "dpq"], help="beside dense (default: see dpq)")
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: a trial of this script")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + args.budget
    run = Run(args.out, TINY if args.tiny else Size(), args.device, args.methods, args.data, deadline)
    return bool(perform(run))


if __name__ == "__main__":
    raise SystemExit(main())
