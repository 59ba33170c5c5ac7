"""`python -m webui` as it runs in its pod: settings from the environment, lines of JSON, an end in order, and its
memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.access import AccessServer
from tests.web.events import listening
from tests.web.prepared import Prepared
from tests.web.site import PASSWORD, Browser, eventually
from webui.config import WebConfig

TOP = Path(__file__).parents[2]
MEMORY_MB = 120
CODE = re.compile(r"enter the code (\S+)")


@dataclass
class Program:
    """The running process and what it printed."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.raw.append(line.decode())
            self.lines.append(json.loads(line))

    def said(self, pattern: str) -> re.Match[str] | None:
        found = (re.search(pattern, str(line["message"])) for line in self.lines)
        return next((match for match in found if match), None)

    def anonymous_memory(self) -> float:
        """RssAnon in MiB: what a limit counts."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"RssAnon:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024


def environment(settings: WebConfig, kubeconfig: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TOP),
        "KUBECONFIG": str(kubeconfig),
        "BLUENO_DATABASE_URL_FILE": str(settings.database.url_file),
        "BLUENO_KEYS_DIR": str(settings.keys),
        "BLUENO_STATIC_DIR": str(settings.static),
        "BLUENO_HTTP_PORT": "0",
        "BLUENO_METRICS_PORT": "0",
    }


async def run(env: dict[str, str]) -> Program:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webui"), env=env, cwd="/", stdout=-1, stderr=asyncio.subprocess.STDOUT
    )
    return Program(process)


@pytest.fixture
async def program(settings: WebConfig, access: AccessServer, tmp_path: Path) -> AsyncIterator[Program]:
    """The process, serving."""
    async with access.serving() as cluster:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(kube_config(cluster._base)))
        started = await run(environment(settings, kubeconfig))
        reader = asyncio.create_task(started.read())
        try:
            await eventually(lambda: started.said("serving on port"), 30.0)
            yield started
        finally:
            if started.process.returncode is None:
                started.process.kill()
            await started.process.wait()
            await reader


def kube_config(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


async def test_from_start_to_end(program: Program, prepared: Prepared) -> None:
    ports = program.said(r"serving on port (\d+), metrics on port (\d+)")
    assert ports
    url, metrics_url = f"http://127.0.0.1:{ports[1]}", f"http://127.0.0.1:{ports[2]}"
    code = await eventually(lambda: program.said(CODE.pattern))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        browser = Browser(url, session)
        first = {"code": code[1], "email": "root@example.org", "password": PASSWORD}
        assert (await browser.post("/api/v1/setup", first)).status == 201
        assert len((await browser.get("/api/v1/datasets")).json["items"]) == 1
        for _ in range(20):  # scrypt takes 32 MiB each time
            assert (await browser.log_in("root@example.org")).status == 200
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(listening(browser)) for _ in range(20)]
            for events in streams:
                await events.next("health")
            for _ in range(10):
                asked = [browser.get("/api/v1/datasets/lab/digits/samples?limit=200") for _ in range(20)]
                assert {reply.status for reply in await asyncio.gather(*asked)} == {200}
            assert program.anonymous_memory() <= MEMORY_MB
            async with session.get(f"{metrics_url}/metrics") as answer:
                text = await answer.text()
            assert "blueno_web_streams 20.0" in text
            assert 'blueno_web_requests_total{route="/api/v1/login",status="200"} 20.0' in text
            async with session.get(f"{metrics_url}/api/v1/session") as answer:
                assert answer.status == 404
            program.process.send_signal(signal.SIGTERM)
            for events in streams:
                assert await events.ended()
        assert await asyncio.wait_for(program.process.wait(), 20) == 0
    printed = "".join(program.raw)
    assert all(set(line) >= {"time", "level", "logger", "message"} for line in program.lines)
    for secret in (PASSWORD, "not-a-secret-of-anybody"):
        assert secret not in printed
    assert "Traceback" not in printed


@pytest.mark.timeout(600)  # one process after the other
async def test_what_is_missing_is_said(settings: WebConfig, tmp_path: Path) -> None:
    good = environment(settings, tmp_path / "none")
    for changes, said in (
        ({"BLUENO_DATABASE_URL_FILE": ""}, "BLUENO_DATABASE_URL_FILE"),
        ({"BLUENO_KEYS_DIR": ""}, "BLUENO_KEYS_DIR"),
        ({"BLUENO_HTTP_PORT": "eighty"}, "BLUENO_HTTP_PORT"),
        ({"BLUENO_PUBLIC_URL": "ftp://x"}, "BLUENO_PUBLIC_URL"),
        ({"BLUENO_DATABASE_POOL": "0"}, "BLUENO_DATABASE_POOL"),
        ({}, "kube"),
    ):
        program = await run(good | changes)
        await program.read()
        assert await program.process.wait() == 1, changes
        assert said.lower() in program.lines[-1]["message"].lower()
        assert "traceback" not in program.lines[-1]


async def test_a_missing_key_is_said(settings: WebConfig, access: AccessServer, tmp_path: Path) -> None:
    async with access.serving() as cluster:
        (tmp_path / "kubeconfig").write_text(json.dumps(kube_config(cluster._base)))
        for name, value in (("cursor.key", b"short"), ("web.key", None)):
            path = settings.keys / name
            path.write_bytes(value) if value is not None else path.unlink()
            program = await run(environment(settings, tmp_path / "kubeconfig"))
            await program.read()
            assert await program.process.wait() == 1
            assert name in program.lines[-1]["message"]
