"""The Python clients before the real web process and the real data server on a real volume: what they send is what a
reader of the volume finds.
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from blueno import names
from blueno.client import (
    AsyncClient,
    Client,
    PlatformClient,
    PlatformError,
    SampleConflict,
    UploadProgress,
    bundles,
    by_folders,
    contents,
    large,
    platform,
)
from blueno.data.working import read_working_set
from blueno.db import idempotency as rows
from blueno.errors import Conflict, NotFound, Rejected
from tests.fakes.access import AccessServer
from tests.fakes.preparation import Place
from tests.fakes.working import contents as contents_of
from tests.web.site import PASSWORD, Browser, Site
from tests.web.test_with_data_server import access, editor, place
from webui import idempotency

__all__ = ("access", "editor", "place")  # fixtures

T = TypeVar("T")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles and chunks of which a few kilobytes are many."""
    monkeypatch.setattr(bundles, "FULL_SAMPLES", 20)
    monkeypatch.setattr(contents, "LARGE", 100_000)
    monkeypatch.setattr(large, "CHUNK", 30_000)
    monkeypatch.setattr(platform, "PAUSES", (0.1,) * 5)


async def token_of(browser: Browser) -> str:
    made = await browser.post("/api/v1/tokens", {"name": "test"})
    assert made.status == 201, made
    return str(made.json["token"])


async def with_client(site: Site, browser: Browser, work: Callable[[Client], T]) -> T:
    token = await token_of(browser)

    def call() -> T:
        with Client(site.url, token) as client:
            return work(client)

    return await asyncio.to_thread(call)


def make_files(folder: Path, count: int = 90) -> dict[str, bytes]:
    dice, made = random.Random(5), {}
    for number in range(count):
        made[f"{'ab'[number % 2]}/{number:03}.png"] = dice.randbytes(dice.randrange(1, 3000))
    made["a/large.npy"] = dice.randbytes(250_000)
    for key, content in made.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
    return made


async def test_many_files_twice(site: Site, editor: Browser, place: Place, tmp_path: Path) -> None:
    made = make_files(tmp_path / "files")
    seen: list[UploadProgress] = []

    def work(client: Client) -> None:
        samples = client.samples("digits", "lab")
        done = samples.put_many(tmp_path / "files", describe=by_folders("classFolders"), progress=seen.append)
        assert (done.created, done.same, done.refused, done.first_refused) == (91, 0, 0, ())
        again = samples.put_many(tmp_path / "files", describe=by_folders("classFolders"))
        assert (again.created, again.same) == (0, 91)

    await with_client(site, editor, work)
    assert contents_of(place.root) == made
    assert seen[-1].bytes == seen[-1].of_bytes == sum(map(len, made.values()))
    found = read_working_set(place.root)
    assert {one.label for one in found.samples.values()} == {'"a"', '"b"'}
    assert len(found.samples) == found.revision  # none was written twice


async def test_one_sample_and_its_etag(site: Site, editor: Browser, place: Place) -> None:
    def work(client: Client) -> None:
        samples = client.samples("digits", "lab")
        record: dict[str, Any] = {"split": "train", "label": {"ä": [1, None]}, "group": "g", "metadata": {"x": 1.5}}
        assert samples.put("ä/x.png", b"one", **record) == "created"
        assert samples.put("ä/x.png", io.BytesIO(b"one"), **record) == "same"
        found = samples.get("ä/x.png")
        assert (found.split, found.label, found.group, found.metadata) == tuple(record.values())
        with pytest.raises(SampleConflict) as caught:
            samples.put("ä/x.png", b"two")
        assert caught.value.etag == found.etag
        assert samples.put("ä/x.png", b"two", if_match=found.etag) == "replaced"
        with pytest.raises(SampleConflict):
            samples.put("ä/x.png", b"three", if_match=found.etag)
        with pytest.raises(Rejected):
            samples.put("a\nb", b"x")
        assert samples.remove(["ä/x.png", "none"]).missing == 1
        with pytest.raises(NotFound):
            samples.get("ä/x.png")

    await with_client(site, editor, work)
    assert contents_of(place.root) == {}


async def test_the_web_process_ends_while_it_begins_a_large_file(
    site: Site, editor: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is put down and nobody is left who would answer: the next process believes so after a while."""
    database = site.process.services.database
    real, killed = database.write, []

    async def write(step: Any, *arguments: Any) -> Any:
        if step is rows.begin and not killed:
            killed.append(arguments[1])
            await real(step, *arguments[:3], ("another process", 0.0))
        return await real(step, *arguments)

    monkeypatch.setattr(database, "write", write)
    monkeypatch.setattr(idempotency, "ORPHANED_SECONDS", 1.5)
    content = random.Random(2).randbytes(150_000)
    assert (
        await with_client(site, editor, lambda client: client.samples("digits", "lab").put("x", content)) == "created"
    )
    assert len(killed) == 1
    assert contents_of(place.root) == {"x": content}


async def test_the_twin(site: Site, editor: Browser, place: Place, tmp_path: Path) -> None:
    made = make_files(tmp_path / "files", 30)
    async with AsyncClient(site.url, await token_of(editor)) as client:
        samples = client.samples("digits", "lab")
        done = await samples.put_many(tmp_path / "files")
        assert (done.created, done.refused) == (31, 0)
        assert (await samples.get("a/000.png")).bytes == len(made["a/000.png"])
        assert "lastHandledRequest" in (await client.datasets.get("digits", "lab")).raw
    assert contents_of(place.root) == made


async def test_a_viewer_may_not(site: Site, place: Place) -> None:
    viewer = await site.logged_in("vi@example.org", "viewer", "lab")

    def work(client: Client) -> None:
        with pytest.raises((Rejected, NotFound)):
            client.samples("digits", "lab").put("x", b"x")

    await with_client(site, viewer, work)
    assert contents_of(place.root) == {}


async def test_data_sets(site: Site, editor: Browser, place: Place, access: AccessServer) -> None:
    def work(client: Client) -> None:
        spec = {"source": {"upload": {}}, "storage": {"managedNFS": {"size": "1Gi"}}}
        made = client.datasets.create({"spec": {**spec, "displayName": "Mine, all"}}, namespace="lab")
        assert made.name.startswith("mine-all-")
        with pytest.raises(Conflict):
            client.datasets.create({"spec": spec}, namespace="lab", name="digits")
        assert client.datasets.create({"spec": spec}, namespace="lab", name="dry", dry_run=True).name == "dry"
        assert client.datasets.change("digits", "lab", suspend=True, description="d").spec["suspend"] is True
        asked = client.datasets.seal("digits", "lab")
        body = access.api.objects["Dataset", "lab", "digits"]
        assert body["metadata"]["annotations"][names.REQUESTED_AT] == asked
        with pytest.raises(Conflict, match="not stalled"):
            client.datasets.retry("digits", "lab")
        client.datasets.delete(made.name, "lab")

    await with_client(site, editor, work)
    assert ("Dataset", "lab", "dry") not in access.api.objects


async def test_a_script_of_2019(site: Site, editor: Browser, place: Place) -> None:
    def work() -> None:
        client = PlatformClient(site.url, "ed@example.org", PASSWORD)
        assert [one["name"] for one in client.list_datasets()] == ["digits"]
        for number in range(5):
            content = io.BytesIO(b"png" * number + b"!")
            url = f"file://data/digits/{number}.png"
            assert client.create_sample(f"s {number}", "digits", url, content, "2D", number, "training", {"n": number})
            assert client.download_sample(url).getvalue() == content.getvalue()
        assert client.create_sample("s 1", "digits", "file://data/digits/x.png", io.BytesIO(b"x")) is False
        found = client.list_samples("digits")
        assert [one["name"] for one in found] == [f"s {number}" for number in range(5)]
        assert (found[3]["info"]["label"], found[3]["info"]["split"], found[3]["info"]["n"]) == (3, "training", 3)
        with pytest.raises(PlatformError):
            client.register_sample("new", "digits", "file://data/digits/nothing.png")
        assert client.delete_sample("s 3", "digits", True) is True
        assert client.delete_sample("s 3", "digits", True) is False

    await asyncio.to_thread(work)
    assert set(contents_of(place.root)) == {"s 0", "s 1", "s 2", "s 4"}
