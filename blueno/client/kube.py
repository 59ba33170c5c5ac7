"""Finds the server through Kubernetes: from a pod by its Service, from elsewhere by `kubectl port-forward`.

Called by client.py and aio.py; calls settings.py and the person's own kubectl, which knows kubeconfig, contexts,
proxies and helpers for credentials; `pip install blueno` brings no Kubernetes client. docs/adr/0022 says why.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

from blueno import names
from blueno.client import settings
from blueno.client.settings import Settings
from blueno.client.words import plain
from blueno.errors import BluenoError

START = 30.0  # seconds until the connection through kubectl must be there
AGAIN = 1.0  # seconds before a forward that ended is begun anew
_READY = re.compile(r"Forwarding from 127\.0\.0\.1:(\d{1,5}) ->")


def resolve(server: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """What a client is to use: as settings.resolve; in a pod, when nothing names a server, that of the cluster."""
    if server is None and in_pod(environ):
        # Its own Service, inside the cluster's network, is the one address to which a token may travel unencrypted.
        return settings.resolve(cluster_server(), token, {**environ, names.ENV_ALLOW_HTTP: "1"})
    return settings.resolve(server, token, environ)


def in_pod(environ: Mapping[str, str]) -> bool:
    """Whether this is a pod and no server is named: neither by BLUENO_SERVER nor by `blueno login`."""
    is_pod = bool(environ.get("KUBERNETES_SERVICE_HOST"))
    return is_pod and not environ.get(names.ENV_SERVER) and not settings.path(environ).exists()


def cluster_server(namespace: str = names.SYSTEM_NAMESPACE) -> str:
    """The web process's address inside its cluster."""
    return f"http://{names.WEB}.{namespace}.svc"


def token_of(given: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Of a server whose address is made up for this process: only one that was meant for it."""
    return given or environ.get(names.ENV_TOKEN) or None


@dataclass(frozen=True)
class Target:
    """Which cluster and where in it. None: what kubectl itself takes. `port`: of this machine, 0 is any."""

    namespace: str
    context: str | None = None
    kubeconfig: str | None = None
    port: int = 0

    def command(self, port: int) -> list[str]:
        """kubectl's. Port 0: that of the target, or any that is free."""
        where = [f"--context={self.context}"] if self.context else []
        where += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        what = ["port-forward", "--address=127.0.0.1", f"--namespace={self.namespace}", f"service/{names.WEB}"]
        return ["kubectl", *where, *what, f"{port or self.port or ''}:80"]


class Forward:
    """A port of this machine that leads to the server. kubectl ends with the pod that it leads to: then it is started
    again at the same port, until `close` or the end of this process.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._running = _Running()
        self._end = weakref.finalize(self, self._running.stop)

    def open(self) -> str:
        """The address. Raises BluenoError with kubectl's own words when there is none."""
        ports: queue.SimpleQueue[int | BluenoError] = queue.SimpleQueue()
        keeper = threading.Thread(
            target=_keep, args=(self._target, self._running, ports), name="blueno-kubectl", daemon=True
        )
        keeper.start()
        try:
            found = ports.get(timeout=START)
        except queue.Empty:
            found = BluenoError(
                f"kubectl port-forward did not begin within {START:.0f} s: does `kubectl version` answer?"
            )
        if isinstance(found, BluenoError):
            self.close()
            raise found
        return f"http://127.0.0.1:{found}"

    def close(self) -> None:
        """Ends it."""
        self._end()


class _Running:
    """The kubectl of the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self.stopped = threading.Event()

    def start(self, command: list[str]) -> subprocess.Popen[str] | None:
        """None when it was stopped. Raises OSError."""
        with self._lock:
            if self.stopped.is_set():
                return None
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
            return self._process

    def stop(self) -> None:
        """Ends it and waits for that."""
        self.stopped.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
                return
            process.kill()
            process.wait()


def _keep(target: Target, running: _Running, ports: queue.SimpleQueue[int | BluenoError]) -> None:
    """In a thread: runs kubectl until it is stopped, and tells the port once."""
    port = 0
    while not running.stopped.is_set():
        try:
            process = running.start(target.command(port))
        except FileNotFoundError:
            text = "this needs kubectl and a kubeconfig for the cluster; there is no kubectl in"
            ports.put(BluenoError(f"{text} {os.environ.get('PATH', 'an empty PATH')}"))
            return
        except OSError as error:
            ports.put(BluenoError(f"kubectl cannot be started: {error}"))
            return
        if process is None:
            return
        port, said = _follow(process, port, ports)
        if port == 0:
            ports.put(BluenoError(f"kubectl: {plain(said) or 'it ended and said nothing'}"))
            return
        running.stopped.wait(AGAIN)


def _follow(process: subprocess.Popen[str], port: int, ports: queue.SimpleQueue[int | BluenoError]) -> tuple[int, str]:
    """Reads what it says until it ends: the port, and its last line."""
    last = ""
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    with process.stdout as lines:
        for line in lines:
            last = line.strip() or last
            found = _READY.match(line)
            if found and port == 0:
                port = int(found[1])
                ports.put(port)
    process.wait()
    return port, last
