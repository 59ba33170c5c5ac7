"""A lane's parts against real HTTP servers: the working set's (in memory) and a source."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from blueno.ingest.config import IngestConfig
from blueno.ingest.lanes import Worker
from blueno.ingest.operator import OperatorClient
from blueno.ingest.put import Putter
from blueno.ingest.server import DataServer
from blueno.resources.ingest import PUT, IngestOptions, Result, Task
from tests.fakes.working_server import WorkingServer, working_server


class Permits(OperatorClient):
    """The report endpoint is not asked: tests/loop does that."""

    def permit(self) -> str:
        return "v1.x.y"


@dataclass
class Bench:
    """One lane on a folder: volume/, secrets/, manifests/, scratch/."""

    folder: Path
    server: WorkingServer
    config: IngestConfig
    worker: Worker

    def do(self, *tasks: Task) -> dict[str, Result]:
        """Results by uid."""
        return {result.uid: result for result in self.worker.do(tasks)}

    def file(self, name: str, data: bytes) -> str:
        """On the volume; its URI."""
        path = self.folder / "volume" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"file:///{name}"

    def manifest(self, data: bytes, name: str = "list.ndjson", **more: Any) -> Result:
        """What becomes of a manifest in a ConfigMap."""
        folder = self.folder / "manifests" / "lists"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        asked = a_task("many", config_map="lists", config_key=name, key="", uri="", **more)
        return self.do(asked)["many"]


def a_task(uid: str = "one", op: str = PUT, **changes: Any) -> Task:
    given = {"generation": 1, "name": uid, "request": "", "key": uid, **changes}
    return Task(op=op, uid=uid, **given)


def png(shade: int = 7, size: int = 4) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), (shade % 256, shade // 256, 9)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    for name in ("volume", "secrets", "manifests", "scratch"):
        (tmp_path / name).mkdir()
    stop = threading.Event()
    with working_server() as server:
        config = IngestConfig(
            data_server=server.url,
            report_url="http://127.0.0.1:1",
            options=IngestOptions(allowed_source_networks=("127.0.0.0/8",)),
            server_seconds=5.0,
            source_pauses=(0.0,),
            **{name: tmp_path / name for name in ("volume", "secrets", "manifests", "scratch")},
        )
        operator = Permits(config, stop)
        client = DataServer(config, operator, stop)
        putter = Putter(config, client, stop)
        yield Bench(tmp_path, server, config, Worker(config, operator, client, putter, stop))
        putter.close()
        client.close()
    assert not list((tmp_path / "scratch").iterdir())
