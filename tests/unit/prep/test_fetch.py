"""Downloads: resumed, verified, retried."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from blueno.prep import fetch
from blueno.resources.work import Work
from tests.fakes.preparation import Place, archive_work
from tests.fakes.source_server import Served, SourceServer, source_server
from tests.fakes.sources import class_folders, tar

DATA = tar(class_folders(120), "")  # about 280 KiB


@pytest.fixture
def server() -> Iterator[SourceServer]:
    with source_server() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def verified(server: SourceServer, data: bytes = DATA) -> Work:
    files = [{"url": server.url("/a.tar"), "sha256": hashlib.sha256(data).hexdigest()}]
    return Work(source={"archive": {"files": files}}, layout={})


def test_a_verified_archive_over_http(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA)
    assert place.sealed(verified(server)).samples == 240
    assert server.requests == [("/a.tar", "")]


def test_a_cut_download_is_resumed_where_it_broke(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA, cut_after=[100_000, 50_000])
    assert place.sealed(verified(server)).samples == 240
    ranges = [r for _, r in server.requests]
    assert ranges[0] == ""
    offsets = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
    assert 0 < offsets[0] <= 100_000 < offsets[1] <= 150_000


def test_a_later_attempt_resumes_too(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA, cut_after=[100_000] * 1)
    server.paths["/a.tar"].status = [200, 503, 503, 503]
    failed = place.failed(verified(server), "SourceUnavailable", retry_seconds=0)
    assert not failed.permanent
    server.requests.clear()
    server.paths["/a.tar"].status = []
    assert place.sealed(verified(server), attempt=2).samples == 240
    assert [bool(r) for _, r in server.requests] == [True]


def test_a_source_that_changes_midway_is_read_from_its_beginning(server: SourceServer, place: Place) -> None:
    other = tar(class_folders(100), "")
    served = Served(DATA, cut_after=[100_000])

    def change(number: int) -> None:
        if number == 2:
            served.data, served.etag = other, '"2"'

    served.before = change
    server.paths["/a.tar"] = served
    assert place.sealed(archive_work(server.url("/a.tar"))).samples == 200


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_validator_nothing_unverified_is_resumed(server: SourceServer, place: Place, etag: str) -> None:
    server.paths["/a.tar"] = Served(DATA, etag=etag, cut_after=[100_000])
    assert place.sealed(archive_work(server.url("/a.tar"))).samples == 240
    assert [r for _, r in server.requests] == ["", ""]


def test_a_server_that_ignores_ranges_costs_only_time(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA, ranges=False, cut_after=[100_000])
    assert place.sealed(verified(server)).samples == 240


def test_a_wrong_checksum_is_permanent_and_shows_both(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA)
    outcome = place.failed(verified(server, b"other"), "ChecksumMismatch")
    assert outcome.permanent
    for data in (DATA, b"other"):
        assert hashlib.sha256(data).hexdigest() in outcome.message
    assert not list((place.root / "versions").iterdir())


def test_a_page_instead_of_an_archive_is_named(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(b"<!DOCTYPE html><html>Please log in</html>" * 100)
    assert "no usable archive" in place.failed(archive_work(server.url("/a.tar")), "SourceNotFound").message


def test_a_source_that_is_down_is_waited_for_and_said_so(
    server: SourceServer, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blueno.prep.progress import Progressing

    said: list[tuple[str, str]] = []
    monkeypatch.setattr(Progressing, "wait", lambda self, code, message: said.append((code, message)))
    server.paths["/a.tar"] = Served(DATA, status=[503, 429, 500], retry_after="0")
    assert place.sealed(verified(server)).samples == 240
    assert [code for code, _ in said] == ["SourceUnavailable"] * 3
    assert "HTTP 503; next try in" in said[0][1]


def test_a_source_that_stays_down_is_unavailable_not_gone(
    server: SourceServer, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(fetch, "time", SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append))
    server.paths["/a.tar"] = Served(status=[503] * 1000)
    outcome = place.failed(verified(server), "SourceUnavailable", retry_seconds=900, retry_step=60)
    assert not outcome.permanent
    assert len(server.requests) == len(pauses) + 1 > 2
    assert sum(pauses) <= 900


def test_what_is_not_allowed_is_not_asked(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA)
    outcome = place.failed(verified(server), "SourceNotAllowed", allowed_source_networks=())
    assert (outcome.permanent, server.requests) == (True, [])


def test_too_much_is_refused_by_its_announced_size(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"] = Served(DATA)
    outcome = place.failed(verified(server), "SourceNotAllowed", max_source_bytes=len(DATA) - 1)
    assert str(len(DATA) - 1) in outcome.message


def test_files_that_were_fetched_are_not_fetched_again(server: SourceServer, place: Place) -> None:
    server.paths["/a.tar"], server.paths["/b.tar"] = Served(DATA), Served(status=[404] * 2)
    work = archive_work(server.url("/a.tar"), server.url("/b.tar"))
    place.failed(work, "SourceNotFound")
    server.paths["/b.tar"] = Served(tar({"bird/1.png": class_folders(1)["cat/000.png"]}))
    assert place.sealed(work, attempt=2).classes == 3
    assert [p for p, _ in server.requests] == ["/a.tar", "/b.tar", "/b.tar"]
