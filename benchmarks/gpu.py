"""What a GPU must answer, in one run: checks, figures beside dense, two short trainings (docs/gpu.md).

python benchmarks/gpu.py OUT [--data DATA-BIN] [--budget SECONDS] [--methods NAME ...] [--parts NAME ...]

Each part writes OUT/PART.json, those worth most first. What the budget does not suffice for is skipped. Status 1 means
that a part in OUT has failed.
"""

import argparse
import copy
import gc
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from floors import DATA_SHEETS, TINY, Size, count_parameters, count_work, find_floor
from indexes import make_realistic_index
from layers import BEAM, build_embeddings, draw_tokens, make_decoding_steps, make_lookups, make_tied_steps
from measure import Results, describe_machine, measure, print_table, time_in_turn

from experiments.run_record import read_curve, read_log
from fairseq_see.embeddings import Embedding
from fairseq_see.io import write_json

ROOT = Path(__file__).resolve().parents[1]
TRAIN = "from fairseq_cli.hydra_train import cli_main; cli_main()"


@dataclass
class Run:
    """One run: where, on what, until when."""

    out: Path
    size: Size
    device: str
    methods: list[str]
    data: Path | None
    deadline: float

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()

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

    @property
    def overrides(self) -> list[str]:
        """Of the configuration of a whole model: its size and precision."""
        sizes = {"embed_dim": self.size.dim, "ffn_embed_dim": self.size.ffn, "layers": self.size.layers}
        given = [f"model.{side}_{name}={value}" for side in ("encoder", "decoder") for name, value in sizes.items()]
        kinds = {torch.float32: ["common.cpu=true"], torch.bfloat16: ["common.bf16=true"]}
        return [*given, f"common.fp16={str(self.dtype == torch.float16).lower()}", *kinds.get(self.dtype, [])]

    @cached_property
    def rates(self) -> tuple[float, float]:
        """Bytes and operations a second, as the part ``floors`` measured them."""
        known = self.out / "floors.json"
        figures = json.loads(known.read_text())["figures"] if known.is_file() else {}
        return tuple(figures["rates"].values())[:2] if figures else DATA_SHEETS["H200"]

    @cached_property
    def embeddings(self) -> dict[str, Embedding]:
        return build_embeddings(self.methods, make_realistic_index(self.size.words), self.size.dim, self.size.ratio)

    def copy_embeddings(self, dtype: torch.dtype) -> dict[str, Embedding]:
        return {name: copy.deepcopy(each).to(self.device, dtype) for name, each in self.embeddings.items()}

    def compare(self, figure: str, dtype: torch.dtype, results: Results) -> Results:
        """Add the times of dense, and of the floor, to figures by method; ``NAME, cached`` reads a whole matrix."""
        dense, rows = results["dense"]["seconds"], []
        for name, of in results.items():
            method = name.removesuffix(", factored")
            if method in self.embeddings:
                parameters = count_parameters(self.embeddings[method])
            else:
                # Codes have so many times fewer bytes than a matrix in half precision.
                parameters = self.size.matrix / (1 if method == name else self.size.ratio)
            least = find_floor(count_work(self.size, parameters)[figure], self.rates)
            of |= {"of_dense": of["seconds"] / dense, "floor": least, "of_floor": of["seconds"] / least}
            rows.append({f"{figure}, {dtype}": name, "ms": of["seconds"] * 1e3})
            rows[-1] |= {"of dense": of["of_dense"], "of floor": of["of_floor"]}
        print_table(rows, "", ".3f", ".2f", ".1f")
        return results


Figures = Iterator[tuple[str, dict[str, Any]]]


def check(run: Run) -> Figures:
    """The embeddings' contract on this device, each precision against float64 on the CPU; in a third of the time."""
    device = "cpu and see" if run.device == "cpu" else "cuda"
    # The closed forms of codes are scikit-learn's k-means, which is not packed and runs on the processor in any case.
    codes = "" if find_spec("sklearn") else " and not (closed_form and (product_quantised or dpq))"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
    command += ["-k", device + codes, "tests/unit/embeddings/test_contract.py"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = {"capture_output": True, "text": True, "check": False, "timeout": max(run.seconds_left, 0) / 3}
    done = subprocess.run(command, cwd=ROOT, env=env, **options)
    lines = (done.stdout + done.stderr).strip().splitlines()
    yield "contract", {"status": done.returncode, "output": lines[-60:] if done.returncode else lines[-1:]}
    if done.returncode:
        raise RuntimeError("the contract is broken on this device")


def measure_rates(run: Run) -> Figures:
    """The device's rates, and the floor of every figure at these rates: before anything else is measured."""
    size = run.size
    block = torch.zeros(size.block, dtype=torch.uint8, device=run.device)
    other, square = block.clone(), torch.randn(size.side, size.side, device=run.device).to(run.dtype)
    actions = {"copy": lambda: other.copy_(block), "product": lambda: square @ square}
    seconds = time_in_turn(actions, size.rounds, run.device)
    run.rates = 2 * size.block / seconds["copy"], 2 * size.side**3 / seconds["product"]
    yield "rates", {"bytes a second": run.rates[0], "operations a second": run.rates[1], "precision": str(run.dtype)}
    for name, each in run.embeddings.items():
        work = count_work(size, count_parameters(each))
        yield name, {figure: {"work": of, "seconds": find_floor(of, run.rates)} for figure, of in work.items()}


def time_updates(run: Run) -> Figures:
    from training import measure_updates

    ratios = {name: each.ratio if each.compresses else None for name, each in run.embeddings.items()}
    figures = measure_updates(run.size.words, ratios, run.size.batch, run.overrides, run.size.rounds, run.device)
    yield str(run.dtype), run.compare("update", run.dtype, figures)


def time_steps(run: Run) -> Figures:
    for dtype in run.halves:
        for positions in run.size.positions:
            tokens = draw_tokens(run.size.words, positions).to(run.device)
            figures = measure(make_tied_steps(run.copy_embeddings(dtype), tokens), run.size.rounds, run.device)
            yield f"{positions} positions, {dtype}", run.compare(f"step {positions}", dtype, figures)


def time_embeddings(run: Run) -> Figures:
    for dtype in run.halves:
        with torch.no_grad():
            actions = {name: each.table for name, each in run.copy_embeddings(dtype).items()}
            figures = measure(actions, run.size.rounds, run.device)
        yield f"matrix, {dtype}", run.compare("matrix", dtype, figures)
    tokens = draw_tokens(run.size.words, run.size.tokens).to(run.device)
    figures = measure(make_lookups(run.copy_embeddings(torch.float32), tokens), run.size.rounds, run.device)
    yield "lookup, torch.float32", run.compare("lookup", torch.float32, figures)


def time_decoding(run: Run) -> Figures:
    steps = make_decoding_steps(run.copy_embeddings(run.dtype), draw_tokens(run.size.words, BEAM).to(run.device))
    yield "embedding", run.compare("decoding", run.dtype, measure(steps, run.size.rounds, run.device))
    from inference import MODES, measure_steps
    from translator import build_model, configure, make_task

    task = make_task(run.size.words)
    with TemporaryDirectory() as folder, torch.no_grad():
        models = {}
        for name, (method, *options) in MODES.items():
            ratio = [f"model.see_ratio={run.size.ratio}"] if options else []
            cfg = configure(task, Path(folder), method, *options, *ratio, *run.overrides)
            models[name] = build_model(cfg, task).eval().to(run.device, run.dtype)
        figures = measure_steps(models, task, run.size.rounds, run.device)
    results = {name: of | {"seconds": of.pop("step")} for name, of in figures.items()}
    yield "model", run.compare("model decoding", run.dtype, results)


def train(run: Run) -> Figures:
    """Dense and SEE side by side until the budget ends: curves of the loss, and of the perplexity on the dev set."""
    # Half a minute goes to beginning and ending.
    if run.data is None or run.seconds_left < 60:
        yield "skipped", {"reason": "no --data" if run.data is None else "the budget is used up"}
        return
    from translator import CONFIG

    from experiments.training import begin

    overrides = [*run.overrides, f"optimization.max_update={run.size.updates}", "checkpoint.no_save=true"]
    overrides += ["lr_scheduler.warmup_updates=500", "dataset.validate_interval_updates=200", "common.log_interval=20"]
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        cells = {Path(name) / "dense": [], Path(name) / "see": [f"model.see_ratio={run.size.ratio}"]}
        for cell, given in cells.items():
            given = [*overrides, f"model.see_method={cell.name}", *given]
            begin(CONFIG, run.data, cell, given, time.time() + run.seconds_left)
        trainers = {}
        for cell in cells:
            command = [sys.executable, "-c", TRAIN, "--config-dir", cell, "--config-name", "training"]
            with (cell / "fairseq.log").open("w") as log:
                trainers[cell] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        found = {"overrides": overrides}
        for cell, trainer in trainers.items():
            try:
                status = trainer.wait(max(1, run.seconds_left))
            except subprocess.TimeoutExpired:
                trainer.kill()
                status = trainer.wait()
            log = cell / "train.log"
            log.touch()
            steps = [line for line in read_log(log) if "num_updates" in line]
            found[cell.name] = {"status": status, "curve": read_curve(log), "steps": steps}
            if status:
                found[cell.name]["output"] = (cell / "fairseq.log").read_text()[-3000:].splitlines()
    yield "curves", found
    if any(found[cell.name]["status"] for cell in cells):
        raise RuntimeError("a training failed, or was stopped when the budget was used up")


PARTS: dict[str, Callable[[Run], Figures]] = {
    "checks": check,
    "floors": measure_rates,
    "updates": time_updates,
    "steps": time_steps,
    "embeddings": time_embeddings,
    "decoding": time_decoding,
    "training": train,
}


def perform(run: Run, name: str) -> bool:
    """Run a part, each figure written as soon as it is there; return whether it succeeded."""
    begun, file, results = time.monotonic(), run.out / f"{name}.json", {**describe_machine(), "figures": {}}
    try:
        for figure, found in PARTS[name](run) if run.seconds_left > 0 else ():
            results["figures"][figure] = found
            write_json(file, results)
            if run.seconds_left < 0:
                break
    except Exception:  # Whatever a part fails of, the others are worth having.
        results["error"] = traceback.format_exc()
        print(results["error"], file=sys.stderr)
    if run.seconds_left < 0:
        results["stopped"] = "the budget is used up"
    write_json(file, results | {"part's seconds": time.monotonic() - begun})
    print(f"{name}: {len(results['figures'])} figures written", flush=True)
    return "error" not in results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the results")
    parser.add_argument("--data", type=Path, metavar="DATA-BIN", help="prepared corpus with unit indexes, to train on")
    parser.add_argument("--budget", type=float, default=480, help="seconds that all may take (default: 480)")
    parser.add_argument("--methods", nargs="*", default=["see", "dpq"], help="beside dense (default: see dpq)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: a trial of this script")
    args = parser.parse_args()
    if args.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"torch {torch.__version__} finds no GPU (CUDA_VISIBLE_DEVICES, driver, a build without CUDA?)")
    args.out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + args.budget
    run = Run(args.out, TINY if args.tiny else Size(), args.device, args.methods, args.data, deadline)
    for number, name in enumerate(args.parts, 1):
        if not perform(run, name) and (left := args.parts[number:]):
            # In a new process: an error of CUDA stays with the one in which it happened.
            budget = f"--budget={run.seconds_left}"
            os.execv(sys.executable, [sys.executable, *sys.argv, budget, "--parts", *left])
        gc.collect()
        torch.cuda.empty_cache()
    return any("error" in json.loads(path.read_text()) for path in args.out.glob("*.json"))


if __name__ == "__main__":
    raise SystemExit(main())
