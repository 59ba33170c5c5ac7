"""Every route of the data server: what it answers, to whom, and how long the answer may be kept."""

from __future__ import annotations

import hashlib
import io
import json
import time

import numpy as np
import pytest

import blueno
from blueno.data import index as index_file
from tests.fakes.data_server import PRIVATE, Served, bearer, serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar, write_mnist
from tests.unit.dataserver.conftest import DIGITS, ODD, ROW

ROUTES = [
    "/v1/versions",
    "{v}/manifest",
    "{v}/index",
    "{v}/sheet?rows=0",
    "{v}/samples/0/image",
    "{v}/samples/0/montage",
    "{v}/samples/0/about",
    "{v}/samples/0/raw",
]


def forged(header: str) -> str:
    """With another signature: its first character is another."""
    signed, dot, signature = header.rpartition(".")
    return signed + dot + ("A" if signature[0] != "A" else "B") + signature[1:]


@pytest.mark.parametrize("route", ROUTES)
async def test_only_who_holds_a_grant_gets_an_answer(digit_server: Served, route: str) -> None:
    path = route.format(v=await digit_server.version())
    assert (await digit_server.get(path)).status == 200
    assert "Bearer" in (await digit_server.get(path, headers={})).headers["WWW-Authenticate"]
    (await digit_server.get(path, headers={})).problem(401, "grant_missing")
    others = [
        bearer("uid-2"),
        bearer(seconds=0),
        bearer(seconds=400),
        bearer(actions=("write",)),
        {"Authorization": forged(bearer()["Authorization"])},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "v1"},
        {"Authorization": "Bearer é".encode().decode("latin-1")},
    ]
    sentences = {(await digit_server.get(path, headers=other)).problem(403, "grant_refused") for other in others}
    assert len(sentences) == 1
    assert sentences.pop().startswith("the grant is not valid")


async def test_a_grant_of_another_issuers_key_is_refused(digit_server: Served) -> None:
    from blueno.grants import Grant, sign

    stolen = sign(Grant("web", "uid-1", ("read",), int(time.time()) + 60, "x"), PRIVATE["recorder"])
    (await digit_server.get("/v1/versions", headers={"Authorization": f"Bearer {stolen}"})).problem(
        403, "grant_refused"
    )
    assert (await digit_server.get("/v1/versions", headers=bearer(issuer="recorder"))).status == 200


async def test_nothing_can_be_learned_without_a_grant(digit_server: Served) -> None:
    for path in ("/", "/v1", "/metrics", "/v1/versions/../../etc/passwd", "/healthz/x", "/HEALTHZ"):
        (await digit_server.get(path, headers={})).problem(401, "grant_missing")
        (await digit_server.get(path)).problem(404, "not_found")


async def test_health_is_open(digit_server: Served) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await digit_server.get(path, headers={})
        assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_reading_is_all_one_can_do(digit_server: Served, method: str) -> None:
    answer = await digit_server.get("/v1/versions", method=method)
    answer.problem(405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET,HEAD" or answer.headers["Allow"] == "GET, HEAD"


async def test_versions_newest_first_each_once(own: Place) -> None:
    first = own.root / "versions"
    old = next(first.iterdir()).name
    more = own.sealed(archive_work(own.put("more.tar", tar(class_folders(61, ("0", "1")), ""))))
    same = own.sealed(archive_work(own.put("again.tar", tar(dict(reversed(DIGITS.items())), ""))))
    assert same.digest[:16] == old
    async with serving(own) as served:
        found = (await served.get("/v1/versions")).json()["versions"]
    assert [v["digest"] for v in found] == [same.digest, more.digest][:: 1 if same.sequence > more.sequence else -1]
    assert {v["digest"]: v["sequence"] for v in found} == {
        same.digest: max(p["sequence"] for p in pointers(own) if p["digest"] == same.digest),
        more.digest: more.sequence,
    }
    assert [v["samples"] for v in found if v["digest"] == more.digest] == [122]
    assert {v["bytes"] for v in found} == {own.manifest(same)["bytes"], own.manifest(more)["bytes"]}
    assert all(v["sealedAt"] for v in found)


def pointers(place: Place) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in (place.root / "works").iterdir()]


async def test_the_manifest_comes_without_its_shards(digit_server: Served, digits: Place) -> None:
    found = (await digit_server.get(await digit_server.version() + "/manifest")).json()
    (path,) = (digits.root / "versions").glob("*/manifest.json")
    written = json.loads(path.read_text())
    assert written.pop("shards")
    assert found == written


async def test_the_index_is_the_file(digit_server: Served) -> None:
    version = await digit_server.version()
    answer = await digit_server.get(version + "/index")
    about = (await digit_server.get(version + "/manifest")).json()["index"]
    assert (len(answer.body), hashlib.sha256(answer.body).hexdigest()) == (about["bytes"], about["sha256"])
    assert index_file.from_bytes(answer.body).num_rows == 120
    head = await digit_server.get(version + "/index", method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(about["bytes"]))


async def test_parts_of_the_index(digit_server: Served) -> None:
    path = await digit_server.version() + "/index"
    whole = await digit_server.get(path)
    size = len(whole.body)
    for asked, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=10-99", 10, 99),
        ("bytes=100-", 100, size - 1),
        ("bytes=-7", size - 7, size - 1),
        (f"bytes={size - 1}-{size + 50}", size - 1, size - 1),
        (f"bytes=-{size * 2}", 0, size - 1),
    ):
        part = await digit_server.held(path, Range=asked)
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {first}-{last}/{size}")
        assert part.body == whole.body[first : last + 1]
    for asked in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
        (await digit_server.held(path, Range=asked)).problem(416, "range_not_satisfiable")
    for ignored in ("bytes=0-1,5-6", "bytes=5-1", "bytes=-", "bytes=x", "items=0-1", "bytes=0-1" + ",0-1" * 500):
        assert (await digit_server.held(path, Range=ignored)).status == 200
    held = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert (await digit_server.held(path, **held)).status == 200
    assert (await digit_server.held(path, **{**held, "If-Range": whole.headers["ETag"]})).status == 206


async def test_what_never_changes_may_be_kept(digit_server: Served) -> None:
    version = await digit_server.version()
    tags = set()
    for route in ROUTES[1:]:
        answer = await digit_server.get(route.format(v=version))
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        tags.add(answer.headers["ETag"])
        if route.split("?")[0].endswith(("/index", "/raw")):
            continue
        again = await digit_server.held(
            route.format(v=version), **{"If-None-Match": f'"x", W/{answer.headers["ETag"]}'}
        )
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert len(tags) == len(ROUTES) - 1
    for path in ("/v1/versions", version + "/sheet?rows=999", "/nothing"):
        assert (await digit_server.get(path)).headers["Cache-Control"] == "no-store"


async def test_raw_bytes_of_files_and_arrays(odd_server: Served, odd: Place) -> None:
    version = await odd_server.version()
    ds = blueno.open_dataset(odd.root)
    for name, row in ROW.items():
        answer = await odd_server.get(f"{version}/samples/{row}/raw")
        assert answer.body == ds.raw(row)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        file = next(full for full in ODD if name in full)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{file}"'
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    part = await odd_server.held(f"{version}/samples/5/raw", Range="bytes=2-5")
    assert (part.status, part.body) == (206, ds.raw(5)[2:6])


async def test_a_sample_that_was_an_array_comes_as_npy(tmp_path_factory: pytest.TempPathFactory) -> None:
    from blueno.resources.work import Work

    place = Place(tmp_path_factory.mktemp("mnist"))
    write_mnist(place.volume / "mirror", distinct=50)
    mirror = {"url": "file:///mirror", "allowUnverified": True}
    place.sealed(Work(source={"tfds": {"name": "mnist", "mirror": mirror}}, layout={"type": "auto"}))
    ds = blueno.open_dataset(place.root)
    async with serving(place) as served:
        version = await served.version()
        answer = await served.get(f"{version}/samples/60005/raw")
        assert np.array_equal(np.load(io.BytesIO(answer.body)), ds[60005].image)
        assert answer.headers["Content-Disposition"] == 'attachment; filename="sample-60005.npy"'
        sheet = (await served.get(f"{version}/sheet?rows=59990-60009&columns=5")).pixels()
        assert np.array_equal(sheet[28 * 3 : 28 * 4, :28], ds[60005].image[:, :, 0])


async def test_names_of_downloads_are_harmless(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = Place(tmp_path_factory.mktemp("names"))
    names = ["a b;c\"d'.png", "é‮gnp.html.png", "-rf.png", "a..%2f.png", "x" * 150 + ".png"]
    files = {f"c/{name}": data for name, data in zip(names, DIGITS.values(), strict=False)}
    place.sealed(archive_work(place.put("in.tar", tar(files, ""))))
    async with serving(place) as served:
        version = await served.version()
        found = [(await served.get(f"{version}/samples/{row}/raw")).headers["Content-Disposition"] for row in range(5)]
    for header in found:
        name = header.removeprefix('attachment; filename="').removesuffix('"')
        assert name
        assert name[0] not in "._-"
        assert len(name) <= 100
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"), header
