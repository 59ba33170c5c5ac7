"""Local runs that end before their time: kills, signals, deadlines; and that they go on where they were."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.unit.local_run.conftest import Bench
from tests.unit.local_run.programs import COUNTS, is_there, read_until, until


def test_after_a_kill_it_goes_on_from_its_checkpoint(bench: Bench) -> None:
    bench.write(COUNTS)
    one = bench.start(WAIT_AT="3")
    read_until(one.stdout, "step 3")
    one.kill()  # of blueno itself: the program lives on and holds the run
    one.wait()
    again = bench.run()
    assert again.returncode == 125
    assert "is running already" in again.stderr
    (program,) = [int(p.name) for p in Path("/proc").glob("[0-9]*") if runs_here(p, bench.folder)]
    os.kill(program, signal.SIGKILL)
    until(lambda: not is_there(program))
    done = bench.run()
    assert done.stdout == "begins at 3 in attempt 2\nstep 4\nstep 5\n"
    assert "attempt 2, from step-000000000003" in done.stderr
    assert done.returncode == 0


def runs_here(process: Path, folder: Path) -> bool:
    try:
        return process.joinpath("cwd").readlink() == folder and b"train.py" in process.joinpath("cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop_it_writes_a_checkpoint_and_goes_on_later(bench: Bench, number: signal.Signals) -> None:
    bench.write(COUNTS)
    one = bench.start(WAIT_AT="4")
    read_until(one.stdout, "step 4")
    one.send_signal(number)
    out, errors = one.communicate(timeout=120)
    assert out == "asked to stop\n"
    assert one.returncode == 143
    assert "stopping it: it has 30 s" in errors
    assert bench.run().stdout == "begins at 4 in attempt 2\nstep 5\n"


DEAF = """
    import signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
    child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
    print("child", child.pid, flush=True)
    while True:
        time.sleep(600)
"""


def test_a_program_that_does_not_stop_is_killed_with_all_it_started(bench: Bench) -> None:
    bench.write(DEAF, terminationGracePeriodSeconds=1)
    one = bench.start()
    assert one.stdout is not None
    child = int(one.stdout.readline().split()[1])
    began = time.monotonic()
    one.send_signal(signal.SIGINT)
    out, errors = one.communicate(timeout=120)
    assert time.monotonic() - began >= 1
    assert (one.returncode, out) == (137, "no\n")
    assert "ending it now" in errors
    until(lambda: not is_there(child))


def test_a_second_ctrl_c_does_not_wait(bench: Bench) -> None:
    bench.write(DEAF, terminationGracePeriodSeconds=600)
    one = bench.start()
    assert one.stdout is not None
    one.stdout.readline()
    one.send_signal(signal.SIGINT)
    assert one.stdout.readline() == "no\n"
    one.send_signal(signal.SIGINT)
    one.communicate(timeout=120)
    assert one.returncode == 137


def test_a_deadline(bench: Bench) -> None:
    bench.write(COUNTS, activeDeadlineSeconds=1)
    done = bench.run(WAIT_AT="4")
    assert done.returncode == 143
    assert "activeDeadlineSeconds (1 s) is over" in done.stderr


def test_children_end_with_the_program(bench: Bench) -> None:
    bench.write(
        """
        import subprocess, sys
        quiet = subprocess.DEVNULL
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=quiet, stderr=quiet)
        print(child.pid)
        """
    )
    done = bench.run()
    assert done.returncode == 0
    until(lambda: not is_there(int(done.stdout)))
