"""Every route of the OpenAPI document, asked by everybody: who is let in, and that nothing of another namespace
leaks.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Cursor, connect
from blueno.db.run_logs_write import Budget, append_log, open_log
from blueno.db.working_lines import fold
from blueno.db.working_write import Whose, apply_part
from blueno.names import API_VERSION, UPLOAD_OFFSET
from tests.db.working_model import Model
from tests.fakes.access import AccessServer, Rule
from tests.runs import a_run, run_uid
from tests.web.mirrored import Mirrored, uid_of
from tests.web.prepared import Prepared
from tests.web.site import Browser, Reply, Site
from tests.web.stand_in import DataServerStandIn
from webui.api import ROUTES
from webui.kinds import Object, Text
from webui.routes import Param, Permission, Registry, Route
from webui.routes import Reply as Declared

LAB = {"namespace": "lab", "name": "digits", "row": "1", "email": "nobody@example.org", "id": "1", "seq": "1"}
LAB |= {"dataset": "digits", "sample": "a"}
NEEDED = {  # queries that a route cannot do without
    "/api/v1/datasets/{namespace}/{name}/working/sample": "?key=a",
    "/data/upload": "?url=file://data/digits/a",
    "/data/download": "?url=file://data/digits/a",
}
SECRET = "a-secret-word"
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/setup": {"code": "0000-0000-0000", "email": "e@example.org", "password": "0123456789"},
    "/api/v1/login": {"email": "e@example.org", "password": "0123456789"},
    "/api/v1/users": {"email": "e@example.org", "password": "0123456789", "role": "viewer"},
    "/api/v1/users/{email}/password": {"password": "0123456789"},
    "/api/v1/tokens": {"name": "t"},
    "/api/v1/trainingruns": {"namespace": "lab", "name": "new", "spec": {"image": "i"}},
    "/api/v1/trainingruns/{namespace}/{name}": {"suspend": True},
    "/api/v1/datasets/{namespace}": {"name": "new", "spec": {"source": {"upload": {}}}},
    "/api/v1/datasets/{namespace}/{name}": {"suspend": True},
    "/api/v1/datasets/{namespace}/{name}/requests": {"kind": "seal"},
    "/api/v1/datasets/{namespace}/{name}/uploads": {"bytes": 1},
    "/api/v1/users/{email}": {"role": "viewer"},
    "/login": {"email": "e@example.org", "password": "0123456789"},
    "/datasets/{dataset}": {"info": {}},
    "/datasets/{dataset}/samples/{sample}": {"info": {"data": {"url": "file://data/digits/a"}}},
}
_WORKING, _SUM = "/api/v1/datasets/{namespace}/{name}/working", "?key=a&sha256=0123456789abcdef"
QUERIES = {  # without which a route has nothing to answer
    f"{_WORKING}/sheet": "?seqs=1",
    **{f"{_WORKING}/{what}": _SUM for what in ("image", "montage", "about", "raw")},
}
LET_IN = {  # by permission; all others: 200
    "open": (200, 401, 403, 429),
    "person": (200, 201, 204, 403, 404, 409),
    "write": (200, 201, 204),
    "admin": (403,),
    "create": (201,),
    "change": (200, 202),
    "delete": (202, 204),
}
WRITTEN = {"outputs": {"claimName": "blueno-outputs", "path": "digits-0c5b3c8e"}}
WRITES = {
    "create": (403,),
    "change": (403, 404),
    "write": (403, 404),
    "delete": (403, 404),
}  # what a stranger to the namespace is told


async def document(site: Site) -> dict[str, Any]:
    browser = await site.logged_in("reader@example.org", "viewer", "nowhere")
    found: dict[str, Any] = (await browser.get("/api/openapi.json")).json
    return found


def operations(api: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything but the stream, which never ends for who is let in."""
    return [
        (method.upper(), path, operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if path != "/api/v1/events"
    ]


async def ask(browser: Browser, method: str, path: str, names: dict[str, str]) -> Reply:
    route = next(route for route in ROUTES if (route.method, route.path) == (method, path))
    more: dict[str, Any] = {}
    if route.stream is not None:
        headers = {"Content-Type": route.stream.media} | {param.name: "0" for param in route.headers}
        more = {"data": b"x", "headers": headers}
    body = BODIES.get(path) if route.body is not None and method != "DELETE" else None
    return await browser.ask(method, path.format(**names) + {**QUERIES, **NEEDED}.get(path, ""), body, **more)


def a_sample(database: DatabaseConfig) -> None:
    """Of the working set of lab/digits, with a seq of 1."""
    model = Model(1)
    model.put("a", label=SECRET)
    connection = connect(database, application="recorder")
    apply_part(connection, Whose(uid_of("lab", "digits"), "lab"), 0, fold(model.feed(0)), 1)
    connection.close()


async def test_who_is_let_in(
    site: Site, prepared: Prepared, mirrored: Mirrored, access: AccessServer, data_server: DataServerStandIn,
    database: DatabaseConfig,
) -> None:  # fmt: skip
    """The table: every route, for strangers, for people of this and of another namespace, and for who was put out."""
    mirrored.put(
        "lab", "digits", message=SECRET, display_name=SECRET, version_digest=prepared.digest, version_sequence=1
    )
    mirrored.put_run("digits", message=SECRET, spec={"parameters": {"x": SECRET}}, status=WRITTEN)
    site.sql(write_log, run_uid("digits"), SECRET)
    a_sample(database)
    data_server.body = json.dumps({"id": SECRET}).encode()
    data_server.headers = {UPLOAD_OFFSET: "1"}
    access.rules[:] = [Rule("blueno:here@example.org", "lab"), Rule("blueno:there@example.org", "other")]
    access.rules.append(Rule("blueno:here@example.org", "lab", verbs=("create", "patch", "update", "delete")))
    anonymous, garbage = site.browser(), site.browser(Authorization="Bearer blueno_" + "x" * 43)
    here = await site.logged_in("here@example.org", "viewer", "lab", "other")
    there = await site.logged_in("there@example.org", "viewer", "lab", "other")
    unlisted = await site.logged_in("unlisted@example.org", "admin", "other")
    access.rules.append(Rule("blueno:admin"))
    api = operations(await document(site))
    assert len(api) > 20
    for method, path, operation in api:
        kind = operation["x-permission"]
        open_to_all = kind == "open"
        assert open_to_all == (operation["security"] == [])
        for stranger in (anonymous, garbage):
            reply = await ask(stranger, method, path, LAB)
            assert reply.status in (200, 401, 403, 429) if open_to_all else reply.status == 401, (method, path, reply)
            assert SECRET.encode() not in reply.raw, (method, path)
        if kind in WRITES and kind != "create":
            access.api.objects.setdefault(("TrainingRun", "lab", "digits"), a_run("digits"))
            access.api.objects.setdefault(("Dataset", "lab", "digits"), a_data_set())
        reply = await ask(here, method, path, LAB)
        if path != "/api/v1/logout":
            assert reply.status in LET_IN.get(kind, (200,)), (method, path, reply)
        for other in (there, unlisted):
            if path == "/api/v1/logout":
                continue
            reply = await ask(other, method, path, LAB)
            assert SECRET.encode() not in reply.raw, (method, path, other)
            assert kind not in WRITES or reply.status in WRITES[kind], (method, path, reply)
            if kind in ("read", "content"):
                assert (reply.status, reply.code) == (404, "not_found"), (method, path, reply)
                missing = await ask(other, method, path, LAB | {"name": "none"})
                assert missing.json | {"requestId": ""} == reply.json | {"requestId": ""}
        if path == "/api/v1/logout":
            here = await site.logged_in("here@example.org")
    for method, path, operation in api:
        if operation["x-permission"] == "open" or path in ("/api/v1/logout",):
            continue
        reply = await ask(await revoked(site), method, path, LAB)
        assert reply.status == 401, (method, path)


def a_data_set() -> dict[str, Any]:
    """lab/digits as the API server has it."""
    spec = {"source": {"upload": {}}}
    return a_run("digits") | {"apiVersion": API_VERSION, "kind": "Dataset", "spec": spec, "status": {}}


def write_log(cursor: Cursor, uid: str, text: str) -> None:
    """One pod's log."""
    log = open_log(cursor, uid, 1, "lab", "pod", "uid")
    raw = text.encode()
    append_log(cursor, log.id, 0, raw, replace(log.place, taken=len(raw)), Budget())


async def revoked(site: Site) -> Browser:
    """Somebody whose session was ended."""
    known = [browser for browser in site.browsers if browser.headers.get("X-Revoked")]
    if known:
        return known[0]
    browser = await site.logged_in("was@example.org")
    browser.headers["X-Revoked"] = "yes"
    site.sql("DELETE FROM record.person WHERE email = 'was@example.org'")
    site.process.services.doorkeeper.forget(email="was@example.org")
    return browser


async def test_content_needs_more_than_reading(
    site: Site, prepared: Prepared, mirrored: Mirrored, access: AccessServer, data_server: DataServerStandIn,
    database: DatabaseConfig,
) -> None:  # fmt: skip
    a_sample(database)
    access.rules[:] = [Rule("blueno:viewer", resources=("datasets", "trainingruns"))]
    mirrored.put_run("digits", status=WRITTEN)
    site.sql(write_log, run_uid("digits"), "text")
    data_server.body = b"{}"
    browser = await site.logged_in()
    for method, path, operation in operations(await document(site)):
        if operation["x-permission"] == "content":
            assert (await ask(browser, method, path, LAB)).status == 404, path
        if operation["x-permission"] == "read":
            assert (await ask(browser, method, path, LAB)).status == 200, path


async def test_the_document_is_whole(site: Site) -> None:
    api = await document(site)
    assert api["openapi"] == "3.1.0"
    assert {(method, path) for path, found in api["paths"].items() for method in found} == {
        (route.method.lower(), route.path) for route in ROUTES
    }
    text = json.dumps(api)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in api["components"]["schemas"]
    ids = [operation["operationId"] for _, _, operation in operations(api)]
    assert len(ids) == len(set(ids))


async def nothing(_: Any) -> Any:
    raise AssertionError


def a_route(**changes: Any) -> Route:
    fields = {
        "method": "GET",
        "path": "/api/v1/things/{name}",
        "permission": Permission.PERSON,
        "handler": nothing,
        "summary": "",
        "replies": (Declared(204),),
        "kinds": {"name": Text()},
    }
    return Route(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"permission": None}, "no permission"),
        ({"permission": "open"}, "no permission"),
        ({"kinds": {}}, "kinds differ"),
        ({"permission": Permission.READ}, "namespace and a name"),
        ({"permission": Permission.DELETE}, "namespace and a name"),
        ({"permission": Permission.CREATE}, "name what is created"),
        ({"query": (Param("name", Text()),)}, "would hide"),
    ],
)
def test_a_careless_route_fails_at_start(changes: dict[str, Any], what: str) -> None:
    Registry([a_route()])
    with pytest.raises(TypeError, match=what):
        Registry([a_route(**changes)])
    with pytest.raises(TypeError, match="twice"):
        Registry([a_route(), a_route(body=Object())])


def test_changes_are_audited() -> None:
    """Every route that changes something, and downloads of originals."""
    for route in ROUTES:
        if route.path.endswith("/uploads/{id}") and route.method == "PATCH":
            continue  # a chunk changes nothing yet: the bundle that makes a sample of it does
        assert bool(route.audit) == (route.method != "GET" or route.path.endswith(("/raw", "/tar", "/download"))), (
            route.path
        )
