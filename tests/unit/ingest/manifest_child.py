"""`python tests/unit/ingest/manifest_child.py URL KEY FOLDER NAME LINES`: one manifest put by a process of its own.

Says what became of it, and how much memory the process had at most. Started by test_manifest_memory.py.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path

from blueno.grants import Grant, sign
from blueno.ingest import put
from blueno.ingest.config import IngestConfig
from blueno.ingest.lanes import Worker
from blueno.ingest.operator import OperatorClient
from blueno.ingest.put import Putter
from blueno.ingest.server import DataServer
from blueno.resources.ingest import PUT, IngestOptions, Task

FOLDERS = ("volume", "secrets", "manifests", "scratch")


class Permits(OperatorClient):
    """As the report endpoint makes them."""

    key: bytes  # the one that the test's data server trusts

    def permit(self) -> str:
        expires = int(time.time()) + 60
        return sign(Grant("operator", "uid-1", ("read", "write"), expires, "pod:p"), self.key)


def main(url: str, key: bytes, folder: Path, name: str, bundle_lines: int) -> None:
    """Puts the manifest `name` of ConfigMap lists, so many samples in a bundle."""
    put.BUNDLE_LINES = bundle_lines
    paths = {each: folder / each for each in FOLDERS}
    config = IngestConfig(url, "http://127.0.0.1:1", IngestOptions(), **paths)
    stop = threading.Event()
    operator = Permits(config, stop)
    operator.key = key
    server = DataServer(config, operator, stop)
    putter = Putter(config, server, stop)
    task = Task(PUT, "many", 1, "many", "", "", config_map="lists", config_key=name)
    (result,) = Worker(config, operator, server, putter, stop).do([task])
    putter.close()
    server.close()
    print(json.dumps({"reason": result.reason, "samples": result.samples, "peak": peak()}))


def peak() -> int:
    """Bytes of memory at most; getrusage would count what the parent had when it started this process."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) << 10


if __name__ == "__main__":
    main(sys.argv[1], bytes.fromhex(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
