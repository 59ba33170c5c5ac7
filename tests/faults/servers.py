"""Data servers that start in milliseconds: one process imports everything, then forks a child for each. Used by tests.

A child is a data server in a process of its own, on any free port: it may be traced, stopped and killed. It listens
and then waits until it is let go, so that strace can be attached before its first request. It has one worker thread, so
that calls come in the same order every time.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.data_server import PUBLIC, bearer
from tests.fakes.preparation import Place
from tests.faults.forking import Forking
from tests.faults.strace import runs

_PATIENCE = 30.0  # seconds until a child has to listen


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A data server that is held back, or runs."""

    servers: Servers
    pid: int
    connection: http.client.HTTPConnection

    def go(self) -> None:
        """Lets it answer."""
        self.servers.ask({"go": self.pid})

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return runs(self.pid)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """With a grant to write. Raises OSError or HTTPException when it dies meanwhile."""
        given = {**bearer(actions=("read", "write")), **(headers or {})}
        self.connection.request(method, f"/v1/working{path}", body, given)
        answer = self.connection.getresponse()
        return Reply(answer.status, dict(answer.headers), answer.read())

    def end(self, number: int = signal.SIGKILL) -> int:
        """Its exit code, negative for a signal."""
        self.connection.close()
        if self.runs():
            os.kill(self.pid, number)
        code: int = self.servers.ask({"wait": self.pid})["code"]
        return code


class Servers(Forking):
    """The process that forks. Its answers come in the order of the questions."""

    def __init__(self) -> None:
        super().__init__("tests.faults.servers")
        self._number = 0

    def serve(self, place: Place, dataset: str = "uid-1") -> Server:
        """A server of the data set of this uid on this place, held back until `go`."""
        self._number += 1
        told = place.volume.parent / f"port-{self._number}"
        start = [str(place.volume), str(place.root), str(told), json.dumps(PUBLIC), dataset]
        pid = self.ask({"start": start})["pid"]
        deadline = time.monotonic() + _PATIENCE
        while not told.exists():
            assert time.monotonic() < deadline, "the data server does not listen"
            time.sleep(0.002)
        return Server(self, pid, http.client.HTTPConnection("127.0.0.1", int(told.read_text()), timeout=_PATIENCE))

    @contextmanager
    def served(self, place: Place, dataset: str = "uid-1") -> Iterator[Server]:
        """One that runs until the block ends."""
        server = self.serve(place, dataset)
        server.go()
        try:
            yield server
        finally:
            server.end()


@contextmanager
def servers() -> Iterator[Servers]:
    """Runs one until the block ends."""
    running = Servers()
    try:
        yield running
    finally:
        running.close()


async def _serve(mount: str, root: str, told: str, keys: str, dataset: str, held: int) -> None:
    from blueno.dataserver.app import make_app
    from blueno.dataserver.config import ServerConfig
    from blueno.dataserver.listen import Limits, listen

    limits = Limits(threads=1)
    config = ServerConfig(Path(mount), Path(root), dataset, json.loads(keys), limits)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = await listen(make_app(config), "127.0.0.1", 0, limits)
    _tell(Path(told), listener.port)
    os.read(held, 1)  # nobody asks before
    await stop.wait()
    await listener.close()


def _tell(told: Path, port: int) -> None:
    temporary = told.with_suffix(".tmp")
    temporary.write_text(str(port))
    temporary.rename(told)


def _fork() -> None:
    """The forking process: reads questions, writes answers."""
    import blueno.dataserver.app
    import blueno.dataserver.listen  # noqa: F401 - what the children need is here before they are made

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
                try:
                    asyncio.run(_serve(*question["start"], held))
                finally:
                    os._exit(0)
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


if __name__ == "__main__":
    _fork()
