"""Faults at exact system calls: `strace -e inject=…` on a process that runs. Used by tests of blueno/prep.

A fault is aimed by call and number: strace counts each call of each thread on its own. `attach` waits until strace has
the process, so the caller can hold it back until then and every number means the same call each time. What the strace
log says was injected is `fired`; a fault that has not fired must fail its test. `heal` detaches: the process goes on
without faults, if it still lives.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

MISSING = "needs strace, to inject faults at an exact system call: apt-get install strace"
# What changes or syncs a volume. Reads are left alone; openat is in OPENING because strace cannot tell its flags.
CHANGING = (
    "write,pwrite64,rename,renameat,renameat2,fsync,fdatasync,ftruncate,unlink,unlinkat,rmdir,mkdir,mkdirat,link,"
    "linkat,symlink,symlinkat,chmod,fchmod,fchmodat,utimensat,fallocate"
)
OPENING = "openat"
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
_PATIENCE = 30.0  # seconds until strace has to have attached or gone

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason=MISSING)


@dataclass(frozen=True)
class Fault:
    """`calls`: names with commas. `effect`: `error=EIO`, `signal=SIGKILL`, `delay_exit=50` (µs) …
    `when`: `3`, `3..5`, `3+`; "" is always.

    `paths`: only calls that name one of these, or a handle of one of them.
    """

    calls: str
    effect: str
    when: str = "1"
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.effect} at {self.calls} number {self.when or 'all'}"

    @property
    def arguments(self) -> list[str]:
        """For strace's command line."""
        when = f":when={self.when}" if self.when else ""
        aimed = [part for path in self.paths for part in ("-P", path)]
        return [*aimed, "-e", f"inject={self.calls}:{self.effect}{when}"]


@dataclass
class Injection:
    """One strace on one process. `log` holds every call of `traced` that it made."""

    pid: int
    fault: Fault | None
    log: Path
    process: subprocess.Popen[str]
    healed: bool = field(default=False)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    @property
    def fired(self) -> list[str]:
        """The calls that the fault hit, or the signals that it sent."""
        sent = self.fault.effect.removeprefix("signal=") if self.fault else ""
        marks = (f"+++ killed by {sent} ", f"--- {sent} ") if sent.startswith("SIG") else ("(INJECTED)", "(DELAYED)")
        return [line for line in self.lines if any(mark in line for mark in marks)]

    @property
    def counts(self) -> Counter[str]:
        """How often each call was made."""
        return Counter(match[1] for line in self.lines if (match := _CALL.match(line)))

    def heal(self) -> None:
        """Lets the process go on without faults. May be repeated; nothing happens to a process that is gone.

        One that has ended is left to strace, which ends with it: told to let go of threads that are just going, it
        waits for them for ever.
        """
        if self.process.poll() is None and runs(self.pid):
            self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=_PATIENCE)
        self.healed = True
        print(f"healed: {self.fault or 'watching'}")

    def must_have_fired(self) -> None:
        """Fails the test when nothing was injected."""
        assert self.fired, f"{self.fault} did not fire; calls made: {dict(self.counts)}"
        print(f"fired: {self.fault}: {len(self.fired)} times, first {self.fired[0][:160]}")


@contextmanager
def attach(pid: int, fault: Fault | None, log: Path, traced: str = CHANGING) -> Iterator[Injection]:
    """Injects `fault` into process `pid` and its threads until the block ends. Skips when strace may not trace."""
    calls = ",".join(dict.fromkeys([*traced.split(","), *(fault.calls.split(",") if fault else [])]))
    command = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={calls}", "-p", str(pid)]
    process = subprocess.Popen([*command, *(fault.arguments if fault else [])], stderr=subprocess.PIPE, text=True)
    injection = Injection(pid, fault, log, process)
    try:
        _wait_until_attached(process)
        yield injection
    finally:
        injection.heal()


def runs(pid: int) -> bool:
    """Whether a process has not ended, though nobody may have asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until_attached(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if "attached" in line:
            return
        said.append(line.strip())
    text = " ".join(said)
    if "ptrace" in text.lower() or "not permitted" in text.lower():
        pytest.skip(f"strace may not trace processes here: {text[:200]}")
    raise AssertionError(f"strace did not attach: {text[:500]}")


def every(counts: Counter[str], calls: Sequence[str] = ()) -> list[tuple[str, int]]:
    """All points (call, number) of a run that made `counts`, those of `calls` only when given."""
    wanted = calls or sorted(counts)
    return [(call, number) for call in wanted for number in range(1, counts[call] + 1)]


def spread(points: Sequence[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    """`most` of them, or all when there are fewer: the last of each call, and the rest evenly over all calls."""
    last = dict(points)
    chosen = dict.fromkeys(list(last.items())[:most])
    rest = [point for point in points if point not in chosen]
    wanted = min(most - len(chosen), len(rest))
    chosen.update(dict.fromkeys(rest[i * len(rest) // wanted] for i in range(wanted)))
    return sorted(chosen)
