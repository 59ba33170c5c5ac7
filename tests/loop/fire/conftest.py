"""The loop tests' world with a fault proxy between the operators and the API server, and quick starts of operators.

An operator is a process of its own as in tests/loop/conftest.py, but forked from one that has already imported what
operators import: to start one costs a tenth, and a test may kill one after each of its calls.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import pytest

from blueno import names
from tests.fakes.api_server import ApiServer
from tests.loop.conftest import KUBECONFIG, Operator, World
from tests.loop.fire import operator_process
from tests.loop.fire.prep_controller import PrepController
from tests.ports import free_port
from tests.proxies.api import ApiProxy, Upstream

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([operator_process.__name__])


class Forked:
    """As much of asyncio's Process as Operator uses."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.returncode is None and self.pid is not None:
            os.kill(self.pid, number)

    async def wait(self) -> int | None:
        await asyncio.to_thread(self._process.join)
        return self.returncode


@dataclass
class UnderFire(World):
    """A fake cluster, a proxy before it, and the operators that see the cluster through the proxy."""

    proxy: ApiProxy = field(default_factory=lambda: ApiProxy(Upstream("")))
    forks: list[Forked] = field(default_factory=list)

    async def start(self, identity: str = "operator-0", **env: str) -> Operator:
        http, report = free_port(), free_port()
        settings = {
            "BLUENO_IDENTITY": identity,
            "BLUENO_HTTP_PORT": str(http),
            "BLUENO_REPORT_PORT": str(report),
            "BLUENO_REPORT_URL": f"https://localhost:{report}",
            "BLUENO_SWEEP_SECONDS": "1",
            "BLUENO_WORKERS": "4",
        }
        process, log = self.fork(settings | env)
        operator = Operator(cast(Any, process), log, http, report)
        self.operators.append(operator)
        return operator

    def fork(self, settings: dict[str, str], *script: str) -> tuple[Forked, Path]:
        """A process that runs kopf with our operator or another script, and its log."""
        config, log = self.folder / "kubeconfig", self.folder / f"operator-{len(self.forks)}.log"
        config.write_text(KUBECONFIG % self.proxy.url)
        log.touch()  # a test may read it before the process writes
        settings = {"HOME": str(self.folder), "KUBECONFIG": str(config), **settings}
        process = _FORKS.Process(target=operator_process.run, args=(settings, str(log), *script), daemon=True)
        process.start()
        self.forks.append(Forked(process))
        return self.forks[-1], log

    async def until(self, true: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """As the world's, with more patience: faults make everything slow."""
        return await super().until(true, what, seconds)

    async def killed_at(self, operator: Operator) -> None:
        """Wait until a fault has killed it."""
        await self.until(lambda: operator.process.returncode is not None, "the operator is killed")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[UnderFire]:
    """As tests/loop/conftest.py's, under fire. At the end every fault must have fired."""
    async with ApiServer().serving() as api, ApiProxy(Upstream(api.url)).serving() as proxy:
        api.put({"kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default"}})
        api.put({"kind": "Secret", "metadata": {"name": names.KEYS_SECRET, "namespace": names.SYSTEM_NAMESPACE}})
        world = UnderFire(api, tmp_path, proxy=proxy)
        yield world
        for process in world.forks:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
async def prep(world: UnderFire) -> AsyncIterator[PrepController]:
    """Claims are bound, preparation and erase Jobs are played."""
    async with PrepController(world.api).playing() as controller:
        yield controller
