"""What runs wrote, through the web process, from the real server of outputs: listed, downloaded, refused, audited."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from blueno import filenames
from blueno.grants import outputs_of, verify
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import PUBLIC
from tests.fakes.outputs_server import CLAIM, NAMESPACE, RUN, serving_outputs
from tests.web.conftest import VIEWERS, StartSite
from tests.web.mirrored import Mirrored
from tests.web.site import Site, eventually
from tests.web.stand_in import DataServerStandIn
from webui import looked

ONE = "/api/v1/trainingruns/lab/train/outputs"
STATUS = {"outputs": {"claimName": CLAIM, "path": RUN}}


@pytest.fixture
def run(mirrored: Mirrored, tmp_path: Path) -> Path:
    """lab/train, which has written something; its directory."""
    mirrored.put_run(status=STATUS)
    folder = tmp_path / "claim" / RUN
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "model.npz").write_bytes(b"weights" * 100)
    (folder / "page.html").write_bytes(b"<script>alert(1)</script>")
    (folder / "plot.png").write_bytes(b"\x89PNG")
    (folder / "checkpoints" / "step-1").write_bytes(b"1")
    (folder / "passwd").symlink_to("/etc/passwd")
    return folder


@pytest.fixture
async def served(site: Site, run: Path) -> AsyncIterator[Site]:
    """A site whose server of outputs is up."""
    async with serving_outputs(run.parent) as server:
        site.data_server_url = server.url
        yield site


def at(what: str, path: str, **more: str) -> str:
    return f"{ONE}{what}?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in {"path": path, **more}.items())


async def test_browse_and_download(served: Site, run: Path) -> None:
    browser = await served.logged_in()
    reply = await browser.get(ONE)
    assert (reply.status, reply.headers["Content-Type"], reply.headers["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    assert [(e["name"], e["kind"], e["bytes"]) for e in reply.json["items"]] == [
        ("checkpoints", "directory", None),
        ("model.npz", "file", 700),
        ("page.html", "file", 25),
        ("passwd", "link", None),
        ("plot.png", "file", 4),
    ]
    assert reply.json["next"] is None
    below = await browser.get(at("", "checkpoints"))
    assert [e["name"] for e in below.json["items"]] == ["step-1"]
    file = await browser.get(at("/raw", "model.npz"))
    assert (file.status, file.raw) == (200, b"weights" * 100)
    part = await browser.get(at("/raw", "model.npz"), headers={"Range": "bytes=690-"})
    assert (part.status, part.raw, part.headers["Content-Range"]) == (206, file.raw[690:], "bytes 690-699/700")
    same = await browser.get(at("/raw", "model.npz"), headers={"If-None-Match": file.headers["ETag"]})
    assert (same.status, same.raw) == (304, b"")
    archive = await browser.get(at("/tar", ""))
    assert archive.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(archive.raw)) as tar:
        found = tar.extractfile(f"{RUN}/checkpoints/step-1")
        assert found is not None
        assert found.read() == b"1"
    audited = served.sql("SELECT verb, resource, name, detail FROM record.audit WHERE verb = 'download' ORDER BY id")
    assert audited[0] == ("download", "trainingruns", "train", {"path": "model.npz", "archive": False})
    assert audited[-1] == ("download", "trainingruns", "train", {"path": "", "archive": True})
    assert len(audited) == 4, "one for each"


async def test_pages(served: Site, run: Path) -> None:
    for number in range(25):
        (run / "checkpoints" / f"f{number:02}").write_bytes(b"x")
    browser = await served.logged_in()
    first = (await browser.get(at("", "checkpoints", limit="20"))).json
    second = (await browser.get(at("", "checkpoints", limit="20", cursor=first["next"]))).json
    assert [e["name"] for e in first["items"] + second["items"]] == [*(f"f{n:02}" for n in range(25)), "step-1"]
    assert second["next"] is None


async def test_nothing_is_ever_shown_as_a_page(served: Site) -> None:
    browser = await served.logged_in()
    for name, media in {"page.html": "application/octet-stream", "plot.png": "image/png"}.items():
        reply = await browser.get(at("/raw", name))
        assert reply.headers["Content-Type"] == media
        assert reply.headers["Content-Disposition"].startswith("attachment")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].startswith("sandbox")


async def test_hostile_names_come_through(served: Site, run: Path) -> None:
    names = [b"a\nb", b"\xff", b"x" * 255, b"a\\b", b"%2e%2e", "größe".encode()]
    for name in names:
        path = os.fsdecode(os.fsencode(run / "checkpoints") + b"/" + name)
        await asyncio.to_thread(Path(path).write_bytes, name)
    browser = await served.logged_in()
    items = (await browser.get(at("", "checkpoints"))).json["items"]
    assert {filenames.meant(entry["name"]) for entry in items} == {*names, b"step-1"}
    for name in names:
        reply = await browser.get(at("/raw", f"checkpoints/{filenames.shown(name)}"))
        assert (reply.status, reply.raw) == (200, name)


REFUSED = {
    "/raw?path=passwd": (409, "output_is_a_link"),
    "/raw?path=no": (404, "output_not_found"),
    "/raw?path=checkpoints": (409, "not_a_file"),
    "/raw?path=": (409, "not_a_file"),
    "?path=model.npz": (409, "not_a_directory"),
    "?path=..": (422, "invalid"),
    "?path=a//b": (422, "invalid"),
    "?path=%5C": (422, "invalid"),
    "?limit=1001": (422, "invalid"),
    "?cursor=%5C": (422, "bad_parameter"),
    "/tar?path=model.npz": (409, "not_a_directory"),
    "/raw?path=model.npz&x=1": (422, "invalid"),
}


async def test_refusals(served: Site) -> None:
    browser = await served.logged_in()
    for path, expected in REFUSED.items():
        reply = await browser.get(ONE + path)
        assert (reply.status, reply.code) == expected, path
        assert b"root:" not in reply.raw
    assert (
        await browser.get(at("/raw", "model.npz"), headers={"Range": "bytes=9999-"})
    ).code == "range_not_satisfiable"


async def test_who_may_see_a_run_may_see_what_it_wrote(served: Site, access: AccessServer) -> None:
    assert (await served.browser().get(ONE)).status == 401
    stranger = await served.logged_in("eve@example.org", "viewer", "other")
    for what in ("", "/raw?path=model.npz", "/tar"):
        assert (await stranger.get(ONE + what)).code == "not_found"
    access.rules[:] = [Rule(VIEWERS, resources=("datasets",))]
    browser = await served.logged_in("bob@example.org")
    assert (await browser.get(ONE)).status == 404


async def test_the_grant_is_for_this_run_alone(site: Site, run: Path, data_server: DataServerStandIn) -> None:
    browser = await site.logged_in()
    await browser.get(at("/raw", "a b/c"), headers={"Range": "bytes=1-", "If-Range": '"x"', "Cookie": "a=b"})
    ((path, sent),) = data_server.asked
    assert path.startswith(f"/v1/outputs/{RUN}/file?path=a")
    assert (sent["Range"], sent["If-Range"]) == ("bytes=1-", '"x"')
    grant = sent["Authorization"].removeprefix("Bearer ")
    found = verify(grant, PUBLIC, outputs_of(NAMESPACE, CLAIM, RUN), "read", time.time())
    assert (found.issuer, found.subject, found.actions) == ("web", "ada@example.org", ("read",))


async def test_a_run_that_has_not_begun(site: Site, mirrored: Mirrored) -> None:
    mirrored.put_run()
    browser = await site.logged_in()
    for what in ("", "/raw?path=a", "/tar"):
        assert (await browser.get(ONE + what)).code == "no_outputs"
    for outputs in ({"claimName": "a/b", "path": "x"}, {"claimName": "a", "path": ""}, {"claimName": "a"}):
        mirrored.put_run(status={"outputs": outputs})
        assert (await browser.get(ONE)).code == "no_outputs"


async def test_a_deleted_run_keeps_its_outputs(served: Site, mirrored: Mirrored) -> None:
    mirrored.remove_run()
    reply = await (await served.logged_in()).get(at("/raw", "model.npz"))
    assert reply.status == 200
    assert "Blueno-Deleted-At" in reply.headers


@asynccontextmanager
async def operator(heard: list[Any], said: dict[str, str]) -> AsyncIterator[str]:
    """The report endpoint; answers `said["message"]` about every claim."""

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        heard.append(body)
        return web.json_response({"claims": [{**claim, **said} for claim in body.get("claims", ())]})

    app = web.Application()
    app.add_routes([web.post("/v1/looked", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_while_the_server_starts_and_why_it_does_not(
    start_site: StartSite, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    said = {"message": ""}
    (tmp_path / "token").write_text("t")
    async with operator(heard, said) as url:
        site = await start_site(report_url=url, token_file=tmp_path / "token")
        browser = await site.logged_in()
        first = await browser.get(ONE)
        assert (first.status, first.code, first.headers["Retry-After"]) == (503, "data_server_starting", "1")
        await eventually(lambda: heard)
        assert heard == [{"datasets": [], "claims": [{"namespace": "lab", "name": CLAIM}]}]
        assert (await browser.get(at("/raw", "model.npz"))).code == "data_server_starting"
        assert len(heard) == 1, "told seldom"
        monkeypatch.setattr(looked, "EVERY", 0.05)
        said["message"] = "claim blueno-outputs has no volume yet: nothing was written to it"

        async def unavailable() -> bool:
            return (await browser.get(ONE)).code == "outputs_unavailable"

        await eventually(unavailable)
        reply = await browser.get(ONE)
        if reply.code == "outputs_unavailable":
            assert (reply.status, reply.json["detail"]) == (409, said["message"])
        said["message"] = ""

        async def starting() -> bool:
            return (await browser.get(ONE)).code == "data_server_starting"

        await eventually(starting)
        assert [line for line in site.audit() if line[1] == "download"] == []


async def test_an_operator_that_answers_nonsense(start_site: StartSite, run: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    for said in ({}, {"message": 7}, {"message": "x" * 9000}):
        async with operator([], said) as url:
            site = await start_site(report_url=url, token_file=tmp_path / "token")
            browser = await site.logged_in()
            assert (await browser.get(ONE)).code == "data_server_starting"
            reply = await browser.get(ONE)
            assert reply.code in ("data_server_starting", "outputs_unavailable")
            assert len(reply.raw) < 2000
