"""Samples of a prepared data set: versions, pages, facets, filters, and how a version may be missing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from tests.web.mirrored import Mirrored
from tests.web.prepared import EVIL, Prepared
from tests.web.site import Browser, Reply, Site

ONE = "/api/v1/datasets/lab/digits"


async def ask(browser: Browser, what: str, **query: Any) -> Reply:
    return await browser.get(f"{ONE}/{what}?{urlencode(query, quote_via=quote)}")


async def rows(browser: Browser, **query: Any) -> dict[str, Any]:
    reply = await ask(browser, "samples", **query)
    assert reply.status == 200, reply
    found: dict[str, Any] = reply.json
    return found


async def test_versions(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    (version,) = (await browser.get(f"{ONE}/versions")).json["items"]
    assert version == {
        "digest": prepared.digest,
        "sequence": 1,
        "sealedAt": version["sealedAt"],
        "samples": 42,
        "bytes": prepared.manifest["bytes"],
        "current": True,
        "dense": None,
        "classes": [EVIL, "c0", "c1", "c2"],
        "depth": True,
    }


async def test_every_page_forwards_and_backwards(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    keys, cursor, positions = [], {}, []
    while True:
        page = await rows(browser, limit=10, **cursor)
        keys += [item["key"] for item in page["items"]]
        positions.append(page["position"])
        assert page["total"] == 42
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert positions == [0, 10, 20, 30, 40]
    assert len(set(keys)) == 42
    assert keys == [item["key"] for item in (await rows(browser, limit=200))["items"]]
    backwards = []
    while page["previous"] is not None:
        page = await rows(browser, limit=10, cursor=page["previous"])
        backwards = [item["key"] for item in page["items"]] + backwards
    assert backwards == keys[:40]
    jump = await rows(browser, limit=10, position=35)
    assert ([item["key"] for item in jump["items"]], jump["next"]) == (keys[35:], None)
    past = await rows(browser, position=2**31 - 1)
    assert (past["items"], past["next"], past["previous"]) == ([], None, None)


async def test_a_sample_is_what_the_index_says(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    wanted = prepared.rows.to_pylist()
    for item in (await rows(browser, limit=200))["items"]:
        row = wanted[item["row"]]
        assert (item["key"], item["split"], item["label"]) == (row["key"], row["split"], row["label"])
        for name in ("bytes", "width", "height", "depth", "channels", "dtype", "format", "group"):
            assert item[name] == row[name]
        assert item["sha256"] == row["sha256"].hex()
        assert (await browser.get(f"{ONE}/samples/{item['row']}")).json == item
    assert (await browser.get(f"{ONE}/samples/42")).status == 404
    assert (await browser.get(f"{ONE}/samples/x")).status == 404
    assert (await browser.get(f"{ONE}/samples/{2**70}")).status == 404


async def test_filters_and_facets_agree(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    every = (await rows(browser, limit=200))["items"]
    for split in (None, "train", "test"):
        for label in (None, '"c0"', f'"{EVIL}"'):
            for prefix in ("", "train/c", "test/c1/00"):
                query = {k: v for k, v in {"split": split, "label": label, "prefix": prefix}.items() if v}
                page = await rows(browser, limit=200, **query)
                expected = [
                    item["key"]
                    for item in every
                    if split in (None, item["split"])
                    and label in (None, item["label"])
                    and item["key"].startswith(prefix)
                ]
                assert [item["key"] for item in page["items"]] == expected, query
                facets = (await ask(browser, "facets", **query)).json
                assert facets["total"] == page["total"] == len(expected), query
    facets = (await ask(browser, "facets")).json
    assert {entry["name"]: entry["samples"] for entry in facets["splits"]} == {"train": 32, "test": 10}
    assert {entry["text"] for entry in facets["labels"]} == {EVIL, "c0", "c1", "c2"}
    assert not facets["moreLabels"]
    searched = (await ask(browser, "facets", labelText="C1")).json["labels"]
    assert [entry["text"] for entry in searched] == ["c1"]


UNKNOWN: tuple[dict[str, str], ...] = (
    *({"split": "nothing"}, {"label": '"nothing"'}, {"label": "null"}, {"prefix": "nothing"}, {"prefix": "%"}),
    *({"prefix": "_rain"}, {"label": "not json"}, {"prefix": "train/c0/' OR 1=1 --"}, {"prefix": "\U0001f600"}),
)


async def test_filters_nothing_fits(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    for query in UNKNOWN:
        page = await rows(browser, **query)
        assert (page["items"], page["total"]) == ([], 0), query
        assert (await ask(browser, "facets", **query)).json["total"] == 0, query


async def test_percent_and_underscore_are_signs(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    page = await rows(browser, prefix=f"train/{EVIL}/100 %_of")
    assert [item["labelText"] for item in page["items"]] == [EVIL]


BAD: tuple[tuple[dict[str, Any], int], ...] = (
    *(({"limit": 0}, 422), ({"limit": 201}, 422), ({"position": -1}, 422), ({"position": 2**70}, 422)),
    *(({"position": "abc"}, 422), ({"prefix": "x" * 1025}, 422), ({"prefix": "\0"}, 422), ({"split": ""}, 422)),
    *(({"offset": 1}, 422), ({"version": "abc"}, 422), ({"version": "A" * 64}, 422), ({"version": "0" * 64}, 404)),
    *(({"cursor": "AAAA", "position": 1}, 422), ({"cursor": "AAAA"}, 400), ({"version": "0" * 16}, 404)),
)


async def test_bad_questions(site: Site, prepared: Prepared) -> None:
    browser = await site.logged_in()
    for query, status in BAD:
        assert (await ask(browser, "samples", **query)).status == status, query


async def test_cursors_belong_to_their_filter_and_version(site: Site, prepared: Prepared) -> None:
    browser, other = await site.logged_in(), await site.logged_in("eve@example.org")
    cursor = (await rows(browser, limit=5, split="train"))["next"]
    assert (await ask(browser, "samples", split="train", cursor=cursor)).status == 200
    for who, query in ((browser, {"split": "test"}), (browser, {}), (other, {"split": "train"})):
        assert (await ask(who, "samples", cursor=cursor, **query)).code == "bad_cursor"


async def test_versions_by_digest(site: Site, prepared: Prepared, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    for digest in (prepared.digest, prepared.digest[:16], prepared.digest[:20]):
        assert (await rows(browser, version=digest))["version"]["digest"] == prepared.digest
    newer = "f" * 64
    mirrored.put(version_digest=newer, version_sequence=2, indexed_digest=prepared.digest)
    assert (await rows(browser))["version"]["digest"] == prepared.digest, "the newest that can be shown"
    reply = await ask(browser, "samples", version=newer[:16])
    assert (reply.status, reply.code) == (409, "version_not_indexed")
    assert (await browser.get(f"{ONE}/versions")).json["items"][0]["current"] is False


async def test_data_sets_without_a_version(site: Site, mirrored: Mirrored) -> None:
    browser = await site.logged_in()
    mirrored.put()
    for what in ("samples", "facets", "sheet", "samples/0", "samples/0/image"):
        reply = await browser.get(f"{ONE}/{what}")
        assert (reply.status, reply.code) == (404, "version_not_found"), what
    mirrored.put(version_digest="a" * 64, version_sequence=1)
    for what in ("samples", "facets", "sheet"):
        reply = await browser.get(f"{ONE}/{what}")
        assert (reply.status, reply.code) == (409, "version_not_indexed"), what
    assert (await browser.get(f"{ONE}/versions")).json["items"] == []
