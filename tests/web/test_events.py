"""Live events: who hears what, in which order, and how a client comes back."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.web.conftest import VIEWERS, StartSite
from tests.web.events import listening, ready, refused
from tests.web.mirrored import Mirrored
from tests.web.site import Site, eventually
from webui import stream
from webui.api import events as events_module


async def test_changes_arrive(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    async with listening(browser) as events:
        health = await events.next("health")
        await eventually(lambda: site.process.services.hub.database_up)
        assert set(health.data) == {"database", "mirrorAgeSeconds"}
        uid = mirrored.put(percentage=7)
        event = await events.next("change")
        listed = (await browser.get("/api/v1/datasets")).json["items"]
        assert event.data == {
            "kind": "Dataset",
            "op": "upsert",
            "uid": uid,
            "namespace": "lab",
            "name": "digits",
            "object": listed[0],
        }
        mirrored.remove()
        gone = await events.next("change")
        assert gone.data | {"op": "", "object": 0} == event.data | {"op": "", "object": 0}
        assert (gone.data["op"], gone.data["object"]) == ("delete", None)
        assert gone.seq > event.seq


async def test_a_burst_is_coalesced_and_ends_with_the_truth(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    async with listening(browser) as events:
        await ready(site, events)
        for n in range(300):
            mirrored.put(name=f"d-{n % 5}", reason=f"Step{n}")
        mirrored.put(name="last", reason="Done")
        seen = await events.until("last", "Done")
        shown = {event.data["name"]: event.data["object"]["reason"] for event in seen}
        assert shown == {f"d-{n}": f"Step{295 + n}" for n in range(5)} | {"last": "Done"}
        assert len(seen) < 200, "intermediate states are passed over"
        assert [event.seq for event in seen] == sorted(event.seq for event in seen)


async def test_writes_are_at_most_ten_a_second(site: Site, mirrored: Mirrored) -> None:
    """Counted, not timed: so many writes there can be in the time that the burst took, and one more."""
    browser = await site.logged_in()
    loop = asyncio.get_running_loop()
    async with listening(browser) as events:
        await ready(site, events)
        frames = site.process.services.metrics.frames
        before, began = frames._value.get(), loop.time()
        for n in range(100):
            await asyncio.to_thread(mirrored.put, name=f"d-{n}", reason="Step")
        await events.until("d-99", "Step")
        assert frames._value.get() - before <= (loop.time() - began) * 10 + 2


async def test_resume_brings_what_was_missed(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    for by_query in (False, True):
        async with listening(browser) as events:
            await ready(site, events)
            mirrored.put(name="seen", reason=f"Seen{by_query}")
            await events.until("seen", f"Seen{by_query}")
        mirrored.put_many([("lab", "a"), ("lab", "b")], reason=f"Missed{by_query}")
        mirrored.put(name="a", reason=f"Newer{by_query}")
        mirrored.put(name="gone", reason=f"X{by_query}")
        mirrored.remove(name="gone")
        async with listening(browser, events.last_id, by_query=by_query) as again:
            got = [await again.next("change", "reset") for _ in range(3)]
            assert [(event.data["name"], event.data["op"]) for event in got] == [
                *(("b", "upsert"), ("a", "upsert"), ("gone", "delete")),
            ]
            assert got[1].data["object"]["reason"] == f"Newer{by_query}"


async def test_resume_right_after_health(site: Site, mirrored: Mirrored) -> None:
    """A client that saw no change yet still knows from where to go on."""
    mirrored.put()
    browser = await site.logged_in()
    await eventually(lambda: site.process.services.hub.position[2])
    async with listening(browser) as events:
        assert (await events.next("health")).id
    mirrored.put(reason="Missed")
    async with listening(browser, events.last_id) as again:
        assert (await again.next("change", "reset")).data["object"]["reason"] == "Missed"


@pytest.mark.parametrize(
    "last", ["0" * 32 + "-1", "garbage", "{stream}-999999", "{stream}--1", "{stream}-" + "9" * 30, "{stream}", "-5"]
)
async def test_what_cannot_be_resumed_is_reset(site: Site, mirrored: Mirrored, last: str) -> None:
    mirrored.put()
    browser = await site.logged_in()
    hub = site.process.services.hub
    await eventually(lambda: hub.position[2])
    async with listening(browser, last.format(stream=hub.position[0])) as events:
        event = await events.next("change", "reset")
        assert (event.kind, event.data) == ("reset", {})
        mirrored.put(reason="After")
        assert (await events.next("change", "reset")).data["object"]["reason"] == "After"


async def test_too_long_ago_is_reset(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await site.logged_in()
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.put(reason="Seen")
        await events.until("digits", "Seen")
    for n in range(6):
        mirrored.put(reason=f"Step{n}")
    hub = site.process.services.hub
    known = events.last_id
    await eventually(lambda: hub.position[2] >= int(known.rpartition("-")[2]) + 6)
    monkeypatch.setattr(events_module, "REPLAY", 5)
    async with listening(browser, known) as again:
        assert (await again.next("change", "reset")).kind == "reset"
    monkeypatch.setattr(events_module, "REPLAY", 5000)
    site.sql("DELETE FROM projection.change_log WHERE seq <= %s", hub.position[2] - 1)
    mirrored.beat()
    await eventually(lambda: hub.position[1] == hub.position[2])
    async with listening(browser, known) as again:
        assert (await again.next("change", "reset")).kind == "reset"


async def test_a_projection_made_anew_is_a_reset(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    browser = await site.logged_in()
    await eventually(lambda: site.process.services.hub.position[2])
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.close()
        site.sql("DROP SCHEMA projection CASCADE")
        reply = await browser.get("/api/v1/datasets")
        assert (reply.status, reply.code) == (503, "database_unavailable")
        again = Mirrored(site.config.database)  # makes the projection
        assert (await events.next("change", "reset")).kind == "reset"
        again.put(reason="Back")
        assert (await events.until("digits", "Back"))[-1].data["op"] == "upsert"
        again.close()


async def test_an_overflow_is_a_reset(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "QUEUE", 50)
    browser = await site.logged_in()
    async with listening(browser) as events:
        await ready(site, events)
        mirrored.put_many([("lab", f"d-{n}") for n in range(120)])
        event = await events.next("change", "reset")
        assert event.kind == "reset"
        mirrored.put(name="after", reason="After")
        await events.until("after", "After")


async def test_only_what_one_may_see(start_site: StartSite, access: AccessServer, mirrored: Mirrored) -> None:
    site = await start_site()
    access.rules[:] = [Rule(VIEWERS, "lab"), Rule("blueno:admin")]
    viewer = await site.logged_in("v@example.org", "viewer", "*")
    listed = await site.logged_in("l@example.org", "admin", "lab")
    admin = await site.logged_in("a@example.org", "admin", "*")
    mirrored.put("lab", "first")
    await eventually(lambda: site.process.services.hub.position[2])
    async with listening(viewer) as one, listening(listed) as two, listening(admin) as three:
        for events in (one, two, three):
            await ready(site, events)
        mirrored.put("secret", "hidden")
        mirrored.put("lab", "shown", reason="Shown")
        for events in (one, two):
            assert [event.data["name"] for event in await events.until("shown", "Shown")] == ["shown"]
        assert [event.data["name"] for event in await three.until("shown", "Shown")] == ["hidden", "shown"]
        known = one.last_id
    mirrored.put("secret", "hidden", reason="Again")
    mirrored.put("lab", "shown", reason="Again")
    async with listening(viewer, known) as again:
        assert [event.data["name"] for event in await again.until("shown", "Again")] == ["shown"]


async def test_rights_are_asked_again(
    start_site: StartSite, access: AccessServer, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events_module.CHECK_SECONDS <= 10
    monkeypatch.setattr(events_module, "CHECK_SECONDS", 0.2)
    site = await start_site()
    mirrored.put_many([("lab", "a"), ("open", "b")])
    browser = await site.logged_in()
    await eventually(lambda: site.process.services.hub.position[2])
    access.rules[:] = [Rule(VIEWERS)]
    async with listening(browser) as events:
        await ready(site, events)
        access.rules[:] = [Rule(VIEWERS, "open")]
        site.process.services.access._answers.clear()
        assert (await events.next("change", "reset")).kind == "reset"
        mirrored.put("lab", "a", reason="Hidden")
        mirrored.put("open", "b", reason="Shown")
        assert [event.data["name"] for event in await events.until("b", "Shown")] == ["b"]


async def test_a_stream_ends_with_its_session(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "CHECK_SECONDS", 0.2)
    mirrored.put()
    for how in ("logout", "removed"):
        browser = await site.logged_in()
        async with listening(browser) as events:
            await ready(site, events)
            if how == "logout":
                assert (await browser.post("/api/v1/logout", None)).status == 204
            else:
                site.sql("DELETE FROM record.person")
            assert await events.ended()
        assert (await refused(browser)).status == 401
    await eventually(lambda: site.process.services.metrics.streams._value.get() == 0)


async def test_without_the_cluster_nothing_is_told_after_a_while(
    site: Site, access: AccessServer, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events_module.TRUST_SECONDS <= 60
    monkeypatch.setattr(events_module, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(events_module, "TRUST_SECONDS", 0.5)
    browser = await site.logged_in()
    mirrored.put()
    async with listening(browser) as events:
        await ready(site, events)
        access.status = 500
        site.process.services.access._answers.clear()
        await asyncio.sleep(1.0)
        mirrored.put(reason="Untold")
        await asyncio.sleep(0.5)
        assert all(event.kind == "health" for event in events.seen)
        access.status = 201
        assert (await events.until("digits", "Untold"))[-1].data["op"] == "upsert"
