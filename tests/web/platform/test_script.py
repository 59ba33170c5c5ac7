"""The HTTP of 2019 at the root, as a kept copy of that year's client speaks it: from the login to the purge."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.access import AccessServer
from tests.fakes.working_set_server import WorkingServer, etag_of
from tests.web.platform.client import Client2019, made
from tests.web.site import Site, still
from webui.api.platform import homes, samples


async def test_login(site: Site, old: Client2019, monkeypatch: pytest.MonkeyPatch) -> None:
    still(site, monkeypatch)
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
        url, content = f"file://data/digits/{number}.npy", bytes([number]) * (number * 1000 + 1)
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
    assert (taken.status, taken.raw) == (200, b"\x05" * 5001)
    assert taken.headers["Content-Disposition"].startswith("attachment")
    assert taken.headers["Content-Security-Policy"].startswith("sandbox")

    notice = "SELECT dataset_uid::text, number, open FROM projection.working_notice"
    assert site.sql(notice) == [(uid, 6, 0)], "the recorder is told of what was registered, and of nothing else"
    gone = await old.ask("DELETE", "/datasets/digits/samples/S5.npy", {"purge": True})
    assert site.sql(notice) == [(uid, 7, 0)]
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


@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_name_that_is_taken_is_told_with_its_etag(
    old: Client2019, data: WorkingServer, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
) -> None:
    """Known before anything is sent, or only by the data server since somebody else was a moment earlier."""
    await made(old, data)
    for name in ("a", "b"):
        await old.upload(f"file://data/digits/{name}.png", name.encode())
    assert (await old.register("digits", "a", "file://data/digits/a.png")).status == 200
    if meanwhile:

        async def nothing(*_: Any) -> None:
            return None

        monkeypatch.setattr(samples, "record_of", nothing)
    again = await old.register("digits", "a", "file://data/digits/b.png")
    assert (again.status, again.code) == (409, "already_exists")
    assert again.headers["ETag"] == f'"{etag_of(data.samples["a"][0])}"'
    answers = (await old.ask("GET", "/api/openapi.json")).json["paths"]["/datasets/{dataset}/samples/{sample}"]
    assert list(answers["put"]["responses"]["409"]["headers"]) == ["ETag"]


async def test_purged_with_what_was_sent_again(old: Client2019, data: WorkingServer) -> None:
    """A second `create_sample` of a name sends its data before it hears that there is a sample."""
    await made(old, data)
    url = "file://data/digits/a.png"
    await old.upload(url, b"first")
    assert (await old.register("digits", "a", url)).status == 200
    await old.upload(url, b"again")
    assert (await old.register("digits", "a", url)).status == 409
    assert (await old.ask("GET", f"/data/download?url={url}")).raw == b"again"
    assert (await old.ask("DELETE", "/datasets/digits/samples/a", {"purge": True})).status == 200
    assert (await old.ask("GET", f"/data/download?url={url}")).status == 404
    assert data.uploads == {}
