"""Fifty clients send one sample at the same moment, to one data server or to two on the same volume."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

import pytest

from blueno import names
from blueno.data.bundle import write_bundle
from blueno.data.working import content, read_working_set
from tests.fakes.preparation import Place
from tests.fakes.working import entry, new_place
from tests.faults.servers import Server, servers
from tests.unit.prep.points import in_memory

CLIENTS = 50
PATIENCE = 60.0  # seconds until each has to have its answer
HEADERS = {"Content-Type": names.BUNDLE_TYPE}


@pytest.fixture(params=[1, 2])
def crowd(request: pytest.FixtureRequest) -> Iterator[tuple[Place, Callable[[Callable[[int], bytes]], list[Any]]]]:
    """A volume, and what sends each client's bytes at once; what each was answered."""
    with in_memory() as top, servers() as forks:
        place = new_place(top)
        serving = [forks.serve(place) for _ in range(request.param)]
        for server in serving:
            server.go()
        start = threading.Barrier(CLIENTS)

        def send(number: int, data: bytes) -> Any:
            start.wait(PATIENCE)
            return patiently(serving[number % len(serving)], data)

        def all_at_once(bytes_of: Callable[[int], bytes]) -> list[Any]:
            with ThreadPoolExecutor(CLIENTS) as clients:
                return list(clients.map(send, range(CLIENTS), [bytes_of(number) for number in range(CLIENTS)]))

        yield place, all_at_once
        for server in serving:
            server.end()


def patiently(server: Server, data: bytes) -> Any:
    """One client: sends until it is heard, as ours does when it is told to come back later."""
    own = replace(server, connection=HTTPConnection("127.0.0.1", server.connection.port, timeout=PATIENCE))
    until = time.monotonic() + PATIENCE
    while True:
        reply = own.send("POST", "/bundles", write_bundle([entry("a", data)]), HEADERS)
        if reply.status != 503:
            own.connection.close()
            assert reply.status == 200, reply
            return reply.json()
        assert "Retry-After" in reply.headers, reply
        assert time.monotonic() < until, reply
        time.sleep(0.05)


def only(place: Place) -> tuple[str, bytes]:
    """ETag and bytes of the sample, which is the only one; nothing else of it lies on the volume."""
    (sample,) = read_working_set(place.root).samples.values()
    return sample.etag, content(place.root, sample)


def test_the_same_bytes_make_one_sample(crowd: tuple[Place, Any]) -> None:
    place, all_at_once = crowd
    answers = all_at_once(lambda _: b"the same")
    assert only(place)[1] == b"the same"
    assert Counter(name for answer in answers for name in ("created", "same") if answer[name]) == {
        "created": 1,
        "same": CLIENTS - 1,
    }
    assert {answer["revision"] for answer in answers} == {1}
    assert not any(answer["refused"] for answer in answers)


def test_of_different_bytes_one_wins_and_the_others_are_told_its_tag(crowd: tuple[Place, Any]) -> None:
    place, all_at_once = crowd
    answers = all_at_once(lambda number: b"client %d" % number)
    etag, data = only(place)
    (winner,) = [number for number, answer in enumerate(answers) if answer["created"]]
    assert data == b"client %d" % winner
    refused = [answer["refused"] for number, answer in enumerate(answers) if number != winner]
    told = [[(one["key"], one["code"], one["etag"]) for one in found] for found in refused]
    assert told == [[("a", "conflict", etag)]] * (CLIENTS - 1)
    assert {answer["revision"] for answer in answers} == {1}
