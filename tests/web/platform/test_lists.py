"""Lists of 2019 over sealed versions and working sets."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.fakes.access import AccessServer
from tests.fakes.working_set_server import WorkingServer
from tests.web.mirrored import Mirrored
from tests.web.platform.client import Client2019, made
from tests.web.prepared import Prepared
from tests.web.site import Site


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
