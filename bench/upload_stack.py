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
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import PRIVATE, PUBLIC
from tests.fakes.preparation import environment
from tests.fakes.working import new_place
from tests.web.mirrored import Mirrored
from tests.web.test_process import kube_config
from webui.auth import new_token
from webui.keys import token_sum

TOP = Path(__file__).resolve().parent.parent
NAMESPACE, DATASET = "lab", "digits"
EDITORS = "blueno:editor"
DATA_SERVER = """
import asyncio, json, sys
from pathlib import Path
from blueno.dataserver.__main__ import serve
from blueno.dataserver.config import ServerConfig
from blueno.memory import give_back_early
mount, root, uid, keys, port = sys.argv[1:]
give_back_early()
asyncio.run(serve(ServerConfig(Path(mount), Path(root), uid, json.loads(keys)), int(port)))
"""
# The process with its data servers at one address: what a cluster's DNS does. Its limit of 100 requests a second for
# one person is off: one request per file would be measured by it, and not by what a request costs.
WEB = """
import os, runpy
from webui import dataservers, limits
limits.Buckets.take = lambda self, key: 0.0
dataservers.Addresses.dataset = lambda self, row: os.environ["DATA_SERVER"]
runpy.run_module("webui", run_name="__main__")
"""


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
        data, web = _free_port(), _free_port()
        arguments = (str(place.volume), str(place.root), uid, json.dumps(PUBLIC), str(data))
        stack.enter_context(_process(DATA_SERVER, arguments, environment(), data))
        settings = _settings(folder, database, cluster) | {"DATA_SERVER": f"http://127.0.0.1:{data}"}
        stack.enter_context(_process(WEB, (), settings | {"BLUENO_HTTP_PORT": str(web)}, web))
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
        return found


@contextmanager
def _process(program: str, arguments: tuple[str, ...], env: dict[str, str], port: int) -> Iterator[None]:
    """Runs until the block ends; entered when it listens."""
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=TOP, env=env, stdout=subprocess.DEVNULL)
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
