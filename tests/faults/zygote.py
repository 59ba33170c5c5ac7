"""Preparations that start in milliseconds: one process imports everything, then forks a child for each. Used by tests.

A child is blueno.prep's own `run` with mounts elsewhere, in a process of its own: it may be traced, stopped and killed.
It waits until it is let go, so that strace can be attached before its first system call.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.preparation import Place, archive_work, process_config
from tests.fakes.sources import class_folders, tar
from tests.faults.forking import Forking
from tests.faults.strace import runs


@dataclass(frozen=True)
class Ended:
    """How a child ended: `code` as subprocess has it, negative for a signal; what it told and wrote."""

    code: int
    outcome: Outcome | None
    text: str


@dataclass(frozen=True)
class Child:
    """A preparation that is held back, or runs."""

    zygote: Zygote
    pid: int
    termination: Path
    output: Path

    def go(self) -> None:
        """Lets it begin."""
        self.zygote.ask({"go": self.pid})

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return runs(self.pid)

    def wait(self) -> Ended:
        """How it ended."""
        code = self.zygote.ask({"wait": self.pid})["code"]
        told = self.termination.read_text() if self.termination.exists() else ""
        return Ended(code, Outcome.from_json(told), self.output.read_text())


class Zygote(Forking):
    """The process that forks. Its answers come in the order of the questions."""

    def __init__(self) -> None:
        super().__init__("tests.faults.zygote")

    def prepare(
        self, place: Place, work: Work | None, attempt: int = 1, host: str = "pod", report_url: str = ""
    ) -> Child:
        """A child that will prepare `work`, or erase when there is none, held back until `go`."""
        top = place.volume.parent
        termination, output = top / f"termination-{host}", top / f"output-{host}"
        termination.unlink(missing_ok=True)
        config = [str(place.volume), str(place.root), work.to_json() if work else "", str(attempt), host, report_url]
        return Child(self, self.ask({"start": config, "output": str(output)})["pid"], termination, output)

    def run(self, place: Place, work: Work | None, attempt: int = 1, host: str = "pod") -> Ended:
        """One preparation to its end, without faults."""
        child = self.prepare(place, work, attempt, host)
        child.go()
        return child.wait()


@contextmanager
def zygote() -> Iterator[Zygote]:
    """Runs one until the block ends."""
    running = Zygote()
    try:
        yield running
    finally:
        running.close()


def _warm() -> None:
    """One preparation, so that what is imported late is there, too."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        work = archive_work(place.put("a.tar.gz", tar(class_folders(2))))
        place.sealed(work)
        place.sealed(archive_work(place.put("b.tar", tar(class_folders(3), ""))))


def _child(arguments: list[str], output: str, held: int) -> int:
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number in (1, 2):
        os.dup2(handle, number)
    os.close(handle)
    os.read(held, 1)
    os.close(held)
    from blueno.prep import __main__ as prep

    return prep.run("prepare" if arguments[2] else "erase", process_config(arguments))


def _serve() -> None:
    """The forking process: reads questions, writes answers."""
    import blueno.prep.__main__
    import blueno.prep.erase  # noqa: F401 - what the children need is here before they are made

    _warm()
    gates: dict[int, int] = {}
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        if "start" in question:
            held, gate = os.pipe()
            pid = os.fork()
            if pid == 0:
                for inherited in (gate, *gates.values()):
                    os.close(inherited)
                os._exit(_code_of(question, held))
            os.close(held)
            gates[pid] = gate
            answer = {"pid": pid}
        elif "go" in question:
            os.close(gates.pop(question["go"]))
        else:
            _, status = os.waitpid(question["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _code_of(question: dict[str, Any], held: int) -> int:
    try:
        return _child(question["start"], question["output"], held)
    except BaseException:  # a child must never come back into the loop above
        import traceback

        os.write(2, traceback.format_exc().encode())
        return 99


if __name__ == "__main__":
    _serve()
