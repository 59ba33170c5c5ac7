"""Data servers and recorders in processes of their own, to be killed. Used by recording.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress

from blueno.recorder.config import RecorderConfig
from tests.fakes.data_server import PUBLIC
from tests.fakes.preparation import TOP, Place, environment
from tests.ports import free_port


class Served:
    """A data server in a process of its own, to be killed and started again on the same port."""

    SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from blueno.dataserver.__main__ import serve
from blueno.dataserver.config import ServerConfig
from blueno.memory import give_back_early
mount, root, uid, keys, port = sys.argv[1:]
give_back_early()
asyncio.run(serve(ServerConfig(Path(mount), Path(root), uid, json.loads(keys)), int(port)))
"""

    def __init__(self, place: Place, uid: str) -> None:
        self.port = free_port()
        self._place, self._uid = place, uid
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [str(self._place.volume), str(self._place.root), self._uid, json.dumps(PUBLIC), str(self.port)]
        self._process = subprocess.Popen([sys.executable, "-c", self.SCRIPT, *arguments], cwd=TOP, env=environment())

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
        self._process = None

    def answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
            return True
        return False


RECORDER = """
import asyncio, json, sys
from pathlib import Path
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.recorder.__main__ import serve
from blueno.memory import give_back_early
from blueno.recorder.config import RecorderConfig
ports, report_url, url_file, key, token, path = sys.argv[1:]
ports = json.loads(ports)
give_back_early()
asyncio.run(serve(RecorderConfig(
    database=DatabaseConfig(Path(url_file)), report_url=report_url, grant_key_file=Path(key), token_file=Path(token),
    http_port=0, data_server_url=lambda namespace, name, uid: f"http://127.0.0.1:{ports[uid]}{path}",
    poll_seconds=0.5, pause_seconds=0.05, ready_seconds=20.0,
)))
"""


def start_recorder(config: RecorderConfig, ports: dict[str, int], path: str = "") -> subprocess.Popen[bytes]:
    """`ports`: uid → where its data server listens, below `path`."""
    files = [config.database.url_file, config.grant_key_file, config.token_file]
    arguments = [json.dumps(ports), config.report_url, *(os.fspath(file) for file in files), path]
    return subprocess.Popen([sys.executable, "-c", RECORDER, *arguments], cwd=TOP, env=environment())
