"""Requests that end late, or are cut off while they wait for the writer, as when the web process is killed."""

from __future__ import annotations

import asyncio
import threading

from blueno.data.bundle import Entry, write_bundle
from blueno.data.working import read_working_set
from blueno.dataserver.working_bundle import Incoming
from tests.fakes.full_volume import until
from tests.fakes.working import contents, new_place
from tests.unit.dataserver.test_working_model import Pair, put, remove
from tests.unit.prep.points import in_memory


async def test_the_writer_goes_on_and_names_nothing_that_was_let_go_of() -> None:
    with in_memory() as top:
        pair = Pair(new_place(top))
        one, go, begun = pair.sets[0], threading.Event(), threading.Event()
        put(one, [("before", b"0", None)])

        def hold(_: object) -> None:
            begun.set()
            go.wait(30)

        held = one.submit(hold)
        await asyncio.to_thread(begun.wait, 30)
        body = write_bundle([(Entry("cut", 5), b"bytes")])
        incoming = Incoming(one, len(body))
        incoming.feed(body)
        incoming.finish()
        waiting = asyncio.ensure_future(asyncio.wrap_future(incoming.submit("t")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        incoming.close()
        go.set()
        await asyncio.to_thread(held.result, 30)
        assert (await asyncio.to_thread(put, one, [("after", b"1", None)]))["created"] == 1
        assert set(read_working_set(pair.place.root).samples) == {"before", "cut", "after"}
        assert contents(pair.place.root) == {"before": b"0", "cut": b"bytes", "after": b"1"}
        pair.close()


def test_what_is_purged_while_its_own_request_has_not_ended_is_gone_once_it_has() -> None:
    with in_memory() as top:
        pair = Pair(new_place(top))
        one, objects = pair.sets[0], pair.place.root / "objects"
        body = write_bundle([(Entry("a", 6), b"secret")])
        incoming = Incoming(one, len(body))
        incoming.feed(body)
        incoming.finish()
        assert incoming.submit("t").result(30)["created"] == 1
        remove(one, ["a"], purge=True)
        assert [path.read_bytes() for path in objects.rglob("*") if path.is_file()] == [b"secret"]
        incoming.close()
        until(lambda: not [path for path in objects.rglob("*") if path.is_file()])
        pair.close()
