"""The scripts of image target `nfs`, without ganesha: configuration, refusals, and a probe that believes no open port.

With ganesha: tests/e2e/test_nfs_server.py.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "images" / "nfs"


def load(name: str) -> ModuleType:
    """A script of the image as a module; its name is too plain for the search path."""
    spec = importlib.util.spec_from_file_location(f"nfs_image_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ready, start = load("ready"), load("start")


def test_the_number_is_in_the_configuration() -> None:
    text = start.configuration({"BLUENO_NFS_FSID": "9223372036854775807"})
    assert "Filesystem_Id = 9223372036854775807.1;" in text
    assert text.count("{") == text.count("}") and "{{" not in text


@pytest.mark.parametrize("given", [None, "", "0", "-1", "1.5", "٣", "9223372036854775808", "1; } EXPORT {", "x" * 9999])
def test_what_is_no_number_is_refused(given: str | None) -> None:
    environment = {} if given is None else {"BLUENO_NFS_FSID": given}
    with pytest.raises(ValueError, match="set a number") as refused:
        start.configuration(environment)
    assert len(str(refused.value)) < 200


def test_the_export_is_made_writable_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *given: owners.append(given))
    start.prepare_export(tmp_path)
    assert owners == [(tmp_path, 65532, 65532)]
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_missing_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mount the volume"):
        start.prepare_export(tmp_path / "none")


Answer = Callable[[int, int], bytes | None]


class Server:
    """Answers calls by a function of (program, procedure): the results, raw bytes to send, or None to hang up."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.raw = False
        self.asked: list[tuple[int, int]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """No more connections."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends the thread's wait for one; a mere close would not
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                (head,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
                call = connection.recv(head & 0x7FFFFFFF, socket.MSG_WAITALL)
                xid, _, _, program, version, procedure = struct.unpack(">6I", call[:24])
                assert version == 3
                self.asked.append((program, procedure))
                results = self._answer(program, procedure)
                if results is None:
                    continue
                reply = struct.pack(">6I", xid, 1, 0, 0, 0, 0) + results
                connection.sendall(results if self.raw else struct.pack(">I", len(reply) | 1 << 31) + reply)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def make(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


HANDLE = struct.pack(">I", 5) + b"abcde" + bytes(3)
OK = bytes(4)


def good(program: int, procedure: int) -> bytes:
    """A server that serves."""
    return OK + HANDLE if (program, procedure) == (100005, 1) else OK


def probed(server: Server) -> str:
    """What the probe says; empty when it is content."""
    try:
        ready.probe("127.0.0.1", server.port, server.port)
    except ready.NotServed as reason:
        return str(reason)
    return ""


def test_a_served_export_is_ready(serve: Callable[[Answer], Server], capsys: pytest.CaptureFixture[str]) -> None:
    server = serve(good)
    assert ready.main(["127.0.0.1", str(server.port), str(server.port)]) == 0
    assert server.asked == [(100005, 1), (100005, 3), (100003, 1)], "mounted, unmounted, read"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("status", "words"), [(13, "permission denied"), (2, "no such export"), (77, "status 77")])
def test_a_failed_export_is_not(serve: Callable[[Answer], Server], status: int, words: str) -> None:
    said = probed(serve(lambda *_: struct.pack(">I", status)))
    assert "does not export /export" in said and words in said


def test_an_export_that_cannot_be_read_is_not(serve: Callable[[Answer], Server]) -> None:
    said = probed(serve(lambda program, *rest: good(program, *rest) if program == 100005 else struct.pack(">I", 5)))
    assert "cannot be read" in said and "input/output error" in said


def test_a_server_that_hangs_up_is_not(serve: Callable[[Answer], Server]) -> None:
    assert "without an answer" in probed(serve(lambda *_: None))


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack(">I", 1 << 31), struct.pack(">I", 0x7FFFFFFF) + b"x",
     struct.pack(">2I", 4 | 1 << 31, 1), struct.pack(">7I", 24 | 1 << 31, 1, 1, 1, 1, 0, 0)],
)  # fmt: skip
def test_garbage_is_not(serve: Callable[[Answer], Server], garbage: bytes) -> None:
    server = serve(lambda *_: garbage)
    server.raw = True
    assert probed(server)


def test_answers_cut_short_are_not(serve: Callable[[Answer], Server]) -> None:
    assert "cut short" in probed(serve(lambda *_: b""))


def test_nobody_listening_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        port = str(silent.getsockname()[1])
        assert ready.main(["127.0.0.1", port, port]) == 1
    assert "does not answer" in capsys.readouterr().out


def test_a_silent_server_is_not_waited_for(serve: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "SECONDS", 0.2)
    release = threading.Event()
    said = probed(serve(lambda *_: None if release.wait(60) else b""))
    release.set()
    assert "does not answer" in said
