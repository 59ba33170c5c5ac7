"""The operator is told what is looked at: at once, seldom, and without harm when it does not listen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.web.conftest import StartSite
from tests.web.prepared import Prepared
from tests.web.site import Site, eventually
from webui import looked

ONE = "/api/v1/datasets/lab/digits"


@dataclass
class ReportEndpoint:
    """The operator's, as far as the web process knows it."""

    status: int = 204
    heard: list[tuple[str, Any]] = field(default_factory=list)  # (Authorization, body)
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ReportEndpoint]:
        app = web.Application()
        app.add_routes([web.post("/v1/looked", self._answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.heard.append((request.headers["Authorization"], await request.json()))
        return web.Response(status=self.status)


@pytest.fixture
async def report() -> AsyncIterator[ReportEndpoint]:
    async with ReportEndpoint().serving() as endpoint:
        yield endpoint


@pytest.fixture
async def watched(start_site: StartSite, report: ReportEndpoint, tmp_path: Path) -> Site:
    (tmp_path / "token").write_text("projected-token\n")
    return await start_site(report_url=report.url, token_file=tmp_path / "token")


async def test_first_at_once_then_seldom(
    watched: Site, prepared: Prepared, report: ReportEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked.EVERY == 5
    monkeypatch.setattr(looked, "EVERY", 600.0)  # however slow the machine is
    browser = await watched.logged_in()
    for _ in range(5):
        await browser.get(f"{ONE}/sheet")
        await browser.get(f"{ONE}/samples")
    await eventually(lambda: report.heard)
    assert report.heard == [("Bearer projected-token", {"datasets": [prepared.uid]})]
    monkeypatch.setattr(looked, "EVERY", 0.0)
    await browser.get(f"{ONE}/sheet")
    await eventually(lambda: len(report.heard) == 2)


async def test_only_looking_at_samples_counts(watched: Site, prepared: Prepared, report: ReportEndpoint) -> None:
    browser = await watched.logged_in()
    for path in ("/api/v1/datasets", ONE, f"{ONE}/versions", f"{ONE}/history"):
        await browser.get(path)
    stranger = watched.browser()
    assert (await stranger.get(f"{ONE}/sheet")).status == 401
    await browser.get(f"{ONE}/samples")
    await eventually(lambda: report.heard)
    assert len(report.heard) == 1


async def test_what_could_not_be_told_is_told_later(watched: Site, prepared: Prepared, report: ReportEndpoint) -> None:
    report.status = 503
    browser = await watched.logged_in()
    await browser.get(f"{ONE}/sheet")
    await eventually(lambda: len(report.heard) >= 2)
    report.status = 204
    heard = len(report.heard)
    await eventually(lambda: len(report.heard) > heard)
    assert all(body == {"datasets": [prepared.uid]} for _, body in report.heard)


async def test_an_operator_that_is_away_harms_nobody(start_site: StartSite, prepared: Prepared, tmp_path: Path) -> None:
    site = await start_site(report_url="http://127.0.0.1:9", token_file=tmp_path / "no-token")
    browser = await site.logged_in()
    assert (await browser.get(f"{ONE}/sheet")).code == "data_server_starting"
    assert (await browser.get(f"{ONE}/samples")).status == 200


async def test_many_data_sets_in_notices_of_a_hundred(watched: Site, report: ReportEndpoint) -> None:
    for number in range(250):
        watched.process.services.looked.note(f"uid-{number}")
    await eventually(lambda: sum(len(body["datasets"]) for _, body in report.heard) == 250)
    assert [len(body["datasets"]) for _, body in report.heard] == [100, 100, 50]


async def test_data_sets_and_claims_in_one_notice(watched: Site, report: ReportEndpoint) -> None:
    looked_at = watched.process.services.looked
    for thing in ("uid-1", ("lab", "blueno-outputs"), "uid-1", ("lab", "blueno-outputs")):
        looked_at.note(thing)
    await eventually(lambda: report.heard)
    claims = [{"namespace": "lab", "name": "blueno-outputs"}]
    assert [body for _, body in report.heard] == [{"datasets": ["uid-1"], "claims": claims}]
    assert looked_at.said(("lab", "blueno-outputs")) == "", "an operator of before says nothing"
