"""The HTTP of 2019 at the root, as a kept copy of that year's client speaks it."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.fakes.access import AccessServer, Rule
from tests.fakes.working_set_server import WorkingServer
from tests.web.conftest import VIEWERS
from tests.web.mirrored import Mirrored
from tests.web.prepared import Prepared
from tests.web.site import PASSWORD, Browser, Reply, Site, eventually
from webui.api.platform import datasets as dataset_paths
from webui.api.platform import elsewhere, homes, storing

EDITORS = "blueno:editor"
WRITE = ("get", "list", "create", "update", "patch", "delete")


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write data sets and samples."""
    return AccessServer(rules=[Rule(VIEWERS), Rule(EDITORS, verbs=WRITE), Rule(EDITORS, "", WRITE, ("samples",))])


@pytest.fixture
async def data(site: Site) -> Any:
    """A data server for the data set that a test makes first."""
    async with WorkingServer().serving() as stand_in:
        site.data_server_url = stand_in.url
        yield stand_in


class Client2019:
    """As the old client: a token by POST /login, and never a cookie."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def log_in(self, email: str, password: str = PASSWORD) -> Reply:
        reply = await self.browser.post("/login", {"email": email, "password": password})
        if reply.status == 200:
            self.browser.session.cookie_jar.clear()
            self.browser.headers |= {"Authorization": f"Bearer {reply.json['access_token']}"}
        return reply

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        return await self.browser.ask(method, path, body, **more)

    async def upload(self, url: str, content: bytes, name: str = "file") -> Reply:
        form = aiohttp.FormData()
        form.add_field(name, io.BytesIO(content), filename="x.png")
        return await self.ask("POST", f"/data/upload?url={url}", data=form)

    async def register(self, dataset: str, name: str, url: str, validate: bool = False, **info: Any) -> Reply:
        body = {"validate": validate, "info": info | {"data": {"url": url}}}
        return await self.ask("PUT", f"/datasets/{dataset}/samples/{name}", body)


@pytest.fixture
async def old(site: Site) -> Client2019:
    site.add_person("ed@example.org", "editor", ("lab",))
    client = Client2019(site.browser())
    assert (await client.log_in("ed@example.org")).status == 200
    return client


async def made(old: Client2019, data: WorkingServer, name: str = "digits") -> str:
    reply = await old.ask("PUT", f"/datasets/{name}", {"info": {"description": "d", "x": [1]}})
    assert reply.status == 200, reply
    uid: str = reply.json["id"]
    data.uid = uid
    return uid


async def test_login(site: Site, old: Client2019) -> None:
    assert (await old.ask("GET", "/api/v1/session")).json["email"] == "ed@example.org"
    stranger = Client2019(site.browser())
    wrong, unknown = await stranger.log_in("ed@example.org", "wrong"), await stranger.log_in("no@example.org")
    assert (wrong.status, wrong.code, wrong.json["message"]) == (401, "wrong_login", wrong.json["detail"])
    assert wrong.json | {"requestId": ""} == unknown.json | {"requestId": ""}
    assert (await old.ask("GET", "/api/v1/tokens")).json["items"] == [], "not among those a person made"
    for _ in range(25):
        last = await stranger.log_in("ed@example.org", "wrong")
    assert (last.status, last.code) == (429, "too_many_attempts")
    assert ("ed@example.org", "login", "login", "ed@example.org", "ok") in site.audit()


async def test_login_tokens_are_not_hoarded(site: Site, old: Client2019, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blueno.db.people.LOGINS_KEPT", 3)
    for _ in range(6):
        assert (await Client2019(site.browser()).log_in("ed@example.org")).status == 200
    assert site.sql("SELECT count(*), bool_and(expires_at < now() + interval '13 hours') FROM record.token") == [
        (3, True)
    ]


async def test_a_script_of_2019(site: Site, old: Client2019, data: WorkingServer, access: AccessServer) -> None:
    """Create, upload, register, list with filters, count, download, delete with purge."""
    uid = await made(old, data)
    body = access.api.read("Dataset", homes.object_name("digits"))
    assert body["spec"] == {
        "displayName": "digits",
        "description": "d",
        "source": {"upload": {}},
        "metadata": {"description": "d", "x": [1]},
    }
    again = await old.ask("PUT", "/datasets/digits", {"info": {}})
    assert (again.status, bool(again.json["message"])) == (409, True)
    (listed,) = (await old.ask("GET", "/datasets/")).json["datasets"]
    assert (listed["name"], listed["info"]) == ("digits", {"description": "d", "x": [1]})

    for number in range(6):
        url, content = f"file://data/digits/{number}.npy", bytes([number]) * (number * 1000)
        assert (await old.upload(url, content)).json == {}
        new = await old.register(
            *("digits", f"S{number}.npy", url),
            label={"n": number % 2},
            split="test" if number > 3 else "training",
            image={"type": "2D"},
            other=number,
        )
        assert new.status == 200, new
    assert (await old.register("digits", "S1.npy", "file://data/digits/1.npy")).status == 409
    samples = (await old.ask("GET", "/datasets/digits/samples/")).json["samples"]
    assert [one["name"] for one in samples] == [f"S{n}.npy" for n in range(6)]
    info = samples[4]["info"]
    assert (info["label"], info["split"], info["other"]) == ({"n": 0}, "test", 4)
    assert info["data"] == {"url": "file://data/digits/4.npy"}
    assert (info["image"]["type"], info["image"]["status"]) == ("2D", "CREATED")
    for query, wanted in {
        "split=test": [4, 5],
        'label={"n": 1}': [1, 3, 5],
        "label=%7B%22n%22:1%7D&split=test": [5],
        "prefix=s3": [3],
        "prefix=x": [],
        "limit=2": [0, 1],
        "limit=2&offset=2": [2, 3],
        "offset=5": [5],
        "limit=0": [],
    }.items():
        path = "/datasets/digits/samples/?" + query.replace('"', "%22").replace(" ", "%20").replace("{", "%7B")
        found = (await old.ask("GET", path.replace("}", "%7D"))).json["samples"]
        assert [one["name"] for one in found] == [f"S{n}.npy" for n in wanted], query
    assert (await old.ask("GET", "/datasets/digits/samples/count?split=test")).json == {"count": 2}
    taken = await old.ask("GET", "/data/download?url=file://data/digits/5.npy")
    assert (taken.status, taken.raw) == (200, b"\x05" * 5000)
    assert taken.headers["Content-Disposition"].startswith("attachment")
    assert taken.headers["Content-Security-Policy"].startswith("sandbox")

    gone = await old.ask("DELETE", "/datasets/digits/samples/S5.npy", {"purge": True})
    assert (gone.status, "S5.npy" in data.samples) == (200, False)
    assert (await old.ask("DELETE", "/datasets/digits/samples/S5.npy", {"purge": True})).status == 404
    assert (await old.ask("GET", "/data/download?url=file://data/digits/5.npy")).status == 404
    deleted = await old.ask("DELETE", "/datasets/digits")
    assert (deleted.status, deleted.json) == (200, {"id": uid})
    assert (await old.ask("DELETE", "/datasets/digits")).status == 404
    assert (await old.ask("GET", "/datasets/")).json == {"datasets": []}
    verbs = {row[1] for row in site.audit() if row[4] == "ok"}
    assert verbs == {"login", "create", "upload", "create-sample", "download", "delete-sample", "delete"}


async def test_data_without_a_sample(old: Client2019, data: WorkingServer, site: Site) -> None:
    """Uploaded, replaced and downloaded before any sample is made of it; then two samples of the same data."""
    await made(old, data)
    url = "file://data/digits/a.png"
    assert (await old.ask("GET", f"/data/download?url={url}")).status == 404
    for content in (b"first", b"second" * 300_000):
        assert (await old.upload(url, content)).status == 200
        assert (await old.ask("GET", f"/data/download?url={url}")).raw == content
    assert len(data.uploads) == 1, "what was replaced is dropped"
    missing = await old.register("digits", "x", "file://data/digits/none.png", validate=True)
    assert (missing.status, missing.code, bool(missing.json["message"])) == (400, "no_data", True)
    for name in ("one", "two"):
        assert (await old.register("digits", name, url, validate=True)).status == 200
    assert {content for _, content in data.samples.values()} == {b"second" * 300_000}
    assert data.uploads == {}
    site.sql("DELETE FROM record.data_url")
    assert len((await old.ask("GET", f"/data/download?url={url}")).raw) == 1_800_000, "the samples say their addresses"


async def test_names_of_any_text(old: Client2019, data: WorkingServer, access: AccessServer) -> None:
    """Twins are different data sets; none becomes a path."""
    names = ("a b", "A b", "a/b", "a-b", "..a", "ä", "a\u0308", "\u202eabc", "\U0001f600", "x" * 255, "con", " ")
    for name in names:
        reply = await old.ask("PUT", f"/datasets/{quote(name, safe='')}", {"info": {}})
        assert reply.status == 200, (name, reply)
    listed = (await old.ask("GET", "/datasets/")).json["datasets"]
    assert sorted(one["name"] for one in listed) == sorted(names)
    assert len(access.api.all("Dataset")) == len(names)
    for bad, status in (("", 404), ("x" * 256, 404), ("a%00", 400), ("%ff", 400), ("..", 404)):
        assert (await old.ask("PUT", f"/datasets/{bad}", {"info": {}})).status in (status, 405), bad
    data.uid = access.api.all("Dataset")[0]["metadata"]["uid"]
    for name in ("s/t", "ü", "..x", "\u202ey", "z" * 1024, "count"):
        await old.upload(f"file://data/a%20b/{quote(name)}", b"1")
        new = await old.register("a%20b", quote(name, safe=""), f"file://data/a b/{name}")
        assert new.status == 200, (name, new)
    assert len(data.samples) == 6


BAD_URLS = (
    *("", "data/digits/a", "file:///etc/passwd", "file://data/", "file://data/digits", "file://data/digits/"),
    *("file://data/digits/../other/a", "file://data/../digits/a", "file://data/digits/./a", "file://data//a"),
    *("file://other/digits/a", "FILE://data/digits/a", "gopher://x/a", "ftp://x/a", "gs://", "javascript:alert(1)"),
    *("file://data/digits/a\r\nb", "file://data/digits/" + "a" * 2048),
)


async def test_addresses_that_are_none(old: Client2019, data: WorkingServer) -> None:
    await made(old, data)
    for url in BAD_URLS:
        said = quote(url, safe="")
        assert (await old.upload(said, b"x")).status in (400, 422), url
        assert (await old.ask("GET", f"/data/download?url={said}")).status in (400, 422), url
        assert (await old.register("digits", "s", url)).status in (400, 422), url
    for url in ("gs://bucket/a.png", "az://c/a", "https://169.254.169.254/latest"):
        assert (await old.upload(url, b"x")).code == "bad_url"
        assert (await old.ask("GET", f"/data/download?url={url}")).code == "bad_url"
    assert (data.samples, data.uploads) == ({}, {})
    for info in ({}, {"data": {}}, {"data": {"url": 1}}, {"data": "x"}):
        reply = await old.ask("PUT", "/datasets/digits/samples/s", {"validate": False, "info": info})
        assert (reply.status, reply.code) == (400, "bad_url"), info
    assert (await old.register("digits", "s", "file://data/digits/a", split=7)).status == 422


async def test_only_the_callers_data_sets(
    site: Site, old: Client2019, data: WorkingServer, access: AccessServer
) -> None:
    """Another home does not know the name; a viewer may download and nothing else; a stranger nothing at all."""
    await made(old, data)
    url = "file://data/digits/a.png"
    await old.upload(url, b"1")
    await old.register("digits", "a", url)
    before = dict(data.samples)
    site.add_person("other@example.org", "editor", ("elsewhere",))
    site.add_person("view@example.org", "viewer", ("lab",))
    site.add_person("none@example.org", "editor", ())
    clients = {who: Client2019(site.browser()) for who in ("other", "view", "none", "nobody")}
    for who in ("other", "view", "none"):
        assert (await clients[who].log_in(f"{who}@example.org")).status == 200
    # download, list, upload, register, remove, delete, create
    for who, statuses in {
        "other": [404, 404, 404, 404, 404, 404, 200],
        "view": [200, 200, 403, 403, 403, 403, 403],
        "none": [403] * 7,
        "nobody": [401] * 7,
    }.items():
        client = clients[who]
        replies = [
            await client.ask("GET", f"/data/download?url={url}"),
            await client.ask("GET", "/datasets/digits/samples/"),
            await client.upload(url, b"2"),
            await client.register("digits", "b", url),
            await client.ask("DELETE", "/datasets/digits/samples/a", {"purge": True}),
            await client.ask("DELETE", "/datasets/digits"),
            await client.ask("PUT", "/datasets/new", {"info": {}}),
        ]
        assert [reply.status for reply in replies] == statuses, who
        assert all(reply.status < 400 or reply.json["message"] for reply in replies)
    assert data.samples == before
    listed = (await clients["other"].ask("GET", "/datasets/")).json["datasets"]
    assert [one["name"] for one in listed] == ["new"]


async def test_a_sample_of_another_data_sets_data(old: Client2019, data: WorkingServer) -> None:
    """The address names a data set that is not the sample's: the bytes are copied, if they may be read."""
    uid = await made(old, data)
    assert (await old.register("digits", "s", "file://data/secret/a")).status == 404
    await old.upload("file://data/digits/a", b"1" * 99)
    assert (await old.ask("PUT", "/datasets/copy", {})).status == 200
    assert data.uid == uid
    # One server stands for both here, and takes the grants of the first only.
    assert (await old.register("copy", "s", "file://data/digits/a")).status == 502


async def test_pages_of_the_front_end_stay(site: Site, old: Client2019) -> None:
    browser = site.browser()
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in (
        "/login",
        "/datasets",
        "/datasets/",
        "/datasets/lab/digits",
        "/datasets/lab",
        "/data",
        "/datasets/a/samples/",
    ):
        page = await browser.get(path, headers=html)
        assert (page.status, b"<!doctype" in page.raw) == (200, True), path
    assert (await browser.get("/datasets/")).status == 401
    assert (await browser.ask("POST", "/datasets/")).status == 405


async def test_a_data_server_that_wakes(
    site: Site, old: Client2019, data: WorkingServer, log_lines: Callable[[], list[str]]
) -> None:
    """Clients of 2019 wait seconds between attempts: the request waits for them."""
    await made(old, data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site.data_server_url = f"http://127.0.0.1:{port}"
    asked = asyncio.create_task(old.upload("file://data/digits/a", b"1" * 2_000_000))
    await eventually(lambda: any("no answer" in line for line in log_lines()))
    async with WorkingServer(data.uid).serving(port):
        assert (await asked).status == 200
    assert storing.AWAKE_SECONDS < 60


async def test_one_that_never_wakes(site: Site, old: Client2019, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "AWAKE_SECONDS", 0.0)
    assert (await old.ask("PUT", "/datasets/digits", {})).status == 200
    for reply in (
        await old.upload("file://data/digits/a", b"1"),
        await old.register("digits", "a", "file://data/digits/a"),
        await old.ask("GET", "/datasets/digits/samples/"),
        await old.ask("GET", "/data/download?url=file://data/digits/a"),
        await old.ask("DELETE", "/datasets/digits/samples/a"),
    ):
        assert (reply.status, reply.code) == (503, "data_server_starting")
        assert "Retry-After" in reply.headers


async def test_data_elsewhere(old: Client2019, data: WorkingServer, access: AccessServer) -> None:
    """A Sample object is made of an address in a bucket; its removal takes the object along."""
    await made(old, data)
    assert (await old.register("digits", "s%2F1", "gs://bucket/key.png", label=3, note="n")).status == 200
    (body,) = access.api.all("Sample")
    assert body["spec"] == {
        "datasetRef": {"name": homes.object_name("digits")},
        "uri": "gs://bucket/key.png",
        "key": "s/1",
        "label": 3,
        "metadata": {"note": "n", "data": {"url": "gs://bucket/key.png"}},
    }
    assert (await old.register("digits", "s%2F1", "gs://bucket/key.png")).status == 409
    gone = await old.ask("DELETE", "/datasets/digits/samples/s%2F1", {"purge": True})
    assert (gone.status, access.api.all("Sample")) == (200, [])


@pytest.mark.parametrize(("condition", "status"), [("Ready", 200), ("Stalled", 400)])
async def test_data_elsewhere_that_are_to_be_validated(
    old: Client2019,
    data: WorkingServer,
    access: AccessServer,
    condition: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.02)
    await made(old, data)
    task = asyncio.create_task(old.register("digits", "s", "gs://bucket/key.png", validate=True))
    (body,) = await eventually(lambda: access.api.all("Sample"))
    told = [{"type": "Ready", "status": "True" if condition == "Ready" else "False", "message": "no such key"}]
    told += [{"type": "Stalled", "status": "True" if condition == "Stalled" else "False"}]
    access.api.update("Sample", body["metadata"]["name"], {"status": {"conditions": told}})
    reply = await task
    assert reply.status == status
    assert status == 200 or "no such key" in reply.json["message"]
    assert len(access.api.all("Sample")) == (status == 200)


async def test_one_that_is_about_to_go(
    old: Client2019, data: WorkingServer, access: AccessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is free again when its object is gone; that is waited for."""
    monkeypatch.setattr(dataset_paths, "LOOK_SECONDS", 0.02)
    await made(old, data)
    name = homes.object_name("digits")
    access.api.update("Dataset", name, {"metadata": {"finalizers": ["x/y"]}})
    deleting = asyncio.create_task(old.ask("DELETE", "/datasets/digits"))
    await eventually(lambda: access.api.read("Dataset", name)["metadata"].get("deletionTimestamp"))
    assert (await old.ask("GET", "/datasets/")).json == {"datasets": []}
    anew = asyncio.create_task(old.ask("PUT", "/datasets/digits", {}))
    await asyncio.sleep(0.1)
    access.api.update("Dataset", name, {"metadata": {"finalizers": None}})
    assert ((await deleting).status, (await anew).status) == (200, 200)
    assert access.api.read("Dataset", name)["metadata"].get("deletionTimestamp") is None


async def test_a_sealed_data_set(
    site: Site, old: Client2019, prepared: Prepared, mirrored: Mirrored, access: AccessServer
) -> None:
    """lab/digits was prepared from an archive: its list is that of the version, and what was added beside it."""
    body = access.api.put(
        {"kind": "Dataset", "metadata": {"namespace": "lab", "name": "digits"}, "spec": {"source": {"archive": {}}}}
    )
    access.api.objects["Dataset", "lab", "digits"]["metadata"]["uid"] = prepared.uid
    del body
    async with WorkingServer(prepared.uid).serving() as data:
        site.data_server_url = data.url
        everything = (await old.ask("GET", "/datasets/digits/samples/")).json["samples"]
        assert len(everything) == 42
        names = [one["name"] for one in everything]
        assert (await old.ask("GET", "/datasets/digits/samples/count")).json == {"count": 42}
        page = (await old.ask("GET", "/datasets/digits/samples/?limit=5&offset=40")).json["samples"]
        assert [one["name"] for one in page] == names[40:]
        assert (await old.ask("GET", "/datasets/digits/samples/count?prefix=TEST/")).json == {"count": 10}
        label = everything[0]["info"]["label"]
        same = [one["name"] for one in everything if one["info"]["label"] == label]
        found = (await old.ask("GET", f"/datasets/digits/samples/?label={quote(label)}")).json["samples"]
        assert [one["name"] for one in found] == same
        # One more, and one that the working set has otherwise.
        for key in ("new.png", names[3]):
            if key == "new.png":
                await old.upload(f"file://data/digits/{key}", b"1")
                assert (await old.register("digits", key, f"file://data/digits/{key}", label="z")).status == 200
        assert (await old.register("digits", names[3].replace("/", "%2F"), "file://data/digits/new.png")).status == 409
        data.keep(data.samples["new.png"][0] | {"key": names[3], "label": "w", "seq": 9}, b"1")
        changed = (await old.ask("GET", "/datasets/digits/samples/")).json["samples"]
        assert [one["name"] for one in changed] == [*names, "new.png"]
        assert changed[3]["info"]["label"] == "w"
        assert (await old.ask("GET", "/datasets/digits/samples/count")).json == {"count": 43}
        last = (await old.ask("GET", "/datasets/digits/samples/?offset=42&limit=9")).json["samples"]
        assert [one["name"] for one in last] == ["new.png"]
        sealed = await old.ask("DELETE", f"/datasets/digits/samples/{names[5].replace('/', '%2F')}", {"purge": False})
        assert (sealed.status, sealed.code) == (409, "sealed")


async def test_long_lists_are_paged_from_where_the_last_page_ended(
    old: Client2019, data: WorkingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webui.api.platform import contents

    monkeypatch.setattr(contents, "PAGE", 7)
    await made(old, data)
    for number in range(40):
        record = {
            "op": "put",
            "key": f"k{number}",
            "seq": number + 1,
            "bytes": 1,
            "sha256": "0" * 64,
            "time": "2026-01-01T00:00:00Z",
        }
        data.keep(record, b"1")
    everything: list[str] = []
    while page := (await old.ask("GET", f"/datasets/digits/samples/?limit=9&offset={len(everything)}")).json["samples"]:
        everything += [one["name"] for one in page]
    assert everything == [f"k{number}" for number in range(40)]
    assert (await old.ask("DELETE", "/datasets/digits/samples/k7")).status == 200
    data.keep(data.samples["k3"][0] | {"seq": 99}, b"2")
    now = (await old.ask("GET", "/datasets/digits/samples/")).json["samples"]
    assert [one["name"] for one in now] == [name for name in everything if name not in ("k3", "k7")] + ["k3"]
    assert (await old.ask("GET", "/datasets/digits/samples/count")).json == {"count": 39}
