"""The front end's files: what is kept for ever, what is asked again, and that nothing else can be had."""

from __future__ import annotations

from pathlib import Path

from tests.web.conftest import StartSite
from tests.web.site import Site


async def test_files(site: Site) -> None:
    browser = site.browser()
    script = await browser.get("/assets/index-abc123.js", headers={"Accept-Encoding": "identity"})
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Content-Encoding" not in script.headers
    squeezed = await browser.get("/assets/index-abc123.js", headers={"Accept-Encoding": "gzip"})
    assert (squeezed.headers["Content-Encoding"], squeezed.raw) == ("gzip", script.raw)
    again = await browser.get("/assets/index-abc123.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (again.status, again.raw) == (304, b"")
    picture = await browser.get("/favicon.svg")
    assert (picture.headers["Content-Type"], picture.headers["Cache-Control"]) == ("image/svg+xml", "no-cache")


async def test_every_other_path_is_the_page(site: Site) -> None:
    browser = site.browser()
    for path in ("/", "/index.html", "/setup", "/datasets/lab/digits?split=train", "/metrics", "/apis", "/%C3%A4"):
        reply = await browser.get(path)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), path
        assert b"<title>pages</title>" in reply.raw
        assert reply.headers["Cache-Control"] == "no-cache"
    for path in (
        "/assets/none.js",
        "/assets",
        "/assets/",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/datasets",
        "/healthz/x",
    ):
        reply = await browser.get(path)
        assert (reply.status, reply.code) == (404, "not_found"), path
    assert (await browser.post("/", {})).status == 405


async def test_links_lead_nowhere(start_site: StartSite, static_folder: Path, tmp_path: Path) -> None:
    (static_folder / "assets" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (static_folder / "folder").symlink_to(tmp_path)
    browser = (await start_site()).browser()
    assert (await browser.get("/assets/link.txt")).status == 404
    assert b"not for the web" not in (await browser.get("/folder/secret.txt")).raw


async def test_a_new_build_is_served(site: Site, static_folder: Path) -> None:
    browser = site.browser()
    assert b"pages" in (await browser.get("/")).raw
    (static_folder / "assets" / "index-def456.js").write_text("new")
    (static_folder / "index.html").write_text("<title>new pages</title>")
    await browser.get("/")
    assert b"new pages" in (await browser.get("/")).raw
    assert (await browser.get("/assets/index-def456.js")).raw == b"new"


async def test_without_a_front_end(start_site: StartSite, tmp_path: Path) -> None:
    browser = (await start_site(static=tmp_path / "nothing")).browser()
    reply = await browser.get("/")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"not built" in reply.raw
    assert (await browser.get("/assets/x.js")).status == 404
