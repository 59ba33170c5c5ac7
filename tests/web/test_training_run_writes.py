"""Training runs are made, changed and deleted through the Kubernetes API, as far as the person may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.access import AccessServer
from tests.fakes.api_discovery import Refused
from tests.runs import a_run
from tests.web.run_writes import ALL, ONE, SPEC, a_new, an_editor, fields, judging_access
from tests.web.site import Browser, Site


@pytest.fixture
def access() -> AccessServer:
    return judging_access()


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await an_editor(site)


async def test_create_and_see_what_was_made(site: Site, editor: Browser, access: AccessServer) -> None:
    reply = await editor.post(ALL, a_new(datasets=[{"name": "digits"}], gpus={"count": 2}))
    assert reply.status == 201, reply
    made = access.api.read("TrainingRun", "train")
    run = reply.json
    assert (run["uid"], run["state"], run["gpus"]) == (made["metadata"]["uid"], "pending", 2)
    assert (run["datasets"], run["parameters"]) == ([{"name": "digits", "digest": None}], {"lr": "0.001"})
    assert made["spec"] == {**SPEC, "datasets": [{"name": "digits"}], "gpus": {"count": 2}}
    (post,) = (seen for seen in access.api.requests if seen.verb == "POST")
    assert post.query == {"fieldManager": "blueno-web", "fieldValidation": "Strict"}
    assert site.audit()[-1] == ("ed@example.org", "create", "trainingruns", "train", "ok")
    assert site.sql("SELECT namespace FROM record.audit ORDER BY id DESC LIMIT 1") == [("lab",)]


async def test_a_name_that_is_taken(site: Site, editor: Browser, access: AccessServer) -> None:
    assert (await editor.post(ALL, a_new())).status == 201
    again = await editor.post(ALL, a_new(image="another"))
    assert (again.status, again.code) == (409, "taken")
    assert access.api.read("TrainingRun", "train")["spec"] == SPEC
    assert site.audit()[-1] == ("ed@example.org", "create", "trainingruns", "train", "failed")


async def test_a_dry_run_checks_everything_and_makes_nothing(site: Site, editor: Browser, access: AccessServer) -> None:
    reply = await editor.post(ALL, a_new() | {"dryRun": True})
    assert (reply.status, reply.json["name"], access.api.all("TrainingRun")) == (201, "train", [])
    bad = await editor.post(ALL, a_new(gpus={"count": 0}) | {"dryRun": True})
    assert (bad.status, fields(bad)) == (422, ["body.spec.gpus.count"])
    assert site.sql("SELECT detail FROM record.audit ORDER BY id DESC LIMIT 1") == [({"dryRun": True},)]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"image": ""}, "body.spec.image"),
        ({"gpus": {"count": "two"}}, "body.spec.gpus.count"),
        ({"gpus": {"count": 2**70}}, "body.spec.gpus.count"),
        ({"datasets": [{"name": "a"}, {"name": "../b"}]}, "body.spec.datasets[1].name"),
        ({"env": [{"name": "X", "value": 7}]}, "body.spec.env[0].value"),
        ({"datasets": "digits"}, "body.spec.datasets"),
        ({"podSecurity": {"runAsUser": 0}}, "body.spec.podSecurity.runAsUser"),
        ({"gpu": {"count": 2}}, "body.spec.gpu"),
        ({"env": [{"name": "X", "valueOf": {}}]}, "body.spec.env[0].valueOf"),
    ],
)
async def test_what_the_api_server_refuses_is_422_with_its_sentence(
    editor: Browser, access: AccessServer, spec: dict[str, Any], field: str
) -> None:
    reply = await editor.post(ALL, a_new(**spec))
    assert (reply.status, reply.code) == (422, "invalid"), reply
    assert set(fields(reply)) == {field}
    assert field.removeprefix("body.") in reply.json["detail"]
    assert access.api.all("TrainingRun") == []
    assert reply.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.namespace"),
        (a_new("Train"), "body.name"),
        (a_new("x" * 64), "body.name"),
        (a_new(namespace="*"), "body.namespace"),
        (a_new(namespace="../lab"), "body.namespace"),
        (a_new() | {"spec": []}, "body.spec"),
        (a_new() | {"spec": None}, "body.spec"),
        (a_new() | {"dryRun": "yes"}, "body.dryRun"),
        (a_new() | {"metadata": {}}, "body.metadata"),
        (a_new(image="a\0b"), "body.spec"),
        (a_new(parameters={"a\0": "b"}), "body.spec"),
        (a_new(env=[{"secretRef": {"name": f"s-{n}"}} for n in range(101)]), "body.spec"),
    ],
)
async def test_what_we_refuse_never_reaches_the_cluster(
    editor: Browser, access: AccessServer, body: dict[str, Any], field: str
) -> None:
    reply = await editor.post(ALL, body)
    assert (reply.status, fields(reply)[0]) == (422, field), reply
    assert [seen for seen in access.api.requests if seen.is_write] == []


async def test_bodies_that_are_too_much(editor: Browser) -> None:
    deep: Any = {}
    for _ in range(40):
        deep = {"a": deep}
    assert (await editor.post(ALL, a_new(x=deep))).code == "bad_json"
    assert (await editor.post(ALL, a_new(args=["x" * 70_000]))).status == 413
    assert (await editor.post(ALL, [])).status == 422


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (Refused(403, 'trainingruns "train" is forbidden: exceeded quota: runs'), 403, "refused_by_cluster"),
        (Refused(404, 'namespaces "lab" not found'), 422, "invalid"),
        (Refused(404, "the server could not find the requested resource"), 503, "cluster_unavailable"),
        (Refused(422, "it is invalid", (("metadata.name", "too long"), ("", "rule"))), 422, "invalid"),
        (Refused(400, "what is this"), 422, "invalid"),
        (Refused(413, "request entity too large"), 422, "invalid"),
        (Refused(429, "too many requests"), 503, "cluster_unavailable"),
        (Refused(401, "Unauthorized"), 503, "cluster_unavailable"),
        (Refused(500, "failed calling webhook"), 503, "cluster_unavailable"),
    ],
)
async def test_what_the_api_server_may_answer(
    editor: Browser, access: AccessServer, refusal: Refused, status: int, code: str
) -> None:
    def refuse(body: Any, query: Any) -> None:
        raise refusal

    access.api.judge = refuse
    reply = await editor.post(ALL, a_new())
    assert (reply.status, reply.code) == (status, code), reply
    if status < 500:
        assert str(refusal) in reply.json["detail"]
    else:
        assert "Retry-After" in reply.headers
    if refusal.causes:
        assert fields(reply) == ["body.name", "body"]


async def test_suspend_resume_and_cancel(site: Site, editor: Browser, access: AccessServer) -> None:
    access.api.put(a_run())
    reply = await editor.ask("PATCH", ONE, {"suspend": True})
    assert (reply.status, reply.json["spec"]["suspend"], reply.json["state"]) == (200, True, "running")
    assert access.api.read("TrainingRun", "train")["spec"]["suspend"] is True
    assert (await editor.ask("PATCH", ONE, {"suspend": False, "cancel": True})).status == 200
    spec = access.api.read("TrainingRun", "train")["spec"]
    assert (spec["suspend"], spec["cancel"], spec["image"]) == (False, True, "registry.example.org/train:1")
    patch = access.api.writes()[-1]
    assert patch.query == {"fieldManager": "blueno-web", "fieldValidation": "Strict"}
    assert site.audit()[-1] == ("ed@example.org", "change", "trainingruns", "train", "ok")
    assert site.sql("SELECT detail FROM record.audit ORDER BY id DESC LIMIT 1") == [
        ({"suspend": False, "cancel": True},)
    ]
    for body in ({}, {"suspend": None}, {"suspend": 1}, {"image": "x"}, {"suspend": True, "spec": {}}, [], "x"):
        assert (await editor.ask("PATCH", ONE, body)).status == 422, body
    assert (await editor.ask("PATCH", f"{ALL}/lab/none", {"suspend": True})).status == 404


async def test_a_change_that_the_api_server_refuses(editor: Browser, access: AccessServer) -> None:
    access.api.put(a_run())
    rule = "spec: Invalid value: only suspend can be changed"

    def refuse(body: Any, query: Any) -> None:
        raise Refused(422, f'TrainingRun.blueno.dev "train" is invalid: {rule}', (("spec", rule),))

    access.api.judge = refuse
    reply = await editor.ask("PATCH", ONE, {"cancel": False})
    assert (reply.status, fields(reply)) == (422, ["body.spec"])
    assert rule in reply.json["detail"]
    access.api.judge = lambda body, query: (_ for _ in ()).throw(Refused(409, "the object has been modified"))
    assert (await editor.ask("PATCH", ONE, {"suspend": True})).code == "conflict"


async def test_delete(site: Site, editor: Browser, access: AccessServer) -> None:
    access.api.put(a_run())
    reply = await editor.ask("DELETE", ONE)
    assert (reply.status, reply.raw) == (204, b"")
    assert access.api.all("TrainingRun") == []
    assert site.audit()[-1] == ("ed@example.org", "delete", "trainingruns", "train", "ok")
    again = await editor.ask("DELETE", ONE)
    assert (again.status, again.code) == (404, "not_found")
    assert site.audit()[-1] == ("ed@example.org", "delete", "trainingruns", "train", "denied")


async def test_an_api_server_that_is_silent(editor: Browser, access: AccessServer) -> None:
    access.api.fail = lambda verb, path: 503 if "trainingruns" in path else None
    for method, path, body in (("POST", ALL, a_new()), ("PATCH", ONE, {"suspend": True}), ("DELETE", ONE, None)):
        reply = await editor.ask(method, path, body)
        assert (reply.status, reply.code) == (503, "cluster_unavailable"), method
        assert "Retry-After" in reply.headers


async def test_other_sites_and_strangers(site: Site, editor: Browser, access: AccessServer) -> None:
    evil = {"headers": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}}
    for method, path, body in (("POST", ALL, a_new()), ("PATCH", ONE, {"suspend": True}), ("DELETE", ONE, None)):
        assert (await editor.ask(method, path, body, **evil)).status == 403, method
        assert (await site.browser().ask(method, path, body)).status == 401, method
    assert access.api.requests == []
