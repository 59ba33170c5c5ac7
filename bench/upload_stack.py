"""PostgreSQL, the web process and a data server, each a process as in its pod; only the API server is a stand-in.

Used by bench/upload.py.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from blueno.db import people
from blueno.db.config import DatabaseConfig
from tests import pg
from tests.db.processes import Served
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import PRIVATE
from tests.fakes.preparation import environment
from tests.fakes.working import new_place
from tests.ports import free_port
from tests.web.mirrored import Mirrored
from tests.web.test_process import kube_config
from tests.web.test_uploads_killed import PROGRAM
from webui.auth import new_token
from webui.keys import token_sum

TOP = Path(__file__).resolve().parent.parent
NAMESPACE, DATASET = "lab", "digits"
EDITORS = "blueno:editor"
# The limit of 100 requests a second for one person is off: one request per file would be measured by it, and not by
# what a request costs.
WEB = "from webui import limits\nlimits.Buckets.take = lambda self, key: 0.0\n" + PROGRAM


@dataclass(frozen=True)
class Stack:
    """Where it is, and an editor's token."""

    port: int  # of the web process
    token: str

    @property
    def url(self) -> str:
        """Of the web process."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """A data set of which nothing is there yet, in an empty `folder`."""
    with ExitStack() as stack:
        server = stack.enter_context(pg.running())
        database = stack.enter_context(server.database())
        cluster = stack.enter_context(_access())
        mirrored = Mirrored(database)
        stack.callback(mirrored.close)
        uid = mirrored.put(NAMESPACE, DATASET)
        place = new_place(folder, uid)
        data, web = Served(place, uid), free_port()
        stack.callback(data.kill)
        data.start()
        settings = _settings(folder, database, cluster) | {"DATA_SERVER": f"http://127.0.0.1:{data.port}"}
        stack.enter_context(_web(settings | {"BLUENO_HTTP_PORT": str(web)}, web))
        while not data.answers():
            time.sleep(0.05)
        yield Stack(web, _token(database))


@contextmanager
def _access() -> Iterator[str]:
    """The API server's part: editors may. Its address; it has a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    access = AccessServer(rules=[Rule(EDITORS), Rule(EDITORS, verbs=("update",))])
    serving = access.serving()

    async def enter() -> str:
        return (await serving.__aenter__())._base

    try:
        yield asyncio.run_coroutine_threadsafe(enter(), loop).result(30)
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _settings(folder: Path, database: DatabaseConfig, cluster: str) -> dict[str, str]:
    keys, static = folder / "keys", folder / "static"
    keys.mkdir()
    static.mkdir()
    (static / "index.html").write_text("<!doctype html><title>pages</title>")
    for name, key in (("web", PRIVATE["web"]), ("session", b"s" * 32), ("cursor", b"c" * 32)):
        (keys / f"{name}.key").write_bytes(key)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(kube_config(cluster)))
    return {
        **environment(),
        "PYTHONPATH": str(TOP),
        "KUBECONFIG": str(kubeconfig),
        "BLUENO_DATABASE_URL_FILE": str(database.url_file),
        "BLUENO_KEYS_DIR": str(keys),
        "BLUENO_STATIC_DIR": str(static),
        "BLUENO_METRICS_PORT": "0",
    }


def _token(database: DatabaseConfig) -> str:
    token = new_token()
    connection: Any = psycopg2.connect(database.url_file.read_text().strip())
    with connection, connection.cursor() as cursor:
        person = people.insert_person(cursor, "ed@example.org", "x", "editor", [NAMESPACE])
        people.insert_token(cursor, token_sum(token), person.id, "bench", None)
    connection.close()
    return token


@contextmanager
def _web(env: dict[str, str], port: int) -> Iterator[None]:
    """The web process until the block ends; entered when it listens."""
    process = subprocess.Popen([sys.executable, "-c", WEB], cwd=TOP, env=env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait(10)
