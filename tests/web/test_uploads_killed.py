"""`python -m webui` is killed in the middle of uploads, again and again: what the data server acknowledged is there,
the client goes on, and nothing is lost or doubled.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from blueno import names
from blueno.db import people
from blueno.db.config import DatabaseConfig
from tests.fakes.access import AccessServer, Rule
from tests.fakes.working_set_server import WorkingServer, a_bundle
from tests.ports import free_port
from tests.web.mirrored import Mirrored
from tests.web.site import eventually
from tests.web.test_process import TOP, Program, environment, kube_config
from webui.auth import new_token
from webui.config import WebConfig
from webui.keys import token_sum

ONE = "/api/v1/datasets/lab/digits"
EDITORS = "blueno:editor"
SEED = random.randrange(2**32)
# The process with its data servers at one address: what a cluster's DNS does.
PROGRAM = """
import os, runpy
from webui import dataservers
dataservers.Addresses.dataset = lambda self, row: os.environ["DATA_SERVER"]
runpy.run_module("webui", run_name="__main__")
"""

pytestmark = pytest.mark.timeout(600)  # the web process starts anew for each chunk


class Web:
    """The web process on one port, started anew when it was killed."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self.program: Program | None = None
        self._reader: asyncio.Task[None] | None = None
        self.url = f"http://127.0.0.1:{env['BLUENO_HTTP_PORT']}"

    async def start(self) -> None:
        import sys

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM), env=self._env, cwd="/", stdout=-1, stderr=asyncio.subprocess.STDOUT
        )
        program = self.program = Program(process)
        self._reader = asyncio.create_task(program.read())
        await eventually(lambda: program.said("serving on port"), 60.0)

    async def kill(self) -> None:
        if self.program is not None and self.program.process.returncode is None:
            self.program.process.kill()
            await self.program.process.wait()
        if self._reader is not None:
            await self._reader


@pytest.fixture
def port() -> int:
    return free_port()


@asynccontextmanager
async def serving(settings: WebConfig, tmp_path: Path, port: int, data: WorkingServer) -> AsyncIterator[Web]:
    access = AccessServer(rules=[Rule(EDITORS), Rule(EDITORS, verbs=("update",))])
    async with access.serving() as cluster:
        (tmp_path / "kubeconfig").write_text(json.dumps(kube_config(cluster._base)))
        env = environment(settings, tmp_path / "kubeconfig")
        web = Web(env | {"BLUENO_HTTP_PORT": str(port), "DATA_SERVER": data.url, "PYTHONPATH": str(TOP)})
        try:
            await web.start()
            yield web
        finally:
            await web.kill()


def a_token(database: DatabaseConfig, connect: Callable[[], Any]) -> str:
    token = new_token()
    connection = connect()
    with connection, connection.cursor() as cursor:
        person = people.insert_person(cursor, "ed@example.org", "x", "editor", ["lab"])
        people.insert_token(cursor, token_sum(token), person.id, "t", None)
    connection.close()
    return token


def parts_of(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


async def test_killed_at_any_chunk(
    settings: WebConfig, database: DatabaseConfig, mirrored: Mirrored, tmp_path: Path, port: int
) -> None:
    """A bundle and a large file, each begun again where the data server says that it is."""
    import psycopg2

    print(f"seed {SEED}")
    dice = random.Random(SEED)
    uid = mirrored.put("lab", "digits")
    token = a_token(database, lambda: psycopg2.connect(database.url_file.read_text().strip()))
    large = dice.randbytes(400_000)
    bundles = [a_bundle(*(({"key": f"{n}-{i}"}, dice.randbytes(999)) for i in range(40))) for n in range(4)]
    async with (
        WorkingServer(uid).serving() as data,
        serving(settings, tmp_path, port, data) as web,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
    ):

        async def ask(method: str, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], bytes] | None:
            """None when the web process ended before it answered."""
            try:
                async with session.request(method, URL(web.url + path), data=body, headers=headers) as answer:
                    return answer.status, dict(answer.headers), await answer.read()
            except aiohttp.ClientError:
                return None

        async def cut(body: bytes, at: int) -> AsyncIterator[bytes]:
            """So much of the body, then the web process is killed."""
            yield body[:at]
            await eventually(lambda: data.received > 0 or at == 0)
            await web.kill()
            yield body[at:]

        async def persist(method: str, path: str, body: bytes, kill_at: int, **headers: str) -> Any:
            """As a client does: again until there is an answer."""
            data.received = 0
            headers |= {"Content-Length": str(len(body))}
            answer = await ask(method, path, cut(body, kill_at), **headers)
            assert answer is None or answer[0] in (200, 204), answer
            await web.start()
            return answer or await ask(method, path, body, **headers)

        for number, body in enumerate(bundles):
            answer = await persist(
                "POST", f"{ONE}/bundles", body, dice.randrange(len(body)), **{"Content-Type": names.BUNDLE_TYPE}
            )
            counts = json.loads(answer[2])
            assert answer[0] == 200
            assert counts["created"] + counts["same"] == 40, counts
            assert len(data.samples) == 40 * (number + 1)
        begun = await ask(
            "POST", f"{ONE}/uploads", json.dumps({"bytes": len(large)}), **{"Content-Type": "application/json"}
        )
        assert begun is not None
        upload, offset = json.loads(begun[2])["id"], 0
        for attempt in itertools.count():
            chunk = large[offset : offset + 150_000]
            if not chunk:
                break
            headers = {names.UPLOAD_OFFSET: str(offset), "Content-Type": "application/octet-stream"}
            if attempt < 2:
                await persist("PATCH", f"{ONE}/uploads/{upload}", chunk, dice.randrange(len(chunk)), **headers)
            else:
                await ask("PATCH", f"{ONE}/uploads/{upload}", chunk, **headers)
            looked = await ask("HEAD", f"{ONE}/uploads/{upload}", None)
            assert looked is not None
            offset = int(looked[1][names.UPLOAD_OFFSET])
            assert bytes(data.uploads[upload]) == large[:offset]
        line = {"key": "large", "upload": upload, "bytes": len(large)}
        answer = await ask("POST", f"{ONE}/bundles", a_bundle((line, b"")), **{"Content-Type": names.BUNDLE_TYPE})
        assert answer is not None
        assert json.loads(answer[2])["created"] == 1
    assert data.samples["large"][1] == large
    assert len(data.samples) == 161
    connection = psycopg2.connect(database.url_file.read_text().strip())
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT outcome, count(*) FROM record.audit WHERE verb = 'upload' GROUP BY 1")
        outcomes = dict(cursor.fetchall())
    connection.close()
    assert outcomes.pop("ok") == 5, "each that was answered"
    assert set(outcomes) <= {"intended", "failed", "unknown"}, "what was cut off says so"
