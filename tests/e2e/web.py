"""The deployed web process as tests see it: logged in, JSON in and out; and the deployed PostgreSQL."""

from __future__ import annotations

import base64
import http.cookiejar
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from tests.e2e.kube import Kube, container

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "hack"))

from demolib import login as demo_login  # noqa: E402

SYSTEM = "blueno-system"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `body` is JSON where it says so, else bytes."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Web:
    """A person with a browser's cookie jar."""

    url: str
    email: str
    password: str
    _opener: urllib.request.OpenerDirector = field(init=False, repr=False)

    def __post_init__(self) -> None:
        jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(strict_domain=False))
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def ask(self, path: str, body: Any = None, method: str | None = None, seconds: float = 60) -> Answer:
        """One request, whatever its status. Raises OSError when there is no answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Origin": self.url}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=seconds) as answer:
                return _answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, dict(error.headers), error.read())

    def get(self, path: str, **query: Any) -> Any:
        """The body of an answer that has to be 200, in the end: a busy database may ask to come again."""
        end = time.monotonic() + 60
        while True:
            answer = self.ask(path + ("?" + urllib.parse.urlencode(query) if query else ""))
            if answer.status != 503 or time.monotonic() > end:
                break
            time.sleep(0.5)
        assert answer.status == 200, (path, answer)
        return answer.body

    def login(self) -> Web:
        """Log in, waiting for a web process that is starting or without its database."""
        end = time.monotonic() + 180
        while True:
            try:
                answer = self.ask("/api/v1/login", {"email": self.email, "password": self.password})
                if answer.status == 200:
                    return self
                assert answer.status in (429, 503), answer
            except OSError as error:
                answer = error
            assert time.monotonic() < end, answer
            time.sleep(0.5)

    def dataset(self, kube: Kube, name: str) -> str:
        """Path of a Dataset in the API."""
        return f"/api/v1/datasets/{kube.namespace}/{name}"

    def pixels(self, path: str, **query: Any) -> Answer:
        """An answer of the data server, once it has woken, and the web process is ready."""
        end = time.monotonic() + 180
        while True:
            try:
                answer = self.ask(path + "?" + urllib.parse.urlencode(query))
            except OSError as error:
                answer = Answer(503, {"Retry-After": "1"}, repr(error))
            if answer.status != 503 or time.monotonic() > end:
                assert answer.status == 200, (path, answer.status, answer.body)
                return answer
            assert answer.headers.get("Retry-After"), answer
            time.sleep(0.5)


def _answer(status: int, headers: dict[str, str], raw: bytes) -> Answer:
    kind = headers.get("Content-Type", "")
    return Answer(status, headers, json.loads(raw) if "json" in kind and raw else raw)


def demo_user() -> Web:
    """The administrator that `make demo` makes, on the cluster of the tests."""
    known = demo_login.ensure()
    return Web(known.url, known.email, known.password).login()


@contextmanager
def database(cluster: Kube) -> Iterator[Any]:
    """A cursor on the deployed PostgreSQL, in autocommit mode."""
    system = cluster.inside(SYSTEM)
    pod = cluster.wait(
        "the database's pod", lambda: system.get("pod", "blueno-postgres-0").get("status", {}).get("podIP")
    )
    secret = system.get("secret", "blueno-database")["data"]
    password = base64.b64decode(secret["password"]).decode()
    connection = psycopg2.connect(
        host=pod, port=5432, user="blueno", dbname="blueno", password=password, connect_timeout=30
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def wait_indexed(kube: Kube, name: str, seconds: float = 180) -> dict[str, Any]:
    """The Dataset, once its current version's rows are in PostgreSQL, and its own row says so."""
    kube.wait_ready(name)
    kube.wait_reason(name, "Indexed", seconds, kind="Indexed")
    dataset = kube.dataset(name)
    known = (dataset["metadata"]["uid"], dataset["status"]["version"]["digest"])

    def mirrored() -> bool:  # a moment after the status
        with database(kube) as cursor:
            cursor.execute(
                "SELECT 1 FROM projection.dataset WHERE uid::text = %s AND version_digest = %s"
                " AND indexed_digest = version_digest AND ready",
                known,
            )
            return cursor.fetchone() is not None

    kube.wait(f"{name} in the mirror as in its status", mirrored, every=0.1)
    return dataset


def wait_data_server(kube: Kube, web: Web, name: str) -> dict[str, Any]:
    """The pod of the Dataset's data server, once one has shown pictures and is there to stay: the one that answers
    first may be the recorder's, which goes when that has read.
    """
    before = ""

    def settled() -> dict[str, Any] | None:
        nonlocal before
        web.pixels(f"{web.dataset(kube, name)}/sheet", rows="0-9")
        pods = kube.list("pods", f"blueno.dev/role=serve,blueno.dev/dataset={name}")
        alone = len(pods) == 1 and container(pods[0]).get("ready") and not pods[0]["metadata"].get("deletionTimestamp")
        uid, last = pods[0]["metadata"]["uid"] if alone else "", before
        before = uid
        return pods[0] if uid and uid == last else None

    return dict(kube.wait(f"the data server of {name}, to stay", settled, every=2.0))
