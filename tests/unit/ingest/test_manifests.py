"""Manifests: formats, bounds, lines that are wrong, and what changes when one is read again."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from blueno.ingest import manifest, manifest_put, remote
from blueno.ingest.failure import Failed
from blueno.ingest.manifest import count_lines, read_lines
from blueno.prep import local
from blueno.resources.ingest import REMOVE
from tests.fakes.source_server import Served, source_server
from tests.unit.ingest.conftest import Bench, a_task, png


def lines(*bodies: object) -> bytes:
    return b"".join(json.dumps(body).encode() + b"\n" for body in bodies)


def test_every_field_of_a_line_and_what_is_taken_from_the_sample(bench: Bench) -> None:
    uri = bench.file("d/a.png", png(1))
    data = lines(
        {"uri": uri, "key": "k", "label": 7, "split": "test", "group": "g2", "metadata": {"a": 1}, "other": 1},
        {"uri": bench.file("b.png", png(2))},
    )
    result = bench.manifest(data, label='"cat"', split="train", group="g", metadata='{"b":2}')
    assert (result.reason, result.samples, result.rejected) == ("Available", 2, 0)
    first, second = bench.server.records["k"], bench.server.records["b.png"]
    assert (first["label"], first["split"], first["group"], first["metadata"]) == (7, "test", "g2", {"a": 1})
    assert (second["label"], second["split"], second["group"], second["metadata"]) == ("cat", "train", "g", {"b": 2})


def test_csv_with_quotes_and_types(bench: Bench) -> None:
    bench.file("a,b.png", png(1))
    bench.file("c.png", png(2))
    text = '\ufeffuri,label,metadata\r\n"file:///a,b.png",7,"{""x"": [1]}"\r\n\r\nfile:///c.png,cat,\r\n'
    assert bench.manifest(text.encode(), "l.csv").samples == 2
    assert bench.server.records["a,b.png"]["label"] == 7
    assert bench.server.records["a,b.png"]["metadata"] == {"x": [1]}
    assert bench.server.records["c.png"]["label"] == "cat"


BAD_LINES = [
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"{}",
    b'{"uri": 7}',
    b'{"uri": ""}',
    b'{"uri": "file:///good.png", "key": "a\\u0000b"}',
    b'{"uri": "file:///good.png", "key": "\\ud800"}',
    b'{"uri": "file:///good.png", "sha256": "12"}',
    b'{"uri": "file:///good.png", "metadata": [1]}',
    b'{"uri": "file:///good.png", "label": NaN}',
    b'{"uri": "file:///good.png", "label": "' + b"x" * 5000 + b'"}',
    b'{"uri": "file:///good.png", "split": "' + b"x" * 200 + b'"}',
    b'{"uri": "file:///good.png", "metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    b"[" * 60000,
]


@pytest.mark.parametrize("number", range(len(BAD_LINES)))
def test_a_bad_line_fails_alone(bench: Bench, number: int) -> None:
    good = lines({"uri": bench.file("good.png", png())})
    result = bench.manifest(BAD_LINES[number] + b"\n" + good)
    assert (result.reason, result.samples, result.rejected) == ("PartlyAvailable", 1, 1)
    assert result.first == (("line 1", "InvalidLine"),)


def test_a_line_without_end_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "l.ndjson"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b'\n{"uri": "file:///a.png"}\n')
    tracemalloc.start()
    with path.open("rb") as file:
        found = list(read_lines(file, is_csv=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [line.code for line in found] == ["LineTooLong", ""]
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("l.csv", b"key,label\na,b\n"),
        ("l.csv", b"uri,uri\na,b\n"),
        ("l.csv", b"uri,colour\na,b\n"),
        ("l.csv", b'"uri\n'),
        ("l.csv", b""),
        ("l.csv", b"uri\n"),
        ("l.ndjson", b""),
        ("l.ndjson", b"\n\n  \n"),
        ("l.csv", b"\xff\xff\n"),
    ],
)
def test_what_is_no_manifest_says_why(bench: Bench, name: str, data: bytes) -> None:
    result = bench.manifest(data, name)
    assert result.reason == "BadManifest"
    assert len(result.message) > 20


def test_more_lines_than_allowed_are_refused_before_the_first_is_fetched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "MAX_LINES", 3)
    result = bench.manifest(lines(*({"uri": bench.file(f"{n}.png", png(n))} for n in range(4))))
    assert result.reason == "BadManifest"
    assert not bench.server.records


def test_a_million_lines_are_read_with_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "l.ndjson"
    line = b'{"uri": "file:///a/0000000.png", "label": 7, "split": "train"}\n'
    path.write_bytes(line * 20_000)
    tracemalloc.start()
    with path.open("rb") as file:
        assert count_lines(file, is_csv=False) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20
    with pytest.raises(Failed):
        count_lines(io.BytesIO(), is_csv=False)


def test_duplicates_missing_files_and_conflicts_are_counted_with_the_first_five(bench: Bench) -> None:
    bench.do(a_task("other", key="taken", uri=bench.file("0.png", png(0))))
    one = bench.file("1.png", png(1))
    listed = [{"uri": one, "key": "a"}, {"uri": one, "key": "a"}, {"uri": one, "key": "taken"}]
    listed += [{"uri": f"file:///no{n}.png"} for n in range(4)]
    result = bench.manifest(lines(*listed))
    assert (result.reason, result.samples, result.rejected, len(result.first)) == ("PartlyAvailable", 1, 6, 5)
    assert set(result.first) >= {("line 2: a", "DuplicateKey"), ("line 4: no0.png", "SourceNotFound")}
    assert bench.server.records["taken"]["by"] == "sample:other"


def test_nothing_usable_and_nothing_reachable(bench: Bench) -> None:
    assert bench.manifest(lines({"uri": "file:///no.png"})).reason == "NothingUsable"
    with source_server() as source:
        source.paths["/a"] = Served(status=[503] * 9)
        assert bench.manifest(lines({"uri": source.url("/a")})).reason == "SourceUnavailable"


def test_read_again_it_drops_what_it_lists_no_more(bench: Bench) -> None:
    uris = [bench.file(f"{n}.png", png(n)) for n in range(6)]
    bench.manifest(lines(*({"uri": uri, "label": 1} for uri in uris)))
    bench.do(a_task("single", uri=uris[0]))
    changed = [{"uri": uri, "label": n % 2} for n, uri in enumerate(uris[:4])]
    result = bench.manifest(lines(*changed), settled=True)
    assert (result.reason, result.samples) == ("Available", 4)
    assert set(bench.server.records) == {"0.png", "1.png", "2.png", "3.png", "single"}
    assert [bench.server.records[f"{n}.png"]["label"] for n in range(4)] == [0, 1, 0, 1]
    gone = bench.do(a_task("many", REMOVE, config_map="lists", config_key="list.ndjson", key=""))
    assert gone["many"].reason == "Removing"
    assert set(bench.server.records) == {"single"}


def test_a_manifest_by_uri_and_its_sum(bench: Bench) -> None:
    data = lines({"uri": bench.file("a.png", png())})
    where = bench.file("lists/l.ndjson", data)
    sums = [("0" * 64, "ChecksumMismatch"), ("", "Available")]
    for sha256, reason in sums:
        task = a_task("many", manifest_uri=where, manifest_sha256=sha256, key="")
        assert bench.do(task)["many"].reason == reason
    with source_server() as source:
        source.paths["/l.csv"] = Served(b"uri\nfile:///a.png\n")
        result = bench.do(a_task("more", manifest_uri=source.url("/l.csv?x=1"), key=""))["more"]
        assert (result.reason, result.samples) == ("Available", 1)  # the very same sample: nobody's place is taken
    missing = a_task("none", config_map="none", config_key="x", key="")
    assert bench.do(missing)["none"].reason == "ConfigMapNotFound"


def test_what_a_manifest_brought_leaves_though_nothing_was_told_of_it(bench: Bench) -> None:
    """spec.manifest was changed while the pod was at it: status does not even say that it began."""
    uri = bench.file("a.png", png())
    bench.manifest(lines({"uri": uri, "key": "old"}, {"uri": uri, "key": "both"}))
    bench.manifest(lines({"uri": uri, "key": "both"}, {"uri": uri, "key": "new"}), strayed=True)
    assert set(bench.server.records) == {"both", "new"}


@pytest.mark.parametrize("swapped", ["lists/list.csv", "lists"])
@pytest.mark.parametrize("when", ["found", "fetched"])
def test_a_manifest_that_is_swapped_for_a_link_shows_nothing_of_where_it_leads(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, swapped: str, when: str
) -> None:
    """Who may write to the volume would read another Sample's Secret in the status of this one."""
    monkeypatch.setattr(remote, "IN_MEMORY", 16)
    uri = bench.file("lists/list.csv", b"uri\n" + bench.file("a.png", png()).encode() + b"\n")
    secret = bench.folder / "secrets" / "theirs"
    secret.mkdir()
    (secret / "list.csv").write_text("hush\n" * 9)
    place = bench.folder / "volume" / swapped

    def swapping(call: Any) -> Any:
        def called(*given: Any) -> Any:
            found = call(*given)
            place.rename(bench.folder / "volume" / "old")
            place.symlink_to(secret if swapped == "lists" else secret / "list.csv")
            return found

        return called

    module, name = (local, "local_file") if when == "found" else (manifest_put, "fetch")
    monkeypatch.setattr(module, name, swapping(getattr(module, name)))
    result = bench.do(a_task("m", key="", uri="", manifest_uri=uri))["m"]
    assert "hush" not in str(result)
    assert result.reason == ("SourceNotAllowed" if when == "found" else "Available")


def test_a_header_is_not_repeated(bench: Bench) -> None:
    result = bench.manifest(b"uri,hush\na,b\n", "l.csv")
    assert result.message.endswith("; column 2 is none of them")
