"""A way to the web process by `kubectl port-forward`, for clusters without an Ingress. Used by ui.py.

The person's own kubectl, kubeconfig and rights; the port is on this machine's loopback only.
"""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from blueno import names
from blueno.cli.kubectl import Kubectl, failure, missing
from blueno.errors import BluenoError, Unavailable

SECONDS = 30.0  # until the port is open
_READY = re.compile(r"Forwarding from 127\.0\.0\.1:(\d{1,5}) ")


class Forward:
    """A running `kubectl port-forward`."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        self.address = address

    def wait(self) -> None:
        """Until it ends by itself. Raises Unavailable: it never ends well."""
        said = ""
        if self._process.stderr is not None:
            said = self._process.stderr.read()
        raise failure(said, self._process.wait())


@contextmanager
def forwarded(kubectl: Kubectl, system: str, port: int = 0) -> Iterator[Forward]:
    """While this lasts, the web process answers at `.address`; port 0: any that is free.

    Raises BluenoError with kubectl's own words.
    """
    where = ("port-forward", "--address=127.0.0.1", "-n", system, f"service/{names.WEB}", f"{port or ''}:80")
    try:
        process = subprocess.Popen(
            kubectl.command(*where),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise missing() from None
    except OSError as error:
        raise BluenoError(f"kubectl cannot be started: {error}") from None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), name="blueno-port-forward", daemon=True)
    reader.start()
    with process:  # closes its pipes
        try:
            yield Forward(process, f"http://127.0.0.1:{_open_port(process, lines)}")
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join()


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Goes on reading for as long as there is something: a full pipe would stop kubectl."""
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _open_port(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> int:
    """The port it has opened. Raises BluenoError."""
    try:
        line = lines.get(timeout=SECONDS)
    except queue.Empty:
        raise Unavailable(f"kubectl port-forward opened no port within {SECONDS:g} s") from None
    if line is None:
        said = process.stderr.read() if process.stderr is not None else ""
        raise failure(said, process.wait())
    found = _READY.match(line)
    if found is None:
        raise BluenoError("kubectl port-forward says something else than expected: is it the kubectl you mean?")
    return int(found[1])
