"""Samples in the fake cluster, as tests of this folder make them and read them; their pods and data server are real."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from blueno import names
from tests.fakes.ingest_pods import IngestPods
from tests.fakes.working_server import WorkingServer, working_server
from tests.loop.conftest import Operator, World
from tests.ports import free_port

SAMPLE = names.SAMPLE_KIND
WANTED = ("Available", "PartlyAvailable")


@dataclass
class Lab:
    """A world with Dataset mnist, whose working set is in `server`."""

    world: World
    pods: IngestPods
    server: WorkingServer
    env: dict[str, str]

    async def operate(self) -> Operator:
        """Start an operator; pods find each under the same address."""
        return await self.world.at_work(**self.env)

    def picture(self, name: str, shade: int = 7) -> str:
        """A PNG on the volume; its URI."""
        (self.pods.folder / "volume" / name).write_bytes(png(shade))
        return f"file:///{name}"

    def add(self, name: str, **spec: Any) -> dict[str, Any]:
        """`kubectl apply` of a Sample."""
        return self.world.api.put(a_sample_manifest(name, **spec))

    def said(self, name: str, kind: str = "Ready") -> tuple[str, str]:
        """Status and reason of a Sample's condition."""
        found = (c for c in self.status(name).get("conditions", ()) if c["type"] == kind)
        return next(((c["status"], c["reason"]) for c in found), ("", ""))

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.world.api.read(SAMPLE, name)["status"]
        return found

    async def until_said(self, name: str, reason: str, seconds: float = 30) -> None:
        def there() -> bool:
            return self.said(name)[1] == reason and self.is_current(name)

        await self.world.until(there, f"{name} is {reason}, not {self.said(name)}", seconds)

    def is_current(self, name: str) -> bool:
        """Whether status is about the newest spec."""
        body = self.world.api.read(SAMPLE, name)
        return bool(body["status"].get("observedGeneration") == body["metadata"]["generation"])

    async def until_gone(self, *wanted: str, seconds: float = 30) -> None:
        def gone() -> bool:
            return not any((SAMPLE, "lab", name) in self.world.api.objects for name in wanted)

        await self.world.until(gone, f"{wanted[0]} is gone", seconds)

    def writes(self) -> list[str]:
        """Writes for Samples and their Jobs, as "POST jobs" and "PATCH samples/a/status"."""
        mine = [
            s
            for s in self.world.api.writes()
            if "/samples" in s.path or ("/jobs" in s.path and "ingest" in str(s.body))
        ]
        return [f"{seen.verb} {seen.path.partition('/lab/')[2]} {seen.status}" for seen in mine]


@asynccontextmanager
async def a_lab(world: World, **env: str) -> AsyncIterator[Lab]:
    """An operator at work, a Dataset that is Ready, its data server, and whatever makes pods."""
    with working_server() as server:
        pods = IngestPods(world.api, world.folder, server.url)
        async with pods.playing():
            port = str(free_port())
            fixed = {"BLUENO_REPORT_PORT": port, "BLUENO_REPORT_URL": f"https://localhost:{port}"}
            lab = Lab(world, pods, server, {**fixed, **env})
            await lab.operate()
            await world.ready()
            secret = world.api.read("Secret", names.KEYS_SECRET, names.SYSTEM_NAMESPACE)["data"]
            server.keys = {"operator": b64decode(secret["operator.pub"]).decode()}
            server.dataset = world.api.read("Dataset", "mnist")["metadata"]["uid"]
            yield lab


def a_sample_manifest(name: str, dataset: str = "mnist", **spec: Any) -> dict[str, Any]:
    """What a user applies."""
    return {
        "kind": SAMPLE,
        "metadata": {"name": name, "namespace": "lab"},
        "spec": {"datasetRef": {"name": dataset}, **spec},
    }


def png(shade: int, size: int = 8) -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), (shade % 256, shade // 256 % 256, 9)).save(out, "PNG")
    return out.getvalue()
