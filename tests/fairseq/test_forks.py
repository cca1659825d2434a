"""Commands in forks are the commands: started for real, they print the same and end with the same status."""

import os
import signal
import subprocess
import time

import pytest

from tests.forks import REAL, make_environment
from tests.helpers import make_environ


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("fairseq-train", "--help"),
        ("fairseq-see", "plan", "--list-options"),
        ("python", "-c", "import sys; print(sys.argv, __name__, input()); sys.exit('no')", "word"),
    ],
)
def test_a_fork_is_the_command(words):
    folders = (REAL, make_environment() / "bin")
    real, forked = (
        subprocess.run([folder / words[0], *words[1:]], env=make_environ(), input="x\n", capture_output=True, text=True)
        for folder in folders
    )
    # It has what fairseq prints when it is imported, at first.
    assert forked.stdout and real.stdout.endswith(forked.stdout) and forked.returncode == real.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_the_command_and_what_it_started(number):
    code = "import os, subprocess as s; p = s.Popen(['sleep', '60']); print(os.getpid(), flush=True); p.wait()"
    command = [make_environment() / "bin/python", "-c", code]
    with subprocess.Popen(command, env=make_environ(), stdout=subprocess.PIPE, text=True) as launcher:
        group = int(launcher.stdout.readline())
        launcher.send_signal(number)
        assert launcher.wait() == -number
    if number == signal.SIGKILL:
        with pytest.raises(ProcessLookupError):
            for _ in range(100):
                os.killpg(group, 0)
                time.sleep(0.1)
    else:
        os.killpg(group, signal.SIGKILL)
