"""All stand-ins of the web process behind one address, for the examples of docs/client.md: NOT the web process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.fakes.datasets_api import DatasetsApi
from tests.fakes.platform_api import PlatformApi
from tests.fakes.runs_api import RunsApi
from tests.fakes.samples_api import SamplesApi
from tests.fakes.serving import serving

SAMPLES = ("bundles", "uploads", "removals", "working")


@dataclass
class WholeApi:
    """The parts; they know of each other only that data sets that are made here are ready at once."""

    runs: RunsApi
    datasets: DatasetsApi
    samples: SamplesApi
    platform: PlatformApi
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        steps = request.path.strip("/").split("/")
        if steps[:2] != ["api", "v1"]:
            return await self.platform.answer(request)
        if steps[2] == "trainingruns":
            return await self.runs.answer(request)
        if steps[5:6] and steps[5] in SAMPLES:
            return await self.samples.answer(request)
        return await self.datasets.answer(request)


@contextmanager
def running(root: Path) -> Iterator[WholeApi]:
    """Serves it until the block ends."""
    api = WholeApi(RunsApi(), DatasetsApi(), SamplesApi(root), PlatformApi())

    def ready(one: dict[str, object]) -> None:
        one |= {"ready": True, "lastHandledRequest": "2026-01-02T03:04:05.678Z"}

    api.datasets.on_get = ready
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", api.answer)
    with serving(app) as api.url:
        yield api
