"""Sources that lie, drip, change midway or answer with something else: nothing wrong is sealed, and it is said why."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from blueno.prep import fetch, net, patience
from blueno.prep.progress import Progressing
from blueno.resources.work import Work
from tests.fakes.preparation import Place, archive_work
from tests.fakes.source_server import Served, SourceServer, source_server
from tests.fakes.sources import class_folders, tar

DATA = tar(class_folders(120), "")  # about 280 KiB
OTHER = tar(class_folders(120, ("cow", "emu")), "")
PAGE = b"<!DOCTYPE html><html>Please log in</html>" * 100


@pytest.fixture
def server() -> Iterator[SourceServer]:
    with source_server() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def verified(server: SourceServer) -> Work:
    files = [{"url": server.url("/a.tar"), "sha256": hashlib.sha256(DATA).hexdigest()}]
    return Work(source={"archive": {"files": files}}, layout={})


def nothing_is_published(place: Place) -> bool:
    return not list((place.root / "versions").iterdir()) and not list((place.root / "works").iterdir())


@pytest.mark.parametrize("verify", [True, False])
def test_another_file_under_the_same_range_is_not_mixed_in(server: SourceServer, place: Place, verify: bool) -> None:
    """The server has another file by now, and sends the end of that one without heeding If-Range."""
    served = Served(OTHER, etag='"0"', cut_after=[100_000], obeys_if_range=False)

    def change(number: int) -> None:
        if number == 2:
            served.data, served.etag = DATA, '"1"'

    served.before = change
    server.paths["/a.tar"] = served
    work = verified(server) if verify else archive_work(server.url("/a.tar"))
    assert place.sealed(work).classes == 2
    assert {key.partition("/")[0] for key in keys(place)} == {"cat", "dog"}
    assert [bool(asked) for _, asked in server.requests] == [False, True, False]


def keys(place: Place) -> list[str]:
    import blueno

    return blueno.open_dataset(place.root, verify=True).keys


def test_more_bytes_promised_than_sent_is_a_broken_download(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA, claims=len(DATA) + 1, ranges=False)
    failed = place.failed(verified(server), "SourceUnavailable", retry_seconds=0.2)
    assert not failed.permanent
    assert nothing_is_published(place)
    server.paths["/a.tar"] = Served(DATA)
    assert place.sealed(verified(server), attempt=2).samples == 240


def test_fewer_bytes_promised_than_there_are_is_another_sum(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA, claims=200_000)
    failed = place.failed(verified(server), "ChecksumMismatch")
    for data in (DATA, DATA[:200_000]):
        assert hashlib.sha256(data).hexdigest() in failed.message
    assert nothing_is_published(place)


def test_a_page_in_the_middle_of_a_download_is_another_sum(server: SourceServer, place: Place) -> None:
    """A portal that wants a login from now on answers 200, whatever was asked for."""
    served = Served(DATA, cut_after=[100_000])

    def log_out(number: int) -> None:
        if number == 2:
            served.data, served.etag, served.ranges = PAGE, "", False

    served.before = log_out
    server.paths["/a.tar"] = served
    failed = place.failed(verified(server), "ChecksumMismatch")
    assert hashlib.sha256(PAGE).hexdigest() in failed.message
    assert nothing_is_published(place)


def test_a_connection_that_breaks_within_the_header_is_tried_again(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA, breaks=[True, True])
    assert place.sealed(archive_work(server.url("/a.tar"))).samples == 240
    assert len(server.requests) == 3


def test_a_header_that_drips_is_given_up(server: SourceServer, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the header never ends."""
    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    server.paths["/a.tar"] = Served(DATA, drip=True)
    failed = place.failed(verified(server), "SourceUnavailable", retry_seconds=0.1)
    assert "no answer within" in failed.message
    assert nothing_is_published(place)
    monkeypatch.setattr(patience, "PATIENCE", 60.0)
    server.paths["/a.tar"] = Served(DATA)
    assert place.sealed(verified(server), attempt=2).samples == 240


def test_a_body_that_drips_is_given_up(server: SourceServer, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WINDOW", 0.05)
    monkeypatch.setattr(patience, "FLOOR", 1 << 40)
    server.paths["/a.tar"] = Served(DATA, pause=0.1)
    failed = place.failed(verified(server), "SourceUnavailable", retry_seconds=0.2)
    assert "bytes a second" in failed.message
    assert nothing_is_published(place)


def test_a_redirect_loop_ends_and_is_named(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(status=[302], location="/a.tar")
    failed = place.failed(verified(server), "SourceNotFound")
    assert "more than 5 redirects" in failed.message
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(
    server: SourceServer, place: Place, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    said: list[str] = []
    monkeypatch.setattr(fetch, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append))
    monkeypatch.setattr(Progressing, "wait", lambda self, code, message: said.append(message))
    server.paths["/a.tar"] = Served(DATA, status=[status], retry_after="7")
    assert place.sealed(verified(server), retry_seconds=900, retry_step=60).samples == 240
    assert pauses == [7]
    assert said == [f"{net.display(server.url('/a.tar'))} answers HTTP {status}; next try in 7 s"]


def test_a_body_that_is_not_compressed_as_its_header_says(server: SourceServer, place: Place) -> None:
    """Nothing but identity was asked for, so the header is not believed: the bytes are what they are."""
    server.paths["/a.tar"] = Served(DATA, headers={"Content-Encoding": "gzip"})
    assert place.sealed(verified(server)).samples == 240


def test_a_body_that_is_compressed_though_nobody_asked(server: SourceServer, place: Place) -> None:
    packed = gzip.compress(DATA, mtime=0)
    server.paths["/a.tar"] = Served(packed, headers={"Content-Encoding": "gzip"})
    failed = place.failed(verified(server), "ChecksumMismatch")
    assert hashlib.sha256(packed).hexdigest() in failed.message
    assert nothing_is_published(place)


def test_a_gzip_that_ends_early_is_no_usable_archive(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(gzip.compress(DATA, mtime=0)[:-9])
    failed = place.failed(archive_work(server.url("/a.tar")), "SourceNotFound")
    assert "compression is damaged" in failed.message
    assert nothing_is_published(place)
    assert not list((place.root / "staging").rglob("*.tmp"))
