"""Commands of this environment in forks of one process, which has imported what takes each of them seconds.

:func:`make_environment` makes a folder like the environment's own, with a launcher in place of each Python command. A
launcher gives its arguments, folder, environment and standard files to the process, and ends as the command ends.
"""

import atexit
import gc
import json
import logging
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

# Nothing of this repository: PYTHONPATH chooses the checkout that a command runs.
IMPORTED = ("torch._dynamo", "torch.distributed.fsdp", "sklearn.cluster", "sacrebleu", "snakemake.cli", "fairseq")
REAL = Path(sys.executable).parent
LAUNCHER = """\
#!{python} -IS
import json, os, signal, socket, sys

name, *words = os.path.basename(sys.argv[0]), *sys.argv[1:]
if name.startswith("python") and words and words[0].startswith("-") and words[0] not in ("-", "-c", "-m", "-u"):
    os.execv({real!r} + "/" + name, sys.argv)
passed_on = {{signal.SIGHUP, signal.SIGINT, signal.SIGTERM}}
signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"."], [0, 1, 2])
server.sendall(json.dumps([name, words, os.getcwd(), dict(os.environ)]).encode() + b"\\n")
answers = server.makefile()
process = int(answers.readline())
for number in passed_on:
    signal.signal(number, lambda number, frame: os.kill(process, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
kind, status = map(int, answers.readline().split())
if kind != os.CLD_EXITED:
    if status != signal.SIGKILL:
        signal.signal(status, signal.SIG_DFL)
    os.kill(os.getpid(), status)
sys.exit(status)
"""


@cache
def make_environment() -> Path:
    """The folder, whose ``bin`` has the launchers; the process ends with this one.

    On systems other than Linux, the environment itself.
    """
    if not hasattr(os, "pidfd_open"):
        return REAL.parent
    folder = Path(tempfile.mkdtemp(prefix="forks"))
    atexit.register(shutil.rmtree, folder)
    address, launcher = str(folder / "socket"), folder / "launcher"
    text = LAUNCHER.format(python=getattr(sys, "_base_executable", sys.executable), real=str(REAL), address=address)
    launcher.write_text(text, encoding="utf-8")
    launcher.chmod(0o755)
    (folder / "bin").mkdir()
    for file in filter(Path.is_file, REAL.iterdir()):
        python = file.name.startswith("python") or b"python" in file.open("rb").readline()
        (folder / "bin" / file.name).symlink_to(launcher if python else file)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno()), str(folder / "bin/python")]
        # Its standard input ends when this process does. Its streams become those of commands, which may be no files.
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        make_environment.server = subprocess.Popen(command, env=env, pass_fds=[listener.fileno()], **streams)
    return folder


def answer(launcher: socket.socket, *numbers: int) -> None:
    # It may have been killed.
    with suppress(BrokenPipeError):
        launcher.sendall(" ".join(map(str, numbers)).encode() + b"\n")


def serve(listener: socket.socket) -> list | None:
    """Fork for each launcher. Returns, in the fork, what it asked for, and None when nobody can ask any more."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        launchers = [launcher for _, launcher in running.values()]
        ready, _, _ = select.select([0, listener, *running, *launchers], [], [])
        for handle, (process, launcher) in list(running.items()):
            if handle in ready:
                end = os.waitid(os.P_PIDFD, handle, os.WEXITED)
                answer(launcher, end.si_code, end.si_status)
                launcher.close()
                os.close(handle)
                del running[handle]
            elif launcher in ready or 0 in ready:
                # It or pytest was killed; the command and what that has started are in no group of the killer's.
                with suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
        if 0 in ready:
            return None
        if listener in ready:
            launcher, _ = listener.accept()
            _, files, _, _ = socket.recv_fds(launcher, 1, 3)
            request = launcher.makefile("rb").readline()
            whole = request.endswith(b"\n")
            if whole and not (process := os.fork()):
                os.setpgid(0, 0)
                for number, file in enumerate(files):
                    os.dup2(file, number)
                    os.close(file)
                return json.loads(request)
            for file in files:
                os.close(file)
            if whole:
                answer(launcher, process)
                running[os.pidfd_open(process)] = process, launcher


def run(name: str, words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Become a command: a script of the environment, or ``python`` with a module, a program or a file."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = sys.argv[2]
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    if name.startswith("fairseq-") and name != "fairseq-see":
        # Not for the others: fairseq_see looks whether it has been imported.
        sys.modules.update(STOCK)
    if not name.startswith("python"):
        sys.argv = [str(REAL / name), *words]
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    if words[:1] == ["-u"]:
        sys.stdout.reconfigure(write_through=True)
        words = words[1:]
    kind, *sys.argv = words or ["-"]
    if not environment.get("PYTHONSAFEPATH"):
        sys.path.insert(0, folder if kind in ("-", "-c", "-m") else str(Path(kind).resolve().parent))
    if kind == "-m":
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif kind in ("-", "-c"):
        program = sys.stdin.read() if kind == "-" else sys.argv.pop(0)
        sys.argv.insert(0, kind)
        sys.modules["__main__"] = ModuleType("__main__")
        exec(program, vars(sys.modules["__main__"]))
    else:
        sys.argv.insert(0, kind)
        runpy.run_path(kind, run_name="__main__")


def end(status: object) -> NoReturn:
    """End as Python does, but for taking its objects apart, which costs more than most commands."""
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    os._exit(status or 0)


if __name__ == "__main__":
    for module in IMPORTED:
        # Without an extra, its commands are not there either.
        with suppress(ImportError):
            import_module(module)
    # fairseq's commands set up logging before they import it, and fairseq does so too.
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    STOCK = {module: sys.modules.pop(module) for module in list(sys.modules) if module.partition(".")[0] == "fairseq"}
    gc.freeze()
    if asked := serve(socket.socket(fileno=int(sys.argv[1]))):
        try:
            run(*asked)
            end(0)
        except SystemExit as error:
            end(error.code)
        except BaseException:
            traceback.print_exc()
            end(1)
