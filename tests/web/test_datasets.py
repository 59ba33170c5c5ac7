"""The list of data sets, one of them, its history: who sees what, pages, search, cursors."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.web.conftest import VIEWERS, StartSite
from tests.web.mirrored import Mirrored, uid_of
from tests.web.site import Browser, Reply, Site, eventually
from webui import access as access_module
from webui import cursors

ALL = "/api/v1/datasets"


def names(reply: Reply) -> list[str]:
    assert reply.status == 200, reply
    return [f"{item['namespace']}/{item['name']}" for item in reply.json["items"]]


async def test_a_line_of_the_list(site: Site, mirrored: Mirrored) -> None:
    uid = mirrored.put(
        display_name="Digits <b>",
        percentage=43,
        stage="Preparing",
        remaining_seconds=120,
        samples=70000,
        bytes=11 << 20,
        classes=10,
        managed_by="Argo CD",
        version_digest="ab" * 32,
        version_sequence=3,
        indexed_digest="ab" * 32,
    )
    browser = await site.logged_in()
    (item,) = (await browser.get(ALL)).json["items"]
    assert item.pop("changedAt") > "2026"
    assert item == {
        "uid": uid,
        "namespace": "lab",
        "name": "digits",
        "displayName": "Digits <b>",
        "ready": False,
        "reconciling": True,
        "stalled": False,
        "reason": "Preparing",
        "message": "a pod prepares",
        "progress": {"stage": "Preparing", "percentage": 43, "estimatedRemainingSeconds": 120},
        "samples": 70000,
        "bytes": 11 << 20,
        "classes": 10,
        "version": {"digest": "ab" * 32, "sequence": 3},
        "indexed": True,
        "managedBy": "Argo CD",
        "createdAt": "2026-03-01T12:00:00.000Z",
    }


async def test_a_page_of_one(site: Site, mirrored: Mirrored) -> None:
    status = {
        "splits": [{"name": "train", "samples": 5}],
        "shapes": ["28x28x1 uint8"],
        "badSamples": {"count": 1, "first": [{"key": "a", "code": "Truncated"}]},
        "conditions": [{"type": "Ready", "status": "False", "reason": "Preparing"}],
        "volume": {"claimName": "digits-1"},
        "summary": {"source": "tfds:mnist/plain"},
    }
    spec = {
        "description": "d",
        "license": "CC-BY-4.0",
        "metadata": {"room": {"no": 4}},
        "homepage": "https://x.example",
    }
    mirrored.put(spec=spec, status=status)
    browser = await site.logged_in()
    found = (await browser.get(f"{ALL}/lab/digits")).json
    for key in ("splits", "shapes", "badSamples", "conditions", "volume"):
        assert found[key] == status[key]
    for key in ("description", "license", "metadata", "homepage"):
        assert found[key] == spec[key]
    assert (found["source"], found["citation"]) == ("tfds:mnist/plain", None)
    assert found["spec"]["source"] == {"tfds": {"name": "mnist"}}
    mirrored.put(name="fresh")
    fresh = (await browser.get(f"{ALL}/lab/fresh")).json
    assert (fresh["source"], fresh["splits"], fresh["volume"], fresh["badSamples"]) == ("tfds:mnist", [], None, None)
    assert (await browser.get(f"{ALL}/lab/none")).status == 404


async def test_pages_by_cursor(site: Site, mirrored: Mirrored) -> None:
    every = sorted((f"ns-{n % 3}", f"d-{n:02}") for n in range(25))
    mirrored.put_many(every)
    browser = await site.logged_in()
    found, cursor = [], ""
    while True:
        reply = await browser.get(f"{ALL}?limit=7{cursor}")
        found += names(reply)
        if reply.json["next"] is None:
            break
        cursor = f"&cursor={reply.json['next']}"
    assert found == [f"{namespace}/{name}" for namespace, name in every]
    assert names(await browser.get(f"{ALL}?namespace=ns-1")) == [f"{a}/{b}" for a, b in every if a == "ns-1"]


async def test_cursors_are_ones_own(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored.put_many([("lab", f"d-{n}") for n in range(9)])
    ada, eve = await site.logged_in("ada@example.org"), await site.logged_in("eve@example.org")
    cursor = (await ada.get(f"{ALL}?limit=2")).json["next"]
    assert (await ada.get(f"{ALL}?limit=3&cursor={cursor}")).status == 200
    flipped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for browser, query in (
        (eve, f"limit=2&cursor={cursor}"),
        (ada, f"namespace=lab&cursor={cursor}"),
        (ada, f"q=d&cursor={cursor}"),
        (ada, f"cursor={flipped}"),
        (ada, f"cursor={'A' * 300}"),
        (ada, "cursor=%2B%2F%3D%25"),
        (ada, "cursor=1"),
    ):
        reply = await browser.get(f"{ALL}?{query}")
        assert (reply.status, reply.code) == (400, "bad_cursor"), query
    other_route = await ada.get(f"{ALL}/lab/d-1/history?cursor={cursor}")
    assert other_route.code == "bad_cursor"
    services = site.process.services
    monkeypatch.setattr(services.cursors, "_clock", lambda: time.time() + cursors.SECONDS + 1)
    assert (await ada.get(f"{ALL}?limit=2&cursor={cursor}")).code == "bad_cursor"


async def test_search_is_literal(site: Site, mirrored: Mirrored) -> None:
    mirrored.put(name="plain")
    mirrored.put(name="per-cent", display_name="100 % of_them")
    mirrored.put(name="angle", display_name="<script>alert(1)</script> Ärger")
    browser = await site.logged_in()
    for text, expected in {
        "%25": ["lab/per-cent"],
        "_": ["lab/per-cent"],
        "PLAIN": ["lab/plain"],
        "script%3E": ["lab/angle"],
        "%C3%A4rger": ["lab/angle"],
        "100+%25": ["lab/per-cent"],
        "'%20OR%201%3D1--": [],
        "(a%2B)%2B%24": [],
        "": ["lab/angle", "lab/per-cent", "lab/plain"],
    }.items():
        assert names(await browser.get(f"{ALL}?q={text}")) == expected, text
    assert (await browser.get(f"{ALL}?q={'x' * 257}")).status == 422


BAD = {
    **dict.fromkeys(("limit=-1", "limit=0", "limit=201", "limit=abc", f"limit={2**70}", "limit=1e2"), "query.limit"),
    **dict.fromkeys(("limit=", "limit=%D9%A1", "limit=+1", "limit=1&limit=2"), "query.limit"),
    **dict.fromkeys(("namespace=%2A", "namespace=Lab", "namespace=a%2Fb"), "query.namespace"),
    "sort=name": "query.sort",
    "=": "query.",
    "q=%00": None,
    "q=%ED%A0%80": None,
}


async def test_bad_parameters(site: Site) -> None:
    browser = await site.logged_in()
    for query, field in BAD.items():
        reply = await browser.get(f"{ALL}?{query}")
        assert reply.status in (400, 422), query
        if field is not None:
            assert reply.status == 422, query
            assert [error["field"] for error in reply.json["errors"]] == [field]


async def test_only_allowed_namespaces_are_listed(
    start_site: StartSite, access: AccessServer, mirrored: Mirrored
) -> None:
    """The cluster's say and the person's own list: both must allow."""
    mirrored.put_many([("lab", "a"), ("lab", "b"), ("secret", "c"), ("open", "d")])
    site = await start_site()
    access.rules[:] = [Rule("blueno:ada@example.org", "lab"), Rule(VIEWERS, "open"), Rule("blueno:editor")]
    ada = await site.logged_in("ada@example.org", "viewer", "lab", "secret", "open")
    assert names(await ada.get(ALL)) == ["lab/a", "lab/b", "open/d"]
    star = await site.logged_in("star@example.org", "viewer", "*")
    assert names(await star.get(ALL)) == ["open/d"]
    none = await site.logged_in("none@example.org", "editor", "nowhere")
    assert names(await none.get(ALL)) == []
    site.add_person("nothing@example.org", "editor", ())
    nothing = site.browser()
    assert (await nothing.log_in("nothing@example.org")).status == 200
    assert names(await nothing.get(ALL)) == []
    editor = await site.logged_in("editor@example.org", "editor", "lab")
    assert names(await editor.get(ALL)) == ["lab/a", "lab/b"], "the cluster allows all, the list only this"
    assert names(await editor.get(f"{ALL}?namespace=secret")) == []
    for browser in (ada, star, editor, none):
        hidden, missing = await browser.get(f"{ALL}/secret/c"), await browser.get(f"{ALL}/secret/none")
        assert (hidden.status, missing.status) == (404, 404)
        assert hidden.json | {"requestId": ""} == missing.json | {"requestId": ""}
    spec = access.asked[-1]
    assert spec["user"].startswith("blueno:")
    assert "system:authenticated" in spec["groups"]


async def test_rights_to_one_object(start_site: StartSite, access: AccessServer, mirrored: Mirrored) -> None:
    """As RBAC's resourceNames would grant."""
    mirrored.put_many([("lab", "a"), ("lab", "b")])
    access.rules[:] = [Rule(VIEWERS, "lab", verbs=("get",), name="a")]
    browser = await (await start_site()).logged_in()
    assert (await browser.get(f"{ALL}/lab/a")).status == 200
    assert (await browser.get(f"{ALL}/lab/b")).status == 404
    assert names(await browser.get(ALL)) == []


async def test_reviews_are_kept_shared_and_fail_closed(
    site: Site, access: AccessServer, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored.put()
    browser = await site.logged_in()
    access.hold.clear()
    asking = [asyncio.create_task(browser.get(f"{ALL}/lab/digits")) for _ in range(20)]
    await eventually(lambda: access.asked)
    await asyncio.sleep(0.1)
    access.hold.set()
    assert {reply.status for reply in await asyncio.gather(*asking)} == {200}
    assert len(access.asked) == 1
    access.status = 500
    assert (await browser.get(f"{ALL}/lab/digits")).status == 200, "kept for ten seconds"
    services = site.process.services
    services.access._answers.clear()
    reply = await browser.get(f"{ALL}/lab/digits")
    assert (reply.status, reply.code) == (503, "access_unavailable")
    assert "Retry-After" in reply.headers
    access.status = 201
    assert (await browser.get(f"{ALL}/lab/digits")).status == 200
    monkeypatch.setattr(access_module, "REVIEW_SECONDS", 0.2)
    services.access._answers.clear()
    access.hold.clear()
    assert (await browser.get(f"{ALL}/lab/digits")).code == "access_unavailable"
    access.hold.set()
    assert access_module.YES_SECONDS <= 10
    assert access_module.NO_SECONDS <= 5


async def test_history(site: Site, mirrored: Mirrored) -> None:
    for n in range(5):
        mirrored.put(turns=[f"Reason{n}"], message=f"m{n}")
    browser = await site.logged_in()
    first = (await browser.get(f"{ALL}/lab/digits/history?limit=3")).json
    assert [entry["reason"] for entry in first["items"]] == ["Reason4", "Reason3", "Reason2"]
    second = (await browser.get(f"{ALL}/lab/digits/history?limit=3&cursor={first['next']}")).json
    assert [entry["reason"] for entry in second["items"]] == ["Reason1", "Reason0"]
    assert second["next"] is None


async def test_hostile_texts_come_back_as_json(site: Site, mirrored: Mirrored) -> None:
    evil = "</script><img src=x onerror=alert(1)>\u2028\u202e"
    mirrored.put(display_name=evil, message=evil, spec={"description": evil, "homepage": "javascript:alert(1)"})
    browser = await site.logged_in()
    for path in (ALL, f"{ALL}/lab/digits"):
        reply = await browser.get(path)
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        item = reply.json["items"][0] if path == ALL else reply.json
        assert (item["displayName"], item["message"]) == (evil, evil)


async def test_a_deleted_data_set_is_gone(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    browser: Browser = await site.logged_in()
    mirrored.remove()
    assert names(await browser.get(ALL)) == []
    assert (await browser.get(f"{ALL}/lab/digits")).status == 404
    assert uid_of("lab", "digits") == mirrored.put()
    assert (await browser.get(f"{ALL}/lab/digits")).status == 200


async def test_a_silent_mirror_is_told(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    browser = await site.logged_in()
    hub = site.process.services.hub
    await eventually(lambda: hub.mirror_age() is not None)
    assert "Blueno-Stale-Seconds" not in (await browser.get(ALL)).headers
    site.sql("UPDATE projection.stream SET heartbeat_at = now() - interval '100 seconds'")
    mirrored_age = await eventually(lambda: (hub.mirror_age() or 0) > 90 and hub.mirror_age())
    assert mirrored_age >= 100
    assert int((await browser.get(ALL)).headers["Blueno-Stale-Seconds"]) >= 100
