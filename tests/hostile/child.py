"""Runs hostile input in processes of its own, each with a limit of CPU time, wall time and memory.

`Hostiles` is used by tests/unit/hostile. It starts one `python -m tests.hostile.child`, which imports what a
preparation imports and then forks for every item: the fork alone gets the limits, and what it does is what a
preparation pod does. A fork that used more than CPU_SECONDS, or is not back after WALL_SECONDS, hangs.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
CPU_SECONDS = 5
WALL_SECONDS = 50.0  # a machine that has other things to do is not a hang
CAP = 1 << 30  # bytes that one item may take beyond what the process has anyway


@dataclass(frozen=True)
class Done:
    """How a fork ended. `answer`: what the function returned."""

    answer: Any
    killed: str  # "" | "cpu" | "wall" | name of a signal
    grown: int  # bytes of the highest resident set, less what the process had before
    cpu: float
    cap: int

    def must(self) -> Any:
        """The answer. Fails when the fork hung, died, raised or took too much memory."""
        assert not self.killed, f"killed: {self.killed} after {self.cpu:.1f} s of CPU, {self.grown >> 20} MiB"
        assert "raised" not in self.answer, self.answer["raised"]
        assert self.grown < self.cap, f"{self.grown >> 20} MiB, {self.cap >> 20} are allowed"
        return self.answer["returned"]


class Hostiles:
    """The process that forks. Use it as a context manager."""

    def __init__(self) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.child"],
            cwd=TOP, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Hostiles:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def run(
        self, function: str, *, cap: int = CAP, cpu: int = CPU_SECONDS, wall: float = WALL_SECONDS, **arguments: Any
    ) -> Done:
        """Calls `module:function(**arguments)` in a fork; arguments and result are JSON."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"function": function, "arguments": arguments, "cap": cap, "cpu": cpu, "wall": wall}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks has died"
        return Done(**json.loads(line))


def _resident() -> int:
    """Bytes this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _fork(request: Mapping[str, Any]) -> Done:
    reader, writer = os.pipe()
    before = _resident()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _work(request, writer)
    os.close(writer)
    said, late = b"", False
    while True:
        ready, _, _ = select.select([reader], [], [], request["wall"])
        if not ready:
            late = True
            os.kill(pid, signal.SIGKILL)
            break
        block = os.read(reader, 1 << 16)
        if not block:
            break
        said += block
    os.close(reader)
    _, status, usage = os.wait4(pid, 0)
    killed = ""
    if late:
        killed = "wall"
    elif os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        killed = "cpu" if number == signal.SIGXCPU else signal.Signals(number).name
    grown = usage.ru_maxrss * 1024 - before
    return Done(
        json.loads(said) if said else {"raised": "said nothing"},
        killed,
        grown,
        usage.ru_utime + usage.ru_stime,
        request["cap"],
    )


def _work(request: Mapping[str, Any], writer: int) -> None:
    """Never returns."""
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # Address space goes further than memory: stacks of threads, arenas. It stops what would take the machine's.
    resource.setrlimit(resource.RLIMIT_AS, (virtual + request["cap"] + (1 << 30), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (request["cpu"], request["cpu"] + 2))
    try:
        module, _, name = request["function"].partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        answer = {"returned": function(**request["arguments"])}
    except BaseException:
        answer = {"raised": traceback.format_exc()}
    with os.fdopen(writer, "w") as out:
        json.dump(answer, out)
        out.flush()
    os._exit(0)


def _main() -> None:
    for module in ("blueno.prep.prepare", "blueno.prep.pack", "blueno.prep.seal", "blueno.prep.sources.archive"):
        importlib.import_module(module)
    for module in ("PIL.PngImagePlugin", "PIL.JpegImagePlugin", "nibabel", "pydicom.filereader"):
        importlib.import_module(module)
    for module in ("blueno.data.dataset", "tests.hostile.runs"):
        importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(_fork(json.loads(line)).__dict__), flush=True)


if __name__ == "__main__":
    _main()
