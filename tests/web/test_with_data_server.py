"""The web process before the real data server on a real volume: uploads of today and of 2019, ended with what a reader
of the volume finds.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from blueno import names
from blueno.data.bundle import write_bundle
from blueno.data.working import read_working_set
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import serving
from tests.fakes.preparation import Place
from tests.fakes.working import contents, entry, new_place
from tests.web.mirrored import Mirrored, uid_of
from tests.web.platform.client import Client2019
from tests.web.site import Browser, Site

EDITORS = "blueno:editor"
ONE = "/api/v1/datasets/lab/digits"
BUNDLE = {"Content-Type": names.BUNDLE_TYPE}


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write."""
    return AccessServer(rules=[Rule(EDITORS, verbs=("get", "list", "create", "update", "patch", "delete"))])


@pytest.fixture
async def place(site: Site, access: AccessServer, mirrored: Mirrored, tmp_path: Path) -> AsyncIterator[Place]:
    """The empty volume of lab/digits and its server."""
    uid = mirrored.put("lab", "digits", spec={"source": {"upload": {}}})
    assert uid == uid_of("lab", "digits")
    (tmp_path / "disk").mkdir()
    made = new_place(tmp_path / "disk")
    (made.root / names.OWNER_FILE).write_text(json.dumps({"clusterUid": "", "datasetUid": uid}))
    spec = {"displayName": "digits", "source": {"upload": {}}}
    access.api.put({"kind": "Dataset", "metadata": {"namespace": "lab", "name": "digits"}, "spec": spec})
    access.api.objects["Dataset", "lab", "digits"]["metadata"]["uid"] = uid
    async with serving(made, dataset=uid) as served:
        site.data_server_url = served.url
        yield made


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await site.logged_in("ed@example.org", "editor", "lab")


async def test_uploads_of_today(editor: Browser, place: Place) -> None:
    body = write_bundle([entry("a/ä.png", b"one", label={"x": 1}, split="train"), entry("b", b"two")])
    first = await editor.ask("POST", f"{ONE}/bundles", data=body, headers=BUNDLE)
    assert (first.status, first.json["created"], first.json["refused"]) == (200, 2, [])
    assert (await editor.ask("POST", f"{ONE}/bundles", data=body, headers=BUNDLE)).json["same"] == 2
    other = await editor.ask("POST", f"{ONE}/bundles", data=write_bundle([entry("b", b"other")]), headers=BUNDLE)
    assert [one["code"] for one in other.json["refused"]] == ["conflict"]
    found = (await editor.get(f"{ONE}/working/sample?key=b")).json
    assert (found["etag"], found["by"]) == (other.json["refused"][0]["etag"], "ed@example.org")
    large = bytes(range(256)) * 5000
    upload = (await editor.post(f"{ONE}/uploads", {"bytes": len(large)})).json["id"]
    for at in range(0, len(large), 400_000):
        headers = {names.UPLOAD_OFFSET: str(at), "Content-Type": "application/octet-stream"}
        chunk = large[at : at + 400_000]
        sent = await editor.ask("PATCH", f"{ONE}/uploads/{upload}", data=chunk, headers=headers)
        assert (sent.status, sent.headers[names.UPLOAD_OFFSET]) == (204, str(at + len(chunk)))
        again = await editor.ask("PATCH", f"{ONE}/uploads/{upload}", data=chunk, headers=headers)
        assert (again.status, again.code, again.headers[names.UPLOAD_OFFSET]) == (
            *(409, "offset_mismatch", str(at + len(chunk))),
        )
    line = json.dumps({"key": "large", "bytes": len(large), "upload": upload}).encode() + b"\n"
    bundle = len(line).to_bytes(8, "little") + line
    assert (await editor.ask("POST", f"{ONE}/bundles", data=bundle, headers=BUNDLE)).json["created"] == 1
    assert (await editor.post(f"{ONE}/removals", {"keys": ["b", "none"]})).json["removed"] == 1
    assert contents(place.root) == {"a/ä.png": b"one", "large": large}
    for bad in (b"x", b"\xff" * 8, body[:-1], body + b"x"):
        assert (await editor.ask("POST", f"{ONE}/bundles", data=bad, headers=BUNDLE)).status == 400, bad[:20]
    for bad_keys in ({"keys": [1]}, {"keys": "a"}, {}, {"keys": [""]}, {"keys": ["a"] * 10_001}, {"keys": [], "x": 1}):
        assert (await editor.post(f"{ONE}/removals", bad_keys)).status == 422, str(bad_keys)[:60]


async def test_uploads_of_2019(site: Site, editor: Browser, place: Place) -> None:
    old = Client2019(site.browser())
    assert (await old.log_in("ed@example.org")).status == 200
    files = {"1.png": b"one", "volume.npy": bytes(range(256)) * 20_000}
    for name, content in files.items():
        url = f"file://data/digits/{name}"
        assert (await old.upload(url, content)).status == 200
        assert (await old.ask("GET", f"/data/download?url={url}")).raw == content, "before there is a sample"
        new = await old.register("digits", f"S {name}".replace(" ", "%20"), url, label=[1], split="test", note="ä")
        assert new.status == 200, new
        assert (await old.ask("GET", f"/data/download?url={url}")).raw == content
        assert (await old.register("digits", f"S%20{name}", url)).status == 409
    listed = (await old.ask("GET", "/datasets/digits/samples/")).json["samples"]
    assert [one["name"] for one in listed] == [f"S {name}" for name in files]
    info = listed[0]["info"]
    assert (info["label"], info["split"], info["note"]) == ([1], "test", "ä")
    assert contents(place.root) == {f"S {name}": content for name, content in files.items()}
    assert (await old.upload("file://data/digits/empty", b"")).code == "no_data"
    gone = await old.ask("DELETE", f"/datasets/digits/samples/{quote('S 1.png')}", {"purge": True})
    assert gone.status == 200
    assert list(read_working_set(place.root).samples) == ["S volume.npy"]
    assert (await old.ask("GET", "/datasets/digits/samples/count")).json == {"count": 1}


async def test_ended_between_the_sample_and_its_address(site: Site, editor: Browser, place: Place) -> None:
    """The row still says that an upload waits: the sample is found all the same, and made only once."""
    old = Client2019(site.browser())
    await old.log_in("ed@example.org")
    url = "file://data/digits/a.png"
    await old.upload(url, b"bytes")
    before = site.sql("SELECT upload, bytes, sha256 FROM record.data_url")[0]
    assert (await old.register("digits", "a", url)).status == 200
    site.sql("UPDATE record.data_url SET upload = %s, key = NULL, key_sum = NULL", before[0])
    assert (await old.ask("GET", f"/data/download?url={url}")).raw == b"bytes"
    assert (await old.register("digits", "a", url)).status == 409
    assert contents(place.root) == {"a": b"bytes"}
