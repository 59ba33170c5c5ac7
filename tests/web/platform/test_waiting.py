"""What a client of 2019 has to wait for: a data server that wakes, data elsewhere, a name that becomes free."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.fakes.working_set_server import WorkingServer
from tests.ports import free_port
from tests.web.mirrored import Mirrored
from tests.web.platform.client import EDITORS, Client2019, made
from tests.web.site import Site, eventually
from webui.api.platform import datasets as dataset_paths
from webui.api.platform import elsewhere, homes, records, storing
from webui.api.targets import Target


async def test_a_data_server_that_wakes(
    site: Site, old: Client2019, data: WorkingServer, log_lines: Callable[[], list[str]]
) -> None:
    """Clients of 2019 wait seconds between attempts: the request waits for them."""
    await made(old, data)
    port = free_port()
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


def sized(content: bytes) -> dict[str, Any]:
    """What a journal says of bytes."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


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


@pytest.mark.parametrize("scheme", ["az", "s3", "gs", "https"])
async def test_data_in_a_bucket_are_fetched_with_the_data_sets_own_secret(
    old: Client2019, data: WorkingServer, access: AccessServer, scheme: str
) -> None:
    """At a web address it would be sent to whoever is there. What needs one is refused at once without."""
    await made(old, data)
    reply = await old.register("digits", "before", f"{scheme}://place/key.png")
    assert reply.status == (400 if scheme == "az" else 200)
    assert scheme != "az" or "spec.source.upload.secretRef" in reply.json["message"]
    assert not any("secretRef" in body["spec"] for body in access.api.all("Sample"))
    spec = {"source": {"upload": {"secretRef": {"name": "lab-storage"}}}}
    access.api.update("Dataset", homes.object_name("digits"), {"spec": spec})
    assert (await old.register("digits", "after", f"{scheme}://place/key.png")).status == 200
    (body,) = [body for body in access.api.all("Sample") if body["spec"]["key"] == "after"]
    assert body["spec"].get("secretRef") == (None if scheme == "https" else {"name": "lab-storage"})


async def test_what_was_fetched_is_downloaded_by_its_address(
    site: Site, old: Client2019, data: WorkingServer, access: AccessServer, mirrored: Mirrored
) -> None:
    """In the person's home, and for who may see the data set's contents; a picture in a bucket shows itself."""
    await made(old, data)
    url = "gs://bucket/key.PNG"
    assert (await old.register("digits", "s", url, label=3)).status == 200
    wanted = f"/data/download?url={url}"
    (body,) = access.api.all("Sample")
    name = body["metadata"]["name"]
    mirrored.put_sample(name, spec=body["spec"], status={})
    waits = await old.ask("GET", wanted)
    assert (waits.status, "not yet" in waits.json["message"]) == (404, True)
    said = {key: body["spec"][key] for key in ("key", "label", "metadata")}
    data.keep({"op": "put", "seq": 1, "time": "2026-01-01T00:00:00Z", **said, **sized(b"bytes")}, b"bytes")
    mirrored.put_sample(name, spec=body["spec"], status={"key": "s"})
    taken = await old.ask("GET", wanted)
    assert (taken.status, taken.raw) == (200, b"bytes")
    assert ("ed@example.org", "download", "datasets", homes.object_name("digits"), "ok") in site.audit()
    (listed,) = (await old.ask("GET", "/datasets/digits/samples/")).json["samples"]
    assert listed["info"]["data"] == {"url": url}
    assert (listed["info"]["image"]["type"], listed["info"]["image"]["status"]) == ("2D", "CREATED")
    site.add_person("other@example.org", "editor", ("elsewhere",))
    other = Client2019(site.browser())
    await other.log_in("other@example.org")
    assert (await other.ask("GET", wanted)).status == 404
    access.rules[:] = [Rule(EDITORS, resources=("datasets",))]
    site.process.services.access._answers.clear()
    assert (await old.ask("GET", wanted)).status == 404, "contents are a right of their own"


@pytest.mark.parametrize(
    ("url", "shows"),
    [
        ("gs://b/a.png", True),
        ("az://c/a.JPEG", True),
        ("gs://b/a.npy", False),
        ("s3://b/a.png", False),
        ("file://data/d/a.png", False),
    ],
)
def test_pictures_in_buckets_show_themselves(url: str, shows: bool) -> None:
    record = {"key": "a", "sha256": "0" * 64, "time": "t", "metadata": {"data": {"url": url}}}
    assert ("image" in records.shown(record, "d", Target("lab", "d", "u"))["info"]) == shows


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


async def test_what_was_not_fetched_yet_is_not_there_and_waited_for_when_asked_again(
    old: Client2019, data: WorkingServer, access: AccessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.02)
    await made(old, data)
    url, said = "gs://bucket/key.png", {"label": 7, "note": "n"}
    with monkeypatch.context() as patch:
        patch.setattr(elsewhere, "FETCHED_SECONDS", 0.1)
        late = await old.register("digits", "s", url, True, **said)
    assert (late.status, late.code, "Retry-After" in late.headers) == (503, "still_fetching", True)
    for more in ({"url": "gs://bucket/other.png"}, {"label": 8}, {"validate": False}):
        other = {"url": url, "validate": True, **said, **more}
        assert (await old.register("digits", "s", **other)).code == "already_exists", more
    again = asyncio.create_task(old.register("digits", "s", url, True, **said))
    await asyncio.sleep(0.2)
    assert not again.done()
    (body,) = access.api.all("Sample")
    told = [{"type": "Ready", "status": "True"}]
    access.api.update("Sample", body["metadata"]["name"], {"status": {"conditions": told}})
    assert (await again).status == 200
    assert (await old.register("digits", "s", url, True, **said)).code == "already_exists"


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
