"""The client's own limit on calls."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from blueno.db.watch import Watch


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_call_that_takes_too_long_sees_its_socket_end(watch: Watch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, watch.limit(ours.fileno(), 0.05):
        assert ours.recv(1) == b""  # shut down: the other side never said anything


def test_a_call_that_is_done_is_left_alone(watch: Watch) -> None:
    first, second = socket.socketpair(), socket.socketpair()
    with contextlib.ExitStack() as stack:
        for end in (*first, *second):
            stack.enter_context(end)
        with watch.limit(first[0].fileno(), 0.05):
            pass
        with watch.limit(second[0].fileno(), 0.1):
            assert second[0].recv(1) == b""  # by now the limit of the first has passed too
        first[1].sendall(b"x")
        assert first[0].recv(1) == b"x"


def test_the_shortest_limit_comes_first_and_each_in_its_turn(watch: Watch) -> None:
    ended: list[str] = []
    together = threading.Barrier(3)

    def call(name: str, seconds: float) -> None:
        ours, theirs = socket.socketpair()
        together.wait()
        with ours, theirs, watch.limit(ours.fileno(), seconds):
            ours.recv(1)
            ended.append(name)

    threads = [threading.Thread(target=call, args=pair) for pair in (("slow", 1.5), ("quick", 0.05), ("middle", 0.7))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == ["quick", "middle", "slow"]


def test_a_socket_that_is_gone_already_harms_nobody(watch: Watch) -> None:
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    with watch.limit(number, 0.05):
        ours.close()
        theirs.close()
        threading.Event().wait(0.1)
    again, peer = socket.socketpair()
    with again, peer, watch.limit(again.fileno(), 0.05):
        assert again.recv(1) == b""  # the thread is still there
