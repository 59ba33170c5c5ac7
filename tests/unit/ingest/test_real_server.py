"""The ingest pod's own code against the real data server: what lies in the journal, and whose it says that is."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from blueno.data.working import read_working_set
from blueno.grants import Grant, sign
from blueno.ingest import put, remote
from blueno.ingest.config import IngestConfig
from blueno.ingest.lanes import Worker
from blueno.ingest.operator import OperatorClient
from blueno.ingest.put import Putter
from blueno.ingest.server import DataServer
from blueno.resources.ingest import REMOVE, IngestOptions, Result, Task
from tests.fakes.data_server import PRIVATE
from tests.fakes.working import Working, contents, entry, new_place, working_server
from tests.unit.ingest.conftest import a_task, png


class Permits(OperatorClient):
    """As the report endpoint makes them."""

    def permit(self) -> str:
        expires = int(time.time()) + 60
        return sign(Grant("operator", "uid-1", ("read", "write"), expires, "pod:p"), PRIVATE["operator"])


@dataclass
class Real:
    """A lane, and the data server that it writes to."""

    working: Working
    worker: Worker
    folder: Path

    async def do(self, *tasks: Task) -> dict[str, Result]:
        results = await asyncio.to_thread(self.worker.do, tasks)
        return {result.uid: result for result in results}

    def file(self, name: str, data: bytes) -> str:
        (self.folder / "volume" / name).write_bytes(data)
        return f"file:///{name}"

    def authors(self) -> dict[str, str]:
        return {key: sample.by for key, sample in read_working_set(self.working.place.root).samples.items()}


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Real]:
    for name in ("volume", "secrets", "manifests", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "place").mkdir()
    async with working_server(new_place(tmp_path / "place")) as working:
        paths = {name: tmp_path / name for name in ("volume", "secrets", "manifests", "scratch")}
        config = IngestConfig(working.served.url, "http://127.0.0.1:1", IngestOptions(), server_seconds=20.0, **paths)
        stop = threading.Event()
        operator = Permits(config, stop)
        server = DataServer(config, operator, stop)
        putter = Putter(config, server, stop)
        yield Real(working, Worker(config, operator, server, putter, stop), tmp_path)
        putter.close()
        server.close()


async def test_many_samples_in_one_bundle_each_with_its_author(real: Real) -> None:
    tasks = [a_task(f"s{n}", uri=real.file(f"{n}.png", png(n)), label=str(n), key=f"k/{n} é") for n in range(40)]
    results = await real.do(*tasks)
    assert {r.reason for r in results.values()} == {"Available"}
    assert real.authors() == {f"k/{n} é": f"sample:s{n}" for n in range(40)}
    assert contents(real.working.place.root)["k/7 é"] == png(7)
    assert (await real.working.about())["revision"] == 40
    await real.do(*tasks)
    assert (await real.working.about())["revision"] == 40  # the same again writes nothing


async def test_replaced_by_itself_refused_to_others_and_removed(real: Real) -> None:
    await real.working.bundle(entry("theirs", png(9)), by="ada@example.org")
    await real.do(a_task("a", uri=real.file("a.png", png(1))))
    results = await real.do(
        a_task("a", uri="file:///a.png", label='{"x":[1]}', settled=True, known_key="a"),
        a_task("b", uri="file:///a.png", key="theirs"),
        a_task("bad", uri="file:///a.png", key="x\x85y"),
    )
    assert {uid: r.reason for uid, r in results.items()} == {
        "a": "Available", "b": "KeyConflict", "bad": "BadSample",
    }  # fmt: skip
    samples = read_working_set(real.working.place.root).samples
    assert samples["a"].label == '{"x":[1]}'
    gone = await real.do(a_task("a", REMOVE, known_key="a", purge=True), a_task("b", REMOVE, key="theirs"))
    assert {r.reason for r in gone.values()} == {"Removing"}
    assert real.authors() == {"theirs": "ada@example.org"}


async def test_large_files_and_a_manifest_that_is_read_again(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put, "ALONE", 1 << 20)
    monkeypatch.setattr(remote, "IN_MEMORY", 1 << 19)
    out = io.BytesIO()
    np.save(out, np.arange(1 << 20, dtype=np.int16).reshape(1024, 1024))
    lists = real.folder / "manifests" / "lists"
    lists.mkdir()
    uris = [real.file("large.npy", out.getvalue()), *(real.file(f"{n}.png", png(n)) for n in range(30))]
    (lists / "l").write_text("".join(json.dumps({"uri": uri, "label": 1}) + "\n" for uri in uris))
    task = a_task("many", config_map="lists", config_key="l", key="")
    assert (await real.do(task))["many"].samples == 31
    assert contents(real.working.place.root)["large.npy"] == out.getvalue()
    await real.working.bundle(entry("3.png", png(3), replace=True, label="mine"), by="ada@example.org")
    (lists / "l").write_text("".join(json.dumps({"uri": uri, "label": 2}) + "\n" for uri in uris[:10]))
    again = (await real.do(a_task("many", config_map="lists", config_key="l", key="", settled=True)))["many"]
    assert (again.samples, again.first) == (9, (("line 5: 3.png", "KeyConflict"),))
    assert len(real.authors()) == 10
    gone = await real.do(a_task("many", REMOVE, config_map="lists", config_key="l", key=""))
    assert gone["many"].reason == "Removing"
    assert real.authors() == {"3.png": "ada@example.org"}


async def test_only_the_operator_says_whose_a_sample_is(real: Real) -> None:
    found = await real.working.bundle(entry("a", png(1), by="sample:somebody"), entry("b", png(2)))
    assert [(one["key"], one["code"]) for one in found["refused"]] == [("a", "invalid")]
    assert real.authors() == {"b": "eve@example.org"}
