"""Checks, trains and scores the runs of a bundle, several at once, until all are done or the time is up.

``run_bundle.sh`` starts it. Each run is one of ``scripts/train.sh`` and ``scripts/score.sh``; this decides when which
of them starts, when it has to stop, and gathers what is worth carrying home.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from experiments.run_list import Run, read_json
from experiments.training_log import write_curve
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.io import replacing

STOPPED = "Stopping training due to cumulative_training_time"
# What is not worth starting: seconds of training, and the seconds kept at the very end for packing.
SHORTEST, PACKING = 5, 5
RESULTS = (
    *("train.log", "train.settings", "train.indexes", "provenance.json", "dict*.txt"),
    *("*.scores.json", "*.hyp", "*.hyp.tok", "*.ref", "*.ref.tok", "*.generate"),
)


@dataclass
class Outcome:
    """How far a run has come. ``state``: waiting, failed, stopped (started again, it goes on), or finished."""

    run: Run
    state: str = "waiting"
    problem: str = ""


@dataclass
class Work:
    """The runs of one bundle in one folder.

    Args:
        bundle: the unpacked archive.
        folder: where runs, checks and results are.
        archive: the results, packed.
        deadline: when all must have ended (``time.time()``), or None.
        scoring: seconds kept for validation, translation and scores before that.
        parallel: how many runs at once.
        cpu: train on the processor.
        checkpoints: pack the best checkpoint of each run, without the optimizer's state.
    """

    bundle: Path
    folder: Path
    archive: Path
    deadline: float | None = None
    scoring: float = 120
    parallel: int = 1
    cpu: bool = False
    checkpoints: bool = False
    processes: set[subprocess.Popen] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: bool = False

    # -- one run ---------------------------------------------------------------------------------------------------

    def check(self, outcome: Outcome) -> None:
        """One update of a run: its configuration, the data and the machine fit together."""
        run, folder = outcome.run, self.folder / "check" / outcome.run.name
        if self._starting(run) is not None or self._left() < SHORTEST:
            return
        one = ["optimization.max_update=1", "checkpoint.no_save=true", "dataset.disable_validation=true"]
        started, last = time.time(), deque[str](maxlen=12)
        shutil.rmtree(folder, ignore_errors=True)
        status = self._script(
            last.append, "train.sh", run.config, self._data / "data-bin", folder, *run.overrides, *one
        )
        if status == 0:
            seconds = time.time() - started
            with replacing(self._marker(run)) as temporary:
                temporary.write_text(json.dumps([asdict(run), seconds]), encoding="utf-8")
            self._say(f"  {run.name}: one update took {seconds:.0f} s, starting included")
            shutil.rmtree(folder, ignore_errors=True)
        elif not self._late():
            outcome.state = "failed"
            reason = (line for line in reversed(last) if "rror" in line or line.startswith("Could not"))
            outcome.problem = f"its first update: {next(reason, 'failed; see its train.log')}"
            self._say(*(f"  {run.name}: {line}" for line in last))

    def _marker(self, run: Run) -> Path:
        return self.folder / "check" / f"{run.name}.json"

    def _starting(self, run: Run) -> float | None:
        """Seconds that the run takes to start, if it has been checked."""
        try:
            checked, seconds = json.loads(self._marker(run).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return seconds if checked == asdict(run) else None

    def do(self, outcome: Outcome) -> None:
        """Train as long as there is time, score, gather."""
        if outcome.state != "failed" and not self.ending:
            self._train(outcome)
            if outcome.state in ("stopped", "finished"):
                self._score(outcome)
        self._gather(outcome)

    def _train(self, outcome: Outcome) -> None:
        run, folder = outcome.run, self.folder / "runs" / outcome.run.name
        done, settings = folder / "finished", json.dumps(asdict(run))
        if done.is_file() and done.read_text(encoding="utf-8") == settings:
            outcome.state = "finished"
            self._say(f"[{run.name}] is trained already")
            return
        resumed = any((folder / "checkpoints").glob("checkpoint*.pt"))
        outcome.state = "stopped" if resumed else "waiting"
        limit: list[str] = []
        if self.deadline is not None:
            before = self._trained_hours(folder / "checkpoints") if resumed else 0
            training = self._left() - self.scoring - (self._starting(run) or 0)
            if training < SHORTEST:
                self._say(f"[{run.name}] no time left to train; start again to go on")
                return
            self._say(f"[{run.name}] training for at most {training / 60:.1f} minutes")
            limit = [f"optimization.stop_time_hours={before + training / 3600:.6f}"]
        _forget_limit(folder, limit)
        log = folder / "train.log"
        # Without a checkpoint, train.sh begins a new one.
        known = log.stat().st_size if resumed and log.is_file() else 0
        status = self._script(
            self._printer(run.name), "train.sh", run.config, self._data / "data-bin", folder, *run.overrides, *limit
        )
        if status == 0:
            with log.open("rb") as file:
                file.seek(known)
                outcome.state = "stopped" if STOPPED.encode() in file.read() else "finished"
            if outcome.state == "finished":
                done.write_text(settings, encoding="utf-8")
        elif self._late():
            outcome.state, outcome.problem = "stopped", "killed before its next checkpoint"
        else:
            outcome.state, outcome.problem = "failed", f"training ended with status {status}; see its train.log"

    def _score(self, outcome: Outcome) -> None:
        run, folder = outcome.run, self.folder / "runs" / outcome.run.name
        if not (folder / "checkpoints/checkpoint_best.pt").is_file():
            outcome.problem = outcome.problem or "no checkpoint to score yet"
        elif self._script(self._printer(run.name), "score.sh", folder, self._data):
            late = self._late()
            outcome.problem = outcome.problem or ("no time left to score" if late else "scoring failed; see above")
            outcome.state = outcome.state if late else "failed"

    def _gather(self, outcome: Outcome) -> None:
        """The small folder of a run, made anew, and the archive of all of them."""
        run, source = outcome.run, self.folder / "runs" / outcome.run.name
        if not (source / "train.log").is_file():
            source = self.folder / "check" / run.name
        target = self.folder / "results" / run.name
        fresh = target.with_name(f".{run.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        # train.sh takes a run that reached its limit for done, too.
        patterns = [*RESULTS, "done"] if outcome.state == "finished" else RESULTS
        files = [path for pattern in patterns for path in sorted(source.glob(pattern))]
        for path in files:
            shutil.copy2(path, fresh)
        if (source / "hydra/config.yaml").is_file():
            shutil.copy2(source / "hydra/config.yaml", fresh)
        rows = write_curve(source / "train.log", fresh / "curve.tsv")
        best = source / "checkpoints/checkpoint_best.pt"
        if self.checkpoints and best.is_file():
            said: list[str] = []
            if self._script(said.append, None, "average", best, "-o", fresh / "checkpoints/checkpoint_best.pt"):
                self._say(f"[{run.name}] its checkpoint is not packed", *said[-1:])
        valid = [row for row in rows if row["split"] == "valid"]
        facts = asdict(run) | {
            "state": outcome.state,
            "problem": outcome.problem,
            "valid": valid[-1] if valid else None,
        }
        (fresh / "run.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        with self.lock:
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
            self._pack()

    def _pack(self) -> None:
        results = self.folder / "results"
        if (self.folder / "machine.json").is_file():
            shutil.copy2(self.folder / "machine.json", results)
        with replacing(self.archive) as temporary, tarfile.open(temporary, "w:gz") as archive:
            for path in sorted(results.iterdir()):
                if not path.name.startswith("."):
                    archive.add(path, f"results/{path.name}")

    # -- processes -------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.bundle / "data"

    def _left(self) -> float:
        """Seconds until everything must have ended."""
        return float("inf") if self.deadline is None else self.deadline - PACKING - time.time()

    def _late(self) -> bool:
        return self.ending or self._left() <= 0

    def _trained_hours(self, checkpoints: Path) -> float:
        command = [sys.executable, "-m", "experiments.offline.machine", "trained", str(checkpoints)]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        return float(done.stdout.rpartition("hours ")[2] or 0)

    def _environment(self) -> dict[str, str]:
        threads = str(max(1, (os.cpu_count() or 1) // self.parallel))
        environment = {"OMP_NUM_THREADS": threads, **os.environ}
        if self.cpu:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        return environment

    def _script(self, tell: Callable[[str], object], script: str | None, *words: object) -> int:
        """Run a script (or, with None, fairseq-see) to its end or the deadline, handing on its lines; its status."""
        head = ["bash", str(self.bundle / "source/scripts" / script)] if script else ["fairseq-see"]
        with self.lock:
            if self._late():
                return -signal.SIGTERM
            process = subprocess.Popen(
                [*head, *map(str, words)],
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self.processes.add(process)
        timer = threading.Timer(min(self._left(), threading.TIMEOUT_MAX), _kill, [process])
        timer.daemon = True
        timer.start()
        try:
            for line in process.stdout or ():
                tell(line.rstrip("\n"))
            return process.wait()
        finally:
            timer.cancel()
            with self.lock:
                self.processes.discard(process)

    def _printer(self, name: str) -> Callable[[str], None]:
        return lambda line: self._say(f"[{name}] {line}")

    def _say(self, *lines: str) -> None:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def each(self, task: Callable[[Outcome], None], outcomes: list[Outcome]) -> None:
        """Do a task for every run, in their order, ``parallel`` at once. An interruption ends all of them."""
        with ThreadPoolExecutor(self.parallel) as pool:
            futures = [pool.submit(task, outcome) for outcome in outcomes]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                with self.lock:
                    self.ending = True
                    running = list(self.processes)
                for process in running:
                    _kill(process)
                for future in futures:
                    future.cancel()
                raise


def _forget_limit(folder: Path, limit: list[str]) -> None:
    """Let ``train.sh`` go on with another time limit; of all other settings it sees to it that they are the same.

    It takes a run that reached its limit for a finished one, and the limit for a setting like any other.
    """
    (folder / "done").unlink(missing_ok=True)
    settings = folder / "train.settings"
    if settings.is_file():
        lines = settings.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith("override optimization.stop_time_hours=")]
        with replacing(settings) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in [*kept, *(f"override {item}" for item in limit)]))


def _kill(process: subprocess.Popen) -> None:
    """End a script and all that it started: they are a process group of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            try:
                os.killpg(process.pid, number)
                process.wait(2)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _summary(outcomes: list[Outcome], results: Path) -> list[str]:
    lines = []
    for outcome in outcomes:
        found = [json.loads(path.read_text()) for path in sorted((results / outcome.run.name).glob("*.scores.json"))]
        scores = ", ".join(f"{score['test']} BLEU {score['bleu']:.1f} chrF {score['chrf']:.1f}" for score in found)
        lines.append("  ".join(filter(None, [f"{outcome.run.name}: {outcome.state}", scores, outcome.problem])))
    return lines


def main() -> int:
    """Work through the list of runs."""
    parser = argparse.ArgumentParser(prog="python -m experiments.offline.work", description=main.__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=float, default=time.time())
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--score-minutes", type=float, default=2)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--checkpoints", action="store_true")
    args = parser.parse_args()
    with ends_in_one_line():
        if args.minutes is not None and args.minutes <= args.score_minutes:
            raise SeeError(f"of {args.minutes:g} minutes, {args.score_minutes:g} are kept for scores: none to train")
        runs = read_json(args.bundle / "runs.json")
        if absent := set(args.only) - {run.name for run in runs}:
            raise SeeError(f"no run {', '.join(sorted(absent))}; there are: {' '.join(run.name for run in runs)}")
    outcomes = [Outcome(run) for run in runs if not args.only or run.name in args.only]
    work = Work(
        bundle=args.bundle,
        folder=args.work,
        archive=args.out,
        deadline=None if args.minutes is None else args.start + 60 * args.minutes,
        scoring=60 * args.score_minutes,
        parallel=args.parallel,
        cpu=args.cpu,
        checkpoints=args.checkpoints,
    )

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    status = 0
    try:
        print("one update of each run", flush=True)
        work.each(work.check, outcomes)
        if not args.check:
            print("runs", flush=True)
            work.each(work.do, outcomes)
        status = int(any(outcome.state == "failed" for outcome in outcomes))
    except KeyboardInterrupt:
        status = 130
    except SeeError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    print("\n".join(["", *_summary(outcomes, args.work / "results")]))
    if args.out.is_file() and not args.check:
        print(f"results: {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)")
    return status


if __name__ == "__main__":
    sys.exit(main())
