"""Names and addresses of 2019, whatever text they are, and whose data sets they reach."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from tests.fakes.access import AccessServer
from tests.fakes.working_set_server import WorkingServer
from tests.web.platform.client import Client2019, made
from tests.web.site import Site
from webui.api.platform import homes


async def test_names_of_any_text(old: Client2019, data: WorkingServer, access: AccessServer) -> None:
    """Twins are different data sets; none becomes a path."""
    names = ("a b", "A b", "a/b", "a-b", "..a", "ä", "a\u0308", "\u202eabc", "\U0001f600", "x" * 255, "con", " ")
    for name in names:
        reply = await old.ask("PUT", f"/datasets/{quote(name, safe='')}", {"info": {}})
        assert reply.status == 200, (name, reply)
    listed = (await old.ask("GET", "/datasets/")).json["datasets"]
    assert [one["name"] for one in listed] == sorted(names), "by name"
    assert len(access.api.all("Dataset")) == len(names)
    for bad, status in (("", 404), ("x" * 256, 404), ("a%00", 400), ("%ff", 400), ("..", 404)):
        assert (await old.ask("PUT", f"/datasets/{bad}", {"info": {}})).status in (status, 405), bad
    data.uid = access.api.all("Dataset")[0]["metadata"]["uid"]
    for name in ("s/t", "ü", "..x", "\u202ey", "z" * 1024, "count"):
        await old.upload(f"file://data/a%20b/{quote(name)}", b"1")
        new = await old.register("a%20b", quote(name, safe=""), f"file://data/a b/{name}")
        assert new.status == 200, (name, new)
    assert len(data.samples) == 6


@pytest.mark.parametrize(
    ("names", "key"), [(("a/b",), "x"), (("a", "a/b"), "x"), (("a/b", "a/b/c"), "d/x"), (("My data / 1",), "s/t")]
)
async def test_an_address_names_the_longest_data_set_that_there_is(
    old: Client2019, data: WorkingServer, access: AccessServer, names: tuple[str, ...], key: str
) -> None:
    uids = {name: await made(old, data, quote(name, safe="")) for name in names}
    longest = max(names, key=len)
    data.uid, url = uids[longest], f"file://data/{longest}/{key}"
    assert (await old.upload(quote(url), b"1")).status == 200
    assert (await old.register(quote(longest, safe=""), "s", url)).status == 200
    assert (await old.ask("GET", f"/data/download?url={quote(url)}")).raw == b"1"
    assert (await old.register(quote(longest, safe=""), quote(key, safe=""), url)).status == 200
    (one, other) = (await old.ask("GET", f"/datasets/{quote(longest, safe='')}/samples/")).json["samples"]
    assert one["info"]["data"] == other["info"]["data"] == {"url": url}
    assert (await old.upload("file://data/none/b/x", b"1")).status == 404


def test_every_name_of_2019_may_be_shown() -> None:
    (crd,) = yaml.safe_load_all(Path("crds/dataset.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert spec["displayName"]["maxLength"] == homes.DATASET.max == 255


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
        assert (await old.ask("GET", f"/data/download?url={url}")).code == "not_found", "nothing is fetched to answer"
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
