"""PlatformClient: scripts of 2019 run unchanged, and on a bad day, too."""

from __future__ import annotations

import inspect
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import blueno
from blueno.client import PlatformClient, PlatformError, multipart, platform
from blueno.client.exchange import Request
from tests.fakes.platform_api import EMAIL, PASSWORD, TIME, PlatformApi, running
from tests.fakes.runs_api import problem

# What scripts call by position, with the defaults of 2019.
SIGNATURES = {
    "list_datasets": "(self)",
    "create_dataset": "(self, name, description=None, info=None)",
    "delete_dataset": "(self, name)",
    "list_samples": "(self, dataset)",
    "create_sample": "(self, name, dataset, data_url, data_content, image_type=None, label=None, split=None, "
    "other_info=None)",
    "register_sample": "(self, name, dataset, data_url, validate=True, image_type=None, label=None, split=None, "
    "other_info=None)",
    "upload_sample": "(self, data_url, data_content)",
    "download_sample": "(self, data_url)",
    "delete_sample": "(self, name, dataset, purge=False)",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformApi]:
    monkeypatch.setattr(platform, "PAUSES", (0.0, 0.0, 0.0, 0.0, 0.0))
    with running() as server:
        yield server


@pytest.fixture
def client(server: PlatformApi) -> PlatformClient:
    client = blueno.PlatformClient(server.url, EMAIL, PASSWORD)
    server.asked.clear()
    return client


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def lost(server: PlatformApi) -> Any:
    """It is done, and the answer never arrives."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await server.good(request)
        return await cut(request)

    return answer


def busy(status: int) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        return problem(status, "x", "not now")

    return answer


def test_the_methods_are_those_of_2019() -> None:
    public = {name: value for name, value in vars(PlatformClient).items() if not name.startswith("_")}
    assert set(public) == set(SIGNATURES)
    for name, wanted in SIGNATURES.items():
        bare = [
            one.replace(annotation=inspect.Parameter.empty)
            for one in inspect.signature(public[name]).parameters.values()
        ]
        assert str(inspect.Signature(bare)) == wanted
    assert list(inspect.signature(PlatformClient).parameters) == ["server", "email", "password"]


def test_a_script_of_2019(server: PlatformApi, client: PlatformClient) -> None:
    assert client.create_dataset("My data / 1", "about it", {"owner": "ada"}) is True
    assert client.create_dataset("My data / 1") is False
    (found,) = client.list_datasets()
    assert found == {"name": "My data / 1", "info": {"owner": "ada", "description": "about it"}, "created_at": TIME}
    for number in range(50):
        url = f"file://data/My data/{number}.png"
        content = io.BytesIO(os.urandom(number))
        made = client.create_sample(f"s/{number}", "My data / 1", url, content, "2D", number, "training", {"n": number})
        assert made is True
        assert client.download_sample(url).read() == content.getvalue()
    assert client.create_sample("s/7", "My data / 1", "file://data/x", io.BytesIO(b"")) is False
    found = client.list_samples("My data / 1")
    assert [one["name"] for one in found] == [f"s/{number}" for number in range(50)]
    assert found[3] == {
        "name": "s/3",
        "info": {
            "n": 3,
            "data": {"url": "file://data/My data/3.png"},
            "label": 3,
            "split": "training",
            "image": {"type": "2D"},
        },
        "created_at": TIME,
        "last_updated": TIME,
    }
    with pytest.raises(PlatformError, match="no data at this address"):
        client.register_sample("new", "My data / 1", "gs://bucket/nothing")
    assert client.register_sample("new", "My data / 1", "gs://bucket/nothing", False) is True
    assert client.delete_sample("s/3", "My data / 1", True) is True
    assert client.delete_sample("s/3", "My data / 1") is False
    with pytest.raises(PlatformError):
        client.download_sample("file://data/My data/3.png")
    assert client.upload_sample("file://data/y", io.BytesIO(b"y")) is None
    assert client.delete_dataset("My data / 1") is True
    assert client.delete_dataset("My data / 1") is False
    with pytest.raises(PlatformError, match="no such data set"):
        client.list_samples("My data / 1")


def test_logging_in(server: PlatformApi, client: PlatformClient) -> None:
    with pytest.raises(PlatformError, match="the address or the password is not right"):
        PlatformClient(server.url, EMAIL, "wrong")
    assert server.asked == [("POST", "/login")]
    server.tokens.clear()  # as when it expires
    assert client.list_datasets() == []
    assert [path for _, path in server.asked[1:]] == ["/datasets/", "/login", "/datasets/"]
    server.misbehave = [busy(401), None, busy(401)]
    with pytest.raises(PlatformError):
        client.list_datasets()
    with pytest.raises(PlatformError, match="not encrypted"):
        PlatformClient("http://blueno.example.org", EMAIL, PASSWORD)
    with pytest.raises(PlatformError, match="is no address"):
        PlatformClient("blueno.example.org", EMAIL, PASSWORD)


@pytest.mark.parametrize("misbehave", [cut, busy(500), busy(502), busy(503), busy(429)])
def test_five_more_tries(server: PlatformApi, client: PlatformClient, misbehave: Any) -> None:
    server.misbehave = [misbehave] * 5
    assert client.list_datasets() == []
    server.misbehave = [misbehave] * 6
    with pytest.raises(PlatformError):
        client.list_datasets()
    assert not server.misbehave


def test_lost_answers_change_no_meaning(server: PlatformApi, client: PlatformClient) -> None:
    server.misbehave = [lost(server)]
    assert client.create_dataset("d") is True
    server.misbehave = [lost(server)]
    assert client.register_sample("s", "d", "file://data/s", False) is True
    server.misbehave = [busy(503)]
    assert client.register_sample("s", "d", "file://data/other", False) is False
    server.misbehave = [lost(server)]
    assert client.delete_sample("s", "d") is True
    server.misbehave = [lost(server)]
    assert client.delete_dataset("d") is True


@pytest.mark.parametrize("seekable", [True, False])
def test_uploads_begin_anew_where_they_began(server: PlatformApi, client: PlatformClient, seekable: bool) -> None:
    content = os.urandom(600_000)
    if seekable:
        file: Any = io.BytesIO(b"header" + content)
        file.seek(6)
    else:
        file = io.BufferedReader(Pipe(content))
    server.misbehave = [cut, busy(503), lost(server)]
    client.upload_sample("file://data/x", file)
    assert server.data["file://data/x"] == content


class Pipe(io.RawIOBase):
    """Bytes that are read once."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._inner.readinto(buffer)


def test_what_cannot_be_sent(client: PlatformClient, server: PlatformApi, tmp_path: Path) -> None:
    closed = io.BytesIO()
    closed.close()
    for bad in (closed, None, b"bytes"):
        with pytest.raises(PlatformError, match="data_content cannot be read"):
            client.upload_sample("file://data/x", bad)  # type: ignore[arg-type]
    with pytest.raises(PlatformError, match="not binary"):
        client.upload_sample("file://data/x", io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(PlatformError, match="image_type is 2D or 3D"):
        client.create_sample("s", "d", "file://data/x", io.BytesIO(), "4D")
    for name in ("", "..", "."):
        with pytest.raises(PlatformError, match="not named"):
            client.create_dataset(name)
    assert server.data == {}


def test_its_one_exception(client: PlatformClient, server: PlatformApi) -> None:
    """Not one of a class that scripts do not know, and never another one."""
    client.create_dataset("d")
    calls: list[Callable[[], Any]] = [
        lambda: client.list_samples("none"),
        lambda: client.register_sample("s", "none", "file://data/x"),
        lambda: client.download_sample("file://data/none"),
        lambda: client.create_dataset("x" * 256),
        lambda: client.create_dataset(None),  # type: ignore[arg-type]
        lambda: client.create_dataset("\ud800"),
        lambda: client.create_dataset("e", info={"a": {1}}),
        lambda: client.register_sample("y" * 1025, "d", "file://data/x"),
        lambda: client.register_sample("s", "d", "file://data/x", False, label=float("nan")),
        lambda: client.delete_sample(7, "d"),  # type: ignore[arg-type]
        lambda: PlatformClient(server.url, EMAIL, "wrong"),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(PlatformError) as caught:
            call()
        assert (caught.type, bool(str(caught.value))) == (PlatformError, True), number
    server.misbehave = [busy(409)]
    with pytest.raises(PlatformError) as caught:
        client.list_datasets()
    assert caught.type is PlatformError


def test_answers_that_make_no_sense(
    client: PlatformClient, server: PlatformApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(body: Any) -> Any:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.json_response(body)

        return answer

    for body in ([], {"datasets": 7}, {"datasets": ["x"]}):
        server.misbehave = [says(body)]
        with pytest.raises(PlatformError, match="not understood"):
            client.list_datasets()
    server.misbehave = [says({"samples": [{"name": "s"}]})] * 3
    with pytest.raises(PlatformError, match="repeats"):
        client.list_samples("d")
    server.misbehave = [says({})]
    with pytest.raises(PlatformError, match="not understood"):
        PlatformClient(server.url, EMAIL, PASSWORD)
    monkeypatch.setattr(platform, "LARGEST", 1000)
    server.data["file://data/x"] = bytes(2000)
    with pytest.raises(PlatformError, match="saves to a file"):
        client.download_sample("file://data/x")


def test_an_upload_that_takes_too_long_is_sent_anew(
    server: PlatformApi, client: PlatformClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.BytesIO):
        """The first attempt is still at it when its time is up."""

        reads = 0

        def read(self, size: int | None = -1) -> bytes:
            Slow.reads += 1
            if Slow.reads in (2, 4):
                time.sleep(0.3)
            return super().read(size)

    content = os.urandom(8 * multipart.BLOCK)
    seconds = iter([0.15])
    monkeypatch.setattr(Request, "seconds", lambda *_: next(seconds, 30.0))
    client.upload_sample("file://data/x", Slow(content))
    assert server.data["file://data/x"] == content
