"""The working set of a data set: pages, facets, what is not sealed, pictures, and who may see them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.db.working_lines import fold
from blueno.db.working_write import Whose, apply_part
from tests.db.working_model import Model, etag_of
from tests.fakes.access import AccessServer, Rule
from tests.web.conftest import VIEWERS
from tests.web.mirrored import Mirrored, uid_of
from tests.web.prepared import Prepared
from tests.web.site import Browser, Reply, Site, eventually
from tests.web.stand_in import DataServerStandIn
from webui.problems import Problem
from webui.working_news import noted

ONE = "/api/v1/datasets/lab/digits"
OF = Whose(uid_of("lab", "digits"), "lab")


async def ask(browser: Browser, what: str, **query: Any) -> Reply:
    return await browser.get(f"{ONE}/{what}?{urlencode(query, quote_via=quote)}")


def store(config: DatabaseConfig, model: Model, after: int = 0) -> None:
    """As the recorder does."""
    connection = connect(config, application="recorder")
    try:
        apply_part(connection, OF, after, fold(model.feed(after)), model.seq)
    finally:
        connection.close()


@pytest.fixture
def model(database: DatabaseConfig, mirrored: Mirrored) -> Model:
    """lab/digits has been given 300 samples, and none is sealed."""
    mirrored.put(reason="AcceptingUploads", ready=True, status={"working": {"accepts": True}})
    made = Model(1)
    for _ in range(500):
        made.step()
    store(database, made)
    return made


async def test_every_page_is_there_in_the_order_of_keys(site: Site, model: Model) -> None:
    browser = await site.logged_in()
    rows, query, positions = [], {"limit": 40}, []
    while True:
        reply = await ask(browser, "working", **query)
        assert reply.status == 200, reply
        rows += reply.json["samples"]
        positions.append(reply.json["position"])
        assert (reply.json["total"], reply.json["revision"]) == (len(model.samples), model.seq)
        if reply.json["next"] is None:
            break
        query = {"limit": 40, "cursor": reply.json["next"]}
    assert [row["key"] for row in rows] == model.matching()
    assert positions == list(range(0, len(rows), 40))
    for row in rows:
        body = model.samples[row["key"]]
        for name in ("seq", "bytes", "sha256", "by"):
            assert row[name] == body[name]
        for name in ("split", "group", "metadata"):
            assert row[name] == body.get(name)
        assert row["etag"] == etag_of(body)
        assert row["time"] in ("2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.000Z")
    jump = (await ask(browser, "working", position=100, limit=3)).json
    assert [row["key"] for row in jump["samples"]] == model.matching()[100:103]
    past = (await ask(browser, "working", position=10**9)).json
    assert (past["samples"], past["next"], past["total"]) == ([], None, len(rows))


async def test_filters_and_facets_agree(site: Site, model: Model) -> None:
    browser = await site.logged_in()
    for wanted in (
        *({"split": "train"}, {"label": '"cat"'}, {"label": "null"}, {"prefix": "train/c1/"}, {"prefix": "deep/"}),
        *({"split": "test", "label": "7", "prefix": "train/"}, {"after": 400}, {"after": 400, "split": "train"}),
        *({"label": "not json"}, {"prefix": "%"}, {"split": "x' OR 1=1 --"}, {"prefix": "\U0001f600"}),
    ):
        expected = model.matching(**wanted)
        page = (await ask(browser, "working", limit=200, **wanted)).json
        assert ([row["key"] for row in page["samples"]], page["total"]) == (expected[:200], len(expected)), wanted
        facets = await ask(browser, "working/facets", **wanted)
        assert facets.json["total"] == len(expected), wanted
    searched = (await ask(browser, "working/facets", labelText="CA")).json["labels"]
    assert [one["text"] for one in searched] == ["cat"]


async def test_a_sample_by_the_line_that_wrote_it(site: Site, model: Model) -> None:
    browser = await site.logged_in()
    row = (await ask(browser, "working", limit=1)).json["samples"][0]
    assert (await ask(browser, f"working/samples/{row['seq']}")).json == row
    for number in (0, 10**9, 2**70, "x"):
        assert (await ask(browser, f"working/samples/{number}")).status == 404


async def test_bad_questions(site: Site, model: Model) -> None:
    browser, other = await site.logged_in(), await site.logged_in("eve@example.org")
    for query, status in (
        *(({"limit": 0}, 422), ({"limit": 201}, 422), ({"position": -1}, 422), ({"position": 2**70}, 422)),
        *(({"prefix": "x" * 1025}, 422), ({"prefix": "\0"}, 422), ({"split": ""}, 422), ({"offset": 1}, 422)),
        *(({"after": -1}, 422), ({"after": "x"}, 422), ({"cursor": "AAAA"}, 400)),
        *(({"cursor": "AAAA", "position": 1}, 422), ({"label": "x" * 4097}, 422)),
    ):
        assert (await ask(browser, "working", **query)).status == status, query
    cursor = (await ask(browser, "working", limit=5, split="train")).json["next"]
    assert (await ask(browser, "working", split="train", cursor=cursor)).status == 200
    for who, query in ((browser, {"split": "test"}), (browser, {}), (other, {"split": "train"})):
        assert (await ask(who, "working", cursor=cursor, **query)).code == "bad_cursor"


async def test_versions_say_what_is_not_sealed(
    site: Site, prepared: Prepared, database: DatabaseConfig, mirrored: Mirrored
) -> None:
    browser = await site.logged_in()
    nothing = {"accepts": False, "samples": 0, "bytes": 0, "revision": 0, "sealedRevision": 0, "notSealed": 0}
    assert (await ask(browser, "versions")).json["working"] == nothing
    model = Model(2)
    for number in range(5):
        model.put(f"k{number}")
    store(database, model)
    found = (await ask(browser, "versions")).json["working"]
    assert (found["samples"], found["notSealed"], found["revision"], found["sealedRevision"]) == (5, 5, 5, 0)
    site.sql(
        "UPDATE projection.version SET manifest = jsonb_set(manifest, '{source,working}', '{\"revision\": 5}', true)"
    )
    model.put("k1", label="changed")
    model.put("new")
    model.remove("k4")
    store(database, model, 5)
    found = (await ask(browser, "versions")).json["working"]
    assert (found["samples"], found["notSealed"], found["revision"], found["sealedRevision"]) == (5, 2, 8, 5)
    page = (await ask(browser, "working", after=5)).json
    assert [row["key"] for row in page["samples"]] == ["k1", "new"]
    status = {"working": {"accepts": True}, "version": {"workingRevision": 7}}
    mirrored.put(status=status, version_digest=prepared.digest, version_sequence=1)
    found = (await ask(browser, "versions")).json["working"]
    assert (found["accepts"], found["notSealed"], found["sealedRevision"]) == (True, 0, 7), "a version found again"
    for odd in ("x", None, -3, 10**30, [7]):
        status["version"] = {"workingRevision": odd}
        mirrored.put(status=status, version_digest=prepared.digest, version_sequence=1)
        expected = 9 * 10**18 if odd == 10**30 else 5
        assert (await ask(browser, "versions")).json["working"]["sealedRevision"] == expected, odd


async def test_a_data_set_that_was_given_nothing(site: Site, mirrored: Mirrored) -> None:
    mirrored.put()
    browser = await site.logged_in()
    nothing = {"samples": [], "total": 0, "position": 0, "next": None, "revision": 0}
    assert (await ask(browser, "working")).json == nothing
    assert (await ask(browser, "working/facets")).json["total"] == 0
    assert (await browser.get("/api/v1/datasets/lab/no-such/working")).status == 404


PICTURES = ("image?key=a%2Fb&sha256=0123456789abcdef", "sheet?seqs=3,1,2", "montage?key=a&sha256=0123456789abcdef")


async def test_what_the_data_server_is_asked(site: Site, model: Model, data_server: DataServerStandIn) -> None:
    browser = await site.logged_in()
    for path in PICTURES:
        reply = await browser.get(f"{ONE}/working/{path}")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/png"), path
        assert "immutable" in reply.headers["Cache-Control"]
    assert [path for path, _ in data_server.asked] == [
        "/v1/working/image?key=a/b&sha256=0123456789abcdef",
        "/v1/working/sheet?seqs=3,1,2&cell=96&columns=10",
        "/v1/working/montage?key=a&sha256=0123456789abcdef&count=16",
    ]
    original = await browser.get(f"{ONE}/working/raw?key=a%2Fb&sha256={'0' * 64}")
    assert original.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in original.headers["Content-Security-Policy"]
    detail = site.sql("SELECT outcome, detail FROM record.audit WHERE verb = 'download'")
    assert detail == [("ok", {"key": "a/b", "sha256": "0" * 64})]


async def test_bad_questions_about_pictures(site: Site, model: Model, data_server: DataServerStandIn) -> None:
    browser = await site.logged_in()
    for path in (
        *("image", "image?key=a", "image?sha256=0123456789abcdef", "image?key=a&sha256=xyz", "sheet", "sheet?seqs=1-9"),
        *(
            "sheet?seqs=" + ",".join("1" * 201),
            "sheet?seqs=a",
            "sheet?seqs=1&low=3",
            "image?key=&sha256=0123456789abcdef",
        ),
        *("raw?key=a%00&sha256=0123456789abcdef", "raw?key=a&sha256=0123456789ABCDEF", "about?seqs=1"),
    ):
        assert (await browser.get(f"{ONE}/working/{path}")).status == 422, path
    assert data_server.asked == []


async def test_who_may_see_it(site: Site, model: Model, access: AccessServer) -> None:
    access.rules[:] = [Rule(VIEWERS, resources=("datasets",))]
    browser = await site.logged_in()
    assert (await ask(browser, "working")).status == 200
    for path in (*PICTURES, "raw?key=a&sha256=0123456789abcdef", "about?key=a&sha256=0123456789abcdef"):
        assert (await browser.get(f"{ONE}/working/{path}")).status == 404, path
    access.rules[:] = []
    stranger = await site.logged_in("eve@example.org")
    for path in ("working", "working/facets", "working/samples/1", "versions"):
        assert (await stranger.get(f"{ONE}/{path}")).status == 404, path
    assert (await site.browser().get(f"{ONE}/working")).status == 401


async def test_a_write_is_noted_before_and_after(site: Site, mirrored: Mirrored) -> None:
    database, uid = site.process.services.database, uid_of("lab", "digits")
    notice = "SELECT number, open FROM projection.working_notice"
    with site.connection() as listener, listener.cursor() as cursor:
        cursor.execute("LISTEN blueno_working")
        listener.commit()
        async with noted(database, uid):
            assert site.sql(notice) == [(0, 1)]
            async with noted(database, uid):
                assert site.sql(notice) == [(0, 2)]
        assert site.sql(notice) == [(2, 0)]
        with pytest.raises(ConnectionError):
            async with noted(database, uid):
                raise ConnectionError
        assert site.sql(notice) == [(3, 0)], "a write that broke off may have been stored all the same"
        await eventually(lambda: listener.poll() or len(listener.notifies) >= 3)
        assert [note.payload for note in listener.notifies] == [uid] * 3


async def test_without_a_note_nothing_is_written(site: Site, mirrored: Mirrored) -> None:
    site.sql("ALTER TABLE projection.working_notice RENAME TO elsewhere")
    ran = False
    with pytest.raises(Problem) as caught:
        async with noted(site.process.services.database, uid_of("lab", "digits")):
            ran = True
    assert (caught.value.status, ran) == (503, False)
    site.sql("ALTER TABLE projection.elsewhere RENAME TO working_notice")
    async with noted(site.process.services.database, uid_of("lab", "digits")):
        site.sql("ALTER TABLE projection.working_notice RENAME TO elsewhere")
    assert site.sql("SELECT number, open FROM projection.elsewhere") == [(0, 1)], "the recorder finds what was begun"
