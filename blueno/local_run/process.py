"""Runs one program to its end, as the kubelet would: SIGTERM first, a grace period, then SIGKILL.

Called by blueno/cli/local.py. The program has its own process group and session: Ctrl-C reaches only us, and we ask it
to stop in the way a pod is asked. It writes to our standard output and error by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from blueno.local_run.plan import Plan

CANNOT_RUN = 126
NOT_FOUND = 127
TICK = 0.1  # seconds between looks at deadlines
_ASKS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


def run(plan: Plan, keep: int, say: Say) -> int:
    """The exit code, as a shell counts: 128 + number for a signal, 126 and 127 when it cannot be started.

    `keep` is a file descriptor that the program inherits. After SIGINT, SIGTERM or SIGHUP the program gets SIGTERM and
    its grace period; after a second one, SIGKILL.
    """
    with _asked() as asked:
        try:
            child = subprocess.Popen(
                plan.command,
                env=dict(plan.env),
                cwd=plan.work,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(keep,),
            )
        except OSError as error:
            say(_why_not(plan, error))
            return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN
        try:
            code = _wait(child, plan, asked, say)
        finally:
            # What it has started ends with it, as in a pod.
            _signal_all(child, signal.SIGKILL)
            child.wait()
        return code if code >= 0 else 128 - code


def _wait(child: subprocess.Popen[bytes], plan: Plan, asked: list[int], say: Say) -> int:
    deadline = None if plan.deadline_seconds is None else time.monotonic() + plan.deadline_seconds
    kill_at: float | None = None
    heard, killed = 0, False
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(TICK)
        now = time.monotonic()
        if kill_at is None and (asked or (deadline is not None and now >= deadline)):
            why = "stopping it" if asked else f"spec.activeDeadlineSeconds ({plan.deadline_seconds} s) is over"
            say(f"{why}: it has {plan.grace_seconds} s to write a checkpoint; Ctrl-C again ends it at once")
            kill_at = now + plan.grace_seconds
            heard = len(asked)
            _signal_all(child, signal.SIGTERM)
        elif kill_at is not None and not killed and (now >= kill_at or len(asked) > heard):
            say("ending it now")
            killed = True
            _signal_all(child, signal.SIGKILL)


@contextmanager
def _asked() -> Iterator[list[int]]:
    """Signals that have asked us to stop, as they come; our handlers are put back afterwards."""
    got: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        got.append(number)

    # What is ignored stays ignored: nohup.
    heard = [number for number in _ASKS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_all(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _why_not(plan: Plan, error: OSError) -> str:
    program = plan.command[0]
    if isinstance(error, FileNotFoundError) and error.filename == str(plan.work):
        return f"the working directory {plan.work} does not exist"
    if isinstance(error, FileNotFoundError):
        return f"{program} is not found: install it, or activate the environment that has it"
    return f"{program} cannot be started: {error.strerror}"
