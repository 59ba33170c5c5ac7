"""Event streams as such: how many, how they end, and what they say of the database and the mirror."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.web.events import listening, ready, refused
from tests.web.mirrored import Mirrored
from tests.web.site import Site, eventually
from webui import auth, stream
from webui.api import events as events_module


async def test_ten_tabs_are_all_live(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(listening(browser)) for _ in range(10)]
        for tab in tabs:
            await ready(site, tab)
        mirrored.put(reason="Live")
        assert all(await asyncio.gather(*(tab.until("digits", "Live") for tab in tabs)))
        assert site.process.services.metrics.streams._value.get() == 10
    await eventually(lambda: site.process.services.metrics.streams._value.get() == 0)


async def test_streams_of_one_person_are_capped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.CLIENTS_PER_PERSON == 64
    monkeypatch.setattr(stream, "CLIENTS_PER_PERSON", 3)
    browser, other = await site.logged_in(), await site.logged_in("eve@example.org")
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(listening(browser))
        reply = await refused(browser)
        assert (reply.status, reply.code) == (429, "too_many_streams")
        async with listening(other) as events:
            await events.next("health")
    await eventually(lambda: site.process.services.metrics.streams._value.get() == 0)


async def test_heartbeats(site: Site, mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    assert events_module.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(events_module, "LOOK_SECONDS", 0.1)
    mirrored.beat()
    await eventually(lambda: site.process.services.hub.mirror_age() is not None)
    browser = await site.logged_in()
    async with listening(browser) as events:
        beats = [await events.next("health") for _ in range(4)]
        assert beats[-1].data["database"] is True
        assert beats[-1].data["mirrorAgeSeconds"] < 60


async def test_a_silent_mirror_is_told_at_once(site: Site, mirrored: Mirrored) -> None:
    mirrored.beat()
    browser = await site.logged_in()
    async with listening(browser) as events:
        await ready(site, events)
        site.sql("UPDATE projection.stream SET heartbeat_at = now() - interval '20 seconds'")
        while ((await events.next("health")).data["mirrorAgeSeconds"] or 0) < stream.STALE_SECONDS:
            continue
        mirrored.beat()
        while (await events.next("health")).data["mirrorAgeSeconds"] > stream.STALE_SECONDS:
            continue


async def test_what_is_believed_of_a_session_is_not_for_ever(site: Site) -> None:
    assert auth.BELIEVED + events_module.CHECK_SECONDS + events_module.TRUST_SECONDS <= 60
    assert (await refused(site.browser())).status == 401
