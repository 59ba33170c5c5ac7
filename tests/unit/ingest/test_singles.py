"""Single samples: what goes in, what comes out again, what is left alone."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from blueno.data import bundle as bundle_format
from blueno.ingest import items, put, remote
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Failed
from blueno.ingest.items import Item, Ready
from blueno.ingest.put import HEAD_BYTES
from blueno.ingest.server import DataServer, head_line
from blueno.prep import patience
from blueno.resources.ingest import REMOVE, Result
from blueno.resources.sample_reasons import SampleReason as Reason
from tests.fakes.source_server import Served, source_server
from tests.unit.ingest.conftest import Bench, a_task, png


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_what_was_put_is_what_was_named(bench: Bench) -> None:
    volume = npy(np.arange(30, dtype=np.int16).reshape(2, 3, 5) * 7)
    results = bench.do(
        a_task("a", uri=bench.file("x/a.png", png()), label='{"boxes":[1]}', metadata='{"m":[1]}', group="g"),
        a_task("b", uri=bench.file("b.npy", volume), key="any text, é", media_type="volume3D"),
    )
    assert {uid: r.reason for uid, r in results.items()} == {"a": "Available", "b": "Available"}
    assert (results["b"].shape, results["b"].dtype, results["b"].bytes) == ("2x3x5", "int16", len(volume))
    record = bench.server.records["a"]
    assert (record["data"], record["label"], record["metadata"]) == (png(), {"boxes": [1]}, {"m": [1]})
    assert bench.server.records["any text, é"]["by"] == "sample:b"
    again = bench.do(a_task("a", uri="file:///x/a.png", label='{"boxes":[1]}', metadata='{"m":[1]}', group="g"))
    assert again["a"].reason == "Available"
    assert bench.server.seq == 2  # the same is written once


def test_what_is_said_of_many_samples_comes_in_heads_that_are_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[int] = []
    real = DataServer.bundle

    def bundle(self: DataServer, lines: Any, contents: Any) -> Any:
        heads.append(sum(len(head_line(line)) for line in lines))
        return real(self, lines, contents)

    monkeypatch.setattr(DataServer, "bundle", bundle)
    monkeypatch.setattr(put, "HEAD_BYTES", 5000)
    said = json.dumps({"m": "x" * 1000})
    uri = bench.file("a.png", png())
    results = bench.do(*(a_task(f"{number}", uri=uri, metadata=said) for number in range(10)))
    assert {result.reason for result in results.values()} == {"Available"}
    assert len(heads) == 3
    assert max(heads) <= 5000
    assert 2 * HEAD_BYTES <= bundle_format.HEAD_BYTES


def test_its_own_key_is_replaced_and_nobody_elses(bench: Bench) -> None:
    bench.do(a_task("a", uri=bench.file("a.png", png(1))))
    changed = bench.do(a_task("a", uri="file:///a.png", label="8"), a_task("b", key="a", uri="file:///a.png"))
    assert (changed["a"].reason, changed["b"].reason) == ("Available", "KeyConflict")
    assert (bench.server.records["a"]["label"], bench.server.records["a"]["by"]) == (8, "sample:a")


def test_a_new_key_leaves_the_old_one(bench: Bench) -> None:
    bench.do(a_task("a", uri=bench.file("a.png", png(1)), key="old"))
    bench.server.records["theirs"] = {**bench.server.records["old"], "by": "ada@example.org"}
    bench.do(a_task("a", uri="file:///a.png", key="new", known_key="old", settled=True))
    bench.do(a_task("a", uri="file:///a.png", key="newer", known_key="theirs", settled=True))
    assert set(bench.server.records) == {"new", "newer", "theirs"}


@pytest.mark.parametrize("purge", [False, True])
def test_keys_that_no_status_told_are_left_and_removed(bench: Bench, purge: bool) -> None:
    """The key was changed twice while the pod was at it, and what it said of `a` and `b` was thrown away."""
    uri = bench.file("a.png", png(1))
    for key in ("a", "b", "told"):
        bench.do(a_task("s", uri=uri, key=key))
    bench.do(a_task("other", uri=uri, key="x"))
    bench.server.records["b"]["by"] = "ada@example.org"
    results = bench.do(a_task("s", uri=uri, key="c", known_key="told", strayed=True), a_task("o", uri=uri, key="y"))
    assert {result.reason for result in results.values()} == {"Available"}
    assert set(bench.server.records) == {"b", "c", "x", "y"}
    bench.do(a_task("s", uri=uri, key="d"))
    bench.do(a_task("s", REMOVE, key="e", known_key="", strayed=True, purge=purge))
    assert set(bench.server.records) == {"b", "x", "y"}
    assert set(bench.server.purged) == ({"c", "d"} if purge else set())


def test_it_is_not_told_before_all_of_it_is_where_it_should_be(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = bench.file("a.png", png(1))
    bench.do(a_task("s", uri=uri, key="a"))

    def full(*_: object) -> None:
        raise Failed(Reason.NO_SPACE, "full")

    monkeypatch.setattr(DataServer, "remove", full)
    results = bench.do(a_task("s", uri=uri, key="b", strayed=True), a_task("t", uri=uri))
    assert {uid: result.reason for uid, result in results.items()} == {"s": "NoSpace", "t": "Available"}


def test_removals_take_only_what_the_sample_brought(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        bench.do(a_task(name, uri=bench.file(f"{name}.png", png(ord(name)))))
    bench.server.records["b"]["by"] = "ada@example.org"  # somebody has written it since
    results = bench.do(
        a_task("a", REMOVE, known_key="a"),
        a_task("b", REMOVE),
        a_task("c", REMOVE, known_key="c", purge=True),
        a_task("never", REMOVE),
    )
    assert {r.reason for r in results.values()} == {"Removing"}
    assert set(bench.server.records) == {"b"}
    assert bench.server.purged == ["c"]


def test_large_files_go_in_pieces_and_memory_holds_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put, "ALONE", 5 << 20)
    monkeypatch.setattr(remote, "IN_MEMORY", 1 << 20)
    large = npy(np.arange(6 << 20, dtype=np.uint8).reshape(3072, 2048))
    with source_server() as source:
        source.paths["/l.npy"] = Served(large)
        found = bench.do(a_task("l", uri=source.url("/l.npy")), a_task("v", uri=bench.file("v.npy", large)))
    assert {r.reason for r in found.values()} == {"Available"}
    assert bench.server.records["l"]["data"] == bench.server.records["v"]["data"] == large
    assert len([path for method, path in bench.server.requests if method == "PATCH"]) == 2


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("now", ["longer", "shorter", "other"])
def test_a_file_that_changes_while_it_is_read_fails_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, now: str, large: bool
) -> None:
    """It is read to be hashed, to be decoded and to be sent."""
    monkeypatch.setattr(remote, "IN_MEMORY", 64)
    monkeypatch.setattr(put, "ALONE", 64 if large else 1 << 20)
    path = bench.folder / "volume" / "changes.png"
    changes, others = bench.file(path.name, png(1)), {f"s{n}": bench.file(f"{n}.png", png(n)) for n in range(4)}
    put_items = put.prepare

    def changing(config: IngestConfig, item: Item, pause: Any) -> Ready | Failed:
        ready = put_items(config, item, pause)
        if item.key == "changes":
            path.write_bytes({"longer": png(1) + b"x", "shorter": png(1)[:-1], "other": png(2)}[now])
        return ready

    with monkeypatch.context() as patch:
        patch.setattr(put, "prepare", changing)
        results = bench.do(a_task("changes", uri=changes), *(a_task(name, uri=uri) for name, uri in others.items()))
    assert {results[name].reason for name in others} == {"Available"}
    if now == "longer":  # what was hashed is still there
        assert bench.server.records["changes"]["data"] == png(1)
        return
    assert (results["changes"].reason, results["changes"].permanent) == ("SourceUnavailable", False)
    assert "changed while it was read" in results["changes"].message
    assert "changes" not in bench.server.records
    assert not bench.server.uploads


def test_one_that_changes_before_it_is_decoded_fails_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "IN_MEMORY", 64)
    fetch = items.fetch

    def changing(*given: Any) -> remote.Content:
        found = fetch(*given)
        (bench.folder / "volume" / "a.png").write_bytes(png(2))
        return found

    monkeypatch.setattr(items, "fetch", changing)
    result = bench.do(a_task("a", uri=bench.file("a.png", png(1))))["a"]
    assert (result.reason, bench.server.records) == ("SourceUnavailable", {})


def test_one_key_twice_in_a_page_is_judged_by_the_server(bench: Bench) -> None:
    first, second = bench.file("1.png", png(1)), bench.file("2.png", png(2))
    results = bench.do(a_task("a", uri=first, key="k"), a_task("b", uri=second, key="k"))
    assert (results["a"].reason, results["b"].reason) == ("Available", "KeyConflict")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [([503, 503, 502], "Available"), ([401], "Available"), ([507], "NoSpace"), ([400], "IngestFailed"),
     ([503] * 99, "DataServerUnavailable")],
)  # fmt: skip
def test_a_data_server_that_refuses(bench: Bench, answers: list[int], reason: str) -> None:
    bench.server.answers = answers
    results = bench.do(*(a_task(str(n), uri=bench.file(f"{n}.png", png(n))) for n in range(3)))
    assert {r.reason for r in results.values()} == {reason}
    assert len(results) == 3


HOSTILE = {
    "file:///etc/passwd": "SourceNotFound",  # below the volume, where there is none
    "file:///../../etc/passwd": "SourceNotAllowed",
    "file:///a/%2e%2e/%2e%2e/etc/passwd": "SourceNotAllowed",
    "file:///link": "SourceNotAllowed",
    "file:///folder": "SourceNotFound",
    "file://host/a.png": "SourceNotAllowed",
    "file:///%00": "SourceNotAllowed",
    "http://10.0.0.1/a.png": "SourceNotAllowed",
    "http://169.254.169.254/latest/meta-data": "SourceNotAllowed",
    "http://[::1]/a.png": "SourceNotAllowed",
    "http://0x7f000001/": "SourceNotAllowed",
    "http://u:p@example.org/": "SourceNotAllowed",
    "ftp://example.org/a.png": "SourceNotAllowed",
    "gopher://x": "SourceNotAllowed",
    "s3://": "SourceNotAllowed",
    "s3://../../x": "SourceNotAllowed",
    "s3://b@evil.example/x": "SourceNotAllowed",
    "az://container/blob": "SourceNotAllowed",  # no account without a Secret
    "http://[": "SourceNotAllowed",
    "": "SourceNotAllowed",
}


@pytest.mark.parametrize("uri", HOSTILE)
def test_hostile_addresses_fail_alone(bench: Bench, uri: str) -> None:
    (bench.folder / "volume" / "link").symlink_to("/etc/passwd")
    (bench.folder / "volume" / "folder").mkdir()
    good = a_task("good", uri=bench.file("good.png", png()))
    results = bench.do(a_task("bad", uri=uri), good)
    assert results["bad"].reason == HOSTILE[uri], results["bad"].message
    assert results["good"].reason == "Available"
    assert set(bench.server.records) == {"good"}


def test_what_a_source_may_do_wrong(bench: Bench) -> None:
    with source_server() as source:
        source.paths |= {
            "/away": Served(png(), status=[503] * 9),
            "/once": Served(png(), status=[503]),
            "/short": Served(png(), cut_after=[20, 20, 20]),
            "/text": Served(b"<html>not found</html>"),
            "/moved": Served(status=[302] * 9, location="http://169.254.169.254/"),
            "/lies": Served(png(), claims=1 << 40),
        }
        names = [*(path[1:] for path in source.paths), "gone"]
        results = bench.do(*(a_task(name, uri=source.url(f"/{name}")) for name in names))
    assert {name: results[name].reason for name in names} == {
        "away": "SourceUnavailable", "once": "Available", "short": "SourceUnavailable", "text": "BadSample",
        "moved": "SourceNotAllowed", "lies": "BadSample", "gone": "SourceNotFound",
    }  # fmt: skip
    assert results["text"].first == (("text", "UnknownFormat"),)
    assert results["lies"].first == (("lies", "TooLarge"),)


def test_a_source_that_sends_too_slowly_fails_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WINDOW", 0.05)
    monkeypatch.setattr(patience, "FLOOR", 1 << 40)
    with source_server() as source:
        source.paths["/a.png"] = Served(png(), pause=0.1)
        results = bench.do(a_task("slow", uri=source.url("/a.png")), a_task("good", uri=bench.file("good.png", png())))
    assert (results["slow"].reason, results["good"].reason) == ("SourceUnavailable", "Available")
    assert "bytes a second" in results["slow"].message


def test_a_secret_goes_to_no_other_host_and_never_in_clear(bench: Bench) -> None:
    folder = bench.folder / "secrets" / "site"
    folder.mkdir()
    (folder / "token").write_text("hush\n")
    with source_server() as source:
        source.paths["/a.png"] = Served(png())
        said = bench.do(a_task("a", uri=source.url("/a.png"), secret="site"))["a"]
        assert (said.reason, source.requests) == ("SourceNotAllowed", [])
    assert "hush" not in said.message
    for name, text in (("empty", ""), ("binary", "\x00\x01")):
        (bench.folder / "secrets" / name).mkdir()
        if text:
            (bench.folder / "secrets" / name / "token").write_text(text)
        result = bench.do(a_task("a", uri="https://example.org/", secret=name))["a"]
        assert result.reason == "SecretNotFound"
    assert bench.do(a_task("a", uri="https://example.org/", secret="none"))["a"].reason == "SecretNotFound"


def test_results_survive_their_way() -> None:
    told = Result("u", 3, "BadSample", "é", "r", "k", 1, 2, 1, (("k", "Truncated"),), "ab" * 32, "1x1", "uint8")
    assert Result.from_dict(told.to_dict()) == told
    for change in ({"reason": "Fine"}, {"generation": True}, {"samples": -1}, {"digest": "x"}, {"first": [{}] * 9},
                   {"message": "\ud800"}, {"key": 7}, {"first": "x"}):  # fmt: skip
        with pytest.raises(ValueError, match=r"must|reason|first"):
            Result.from_dict({**told.to_dict(), **change})
