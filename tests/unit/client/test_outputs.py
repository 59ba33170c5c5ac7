"""What a run has written, through the client: pages, downloads that break off, servers that start or misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from blueno.client import Client, OutputEntry, transfer
from blueno.errors import BluenoError, Conflict, InvalidSpec, NotFound, Unavailable
from tests.fakes.runs_api import TOKEN, RunsApi, problem

DATA = bytes(range(256)) * 1000
ETAG = '"one"'


def entry(name: str, kind: str = "file", size: int | None = 7) -> dict[str, Any]:
    return {"name": name, "kind": kind, "bytes": size if kind == "file" else None, "modified": "2026-01-02T03:04:05Z"}


def says(body: Any) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return answer


def refuses(status: int, code: str, detail: str = "no", after: str = "") -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        refusal = problem(status, code, detail)
        if after:
            refusal.headers["Retry-After"] = after
        return refusal

    return answer


IS_FILE = refuses(409, "not_a_directory")
IS_DIRECTORY = says({"path": "", "items": [], "next": None})


def sends(data: bytes, *, cut: int | None = None, etag: str = ETAG, whole: bool = False) -> Any:
    """The file, or the range that is asked for; breaks off after `cut` bytes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if first and (request.headers.get("If-Range") != etag or whole):
            first = 0
        status, headers = (206, {"ETag": etag}) if first else (200, {"ETag": etag})
        out = web.StreamResponse(status=status, headers=headers)
        out.content_length = len(data) - first
        await out.prepare(request)
        await out.write(data[first:] if cut is None else data[first : first + cut])
        if cut is not None:
            assert request.transport is not None
            request.transport.close()
        return out

    return answer


@pytest.fixture
def client(api: RunsApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(transfer, "LONGEST_PAUSE", 0.01)
    with Client(api.url, TOKEN) as opened:
        yield opened


def test_a_directory_page_by_page(client: Client, api: RunsApi) -> None:
    api.misbehave += [
        says({"path": "ck", "items": [entry("a"), entry("d", "directory")], "next": "d"}),
        says({"path": "ck", "items": [entry("l", "link")], "next": None}),
    ]
    found = list(client.runs.outputs("digits", "/ck/", namespace="team"))
    assert [(e.name, e.path, e.kind, e.bytes) for e in found] == [
        ("a", "ck/a", "file", 7),
        ("d", "ck/d", "directory", None),
        ("l", "ck/l", "link", None),
    ]
    assert isinstance(found[0], OutputEntry)
    assert found[0].modified is not None
    assert found[0].modified.year == 2026
    assert [path for _, path, _ in api.asked] == [
        "/api/v1/trainingruns/team/digits/outputs?path=ck",
        "/api/v1/trainingruns/team/digits/outputs?path=ck&cursor=d",
    ]


def test_pages_that_never_end(client: Client, api: RunsApi) -> None:
    api.misbehave += [says({"path": "", "items": [], "next": "x"})] * 3
    with pytest.raises(BluenoError, match="repeats"):
        list(client.runs.outputs("digits"))


@pytest.mark.parametrize(
    "body", [[], {"items": 7}, {"items": [{"name": 1}]}, {"items": [{}]}, {"items": [], "next": 3}]
)
def test_answers_that_make_no_sense(client: Client, api: RunsApi, body: Any) -> None:
    api.misbehave.append(says(body))
    with pytest.raises(BluenoError, match="not understood"):
        list(client.runs.outputs("digits"))


def test_a_server_that_starts_is_waited_for(client: Client, api: RunsApi) -> None:
    api.misbehave += [refuses(503, "data_server_starting", "is starting", "1")] * 6
    api.misbehave.append(says({"path": "", "items": [entry("a")], "next": None}))
    said: list[str] = []
    assert [e.name for e in client.runs.outputs("digits", waiting=said.append)] == ["a"]
    assert len(said) == 6
    assert "is starting" in said[0]


def test_but_not_for_ever(client: Client, api: RunsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "WAKE", 0.2)
    api.misbehave += [refuses(503, "data_server_starting", "is starting", "1")] * 1000
    with pytest.raises(Unavailable, match="is starting"):
        list(client.runs.outputs("digits"))
    api.misbehave.clear()
    api.misbehave.append(refuses(409, "outputs_unavailable", "claim x has no volume yet"))
    with pytest.raises(Conflict, match="no volume"):
        list(client.runs.outputs("digits"))
    with Client("http://127.0.0.1:9", TOKEN) as away, pytest.raises(Unavailable):
        list(away.runs.outputs("digits"))


@pytest.mark.parametrize("path", ["..", "a/../b", "a//b", "\\"])
def test_paths_that_cannot_be(client: Client, api: RunsApi, path: str, tmp_path: Path) -> None:
    for call in (
        lambda: list(client.runs.outputs("digits", path)),
        lambda: client.runs.download("digits", path, tmp_path),
    ):
        with pytest.raises(InvalidSpec):
            call()
    assert api.asked == []


def test_a_download(client: Client, api: RunsApi, tmp_path: Path) -> None:
    api.misbehave += [IS_FILE, sends(DATA)]
    told: list[tuple[int, int | None]] = []
    saved = client.runs.download("digits", "ck/model.npz", tmp_path, progress=lambda *how: told.append(how))
    assert saved == tmp_path / "model.npz"
    assert saved.read_bytes() == DATA
    assert (told[0], told[-1]) == ((0, len(DATA)), (len(DATA), len(DATA)))
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
    api.misbehave += [IS_FILE, sends(b"new")]
    assert client.runs.download("digits", "ck/model.npz", tmp_path / "model.npz").read_bytes() == b"new"
    api.misbehave += [IS_FILE, sends(b"")]
    assert client.runs.download("digits", "empty", tmp_path).read_bytes() == b""


def test_what_breaks_off_is_gone_on_with(client: Client, api: RunsApi, tmp_path: Path) -> None:
    api.misbehave += [IS_FILE, *[sends(DATA, cut=50_000)] * 4, sends(DATA)]
    saved = client.runs.download("digits", "model.npz", tmp_path)
    assert saved.read_bytes() == DATA
    ranges = [headers.get("Range") for headers in api.headers if "Range" in headers]
    assert ranges
    assert len(set(ranges)) == len(ranges), "each from where the one before broke off"


def test_a_later_call_goes_on_too(
    client: Client, api: RunsApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BREAKS", 1)
    api.misbehave += [IS_FILE, sends(DATA, cut=100_000), sends(DATA, cut=0)]
    with pytest.raises(Unavailable, match="what has come is kept"):
        client.runs.download("digits", "model.npz", tmp_path)
    assert not (tmp_path / "model.npz").exists(), "a part never has the name of the whole"
    api.misbehave += [IS_FILE, sends(DATA)]
    assert client.runs.download("digits", "model.npz", tmp_path).read_bytes() == DATA
    assert "Range" in api.headers[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


def test_a_file_that_changed_meanwhile_begins_anew(client: Client, api: RunsApi, tmp_path: Path) -> None:
    api.misbehave += [IS_FILE, sends(DATA, cut=100_000), sends(b"short", etag='"two"')]
    assert client.runs.download("digits", "model.npz", tmp_path).read_bytes() == b"short"
    api.misbehave += [IS_FILE, sends(DATA, cut=100_000), refuses(416, "range_not_satisfiable"), sends(b"other")]
    assert client.runs.download("digits", "model.npz", tmp_path).read_bytes() == b"other"


def test_a_directory_comes_as_a_tar(client: Client, api: RunsApi, tmp_path: Path) -> None:
    api.misbehave += [IS_DIRECTORY, sends(b"tar of all")]
    assert client.runs.download("digits", "", tmp_path) == tmp_path / "digits.tar"
    assert api.asked[-1][1] == "/api/v1/trainingruns/default/digits/outputs/tar?path="
    api.misbehave += [IS_DIRECTORY, sends(b"tar", cut=2), sends(b"tar")]
    saved = client.runs.download("digits", "ck", tmp_path)
    assert (saved.name, saved.read_bytes()) == ("ck.tar", b"tar")
    assert not any("Range" in headers for headers in api.headers), "an archive is another one each time"


def test_refusals_are_told(client: Client, api: RunsApi, tmp_path: Path) -> None:
    api.misbehave += [refuses(409, "not_a_directory"), refuses(409, "output_is_a_link", "a symbolic link")]
    with pytest.raises(Conflict, match="symbolic link"):
        client.runs.download("digits", "passwd", tmp_path)
    api.misbehave.append(refuses(404, "output_not_found", "is not there"))
    with pytest.raises(NotFound, match="is not there"):
        client.runs.download("digits", "no", tmp_path)
    api.misbehave += [IS_FILE, sends(b"x")]
    with pytest.raises(InvalidSpec, match="cannot be written"):
        client.runs.download("digits", "a", tmp_path / "no" / "such" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_the_part_is_not_followed(client: Client, api: RunsApi, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / ".a.part").symlink_to("victim")
    api.misbehave += [IS_FILE, sends(b"evil")]
    with pytest.raises(InvalidSpec, match="cannot be written"):
        client.runs.download("digits", "a", tmp_path)
    assert (tmp_path / "victim").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("text", "name"),
    [("model.npz", "model.npz"), (r"a\x0ab", "a_x0ab"), (".bashrc", "bashrc"), ("...", "output"), ("c:x", "c_x")],
)
def test_local_names(text: str, name: str) -> None:
    assert transfer.local_name(text) == name
    assert len(transfer.local_name("ü" * 300 + ".npz").encode()) <= 200
    assert transfer.local_name("ü" * 300 + ".npz").endswith(".npz")
