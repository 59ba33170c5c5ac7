"""Data sets are made, changed, deleted and asked again through the Kubernetes API, as far as the person may."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from blueno import names
from tests.fakes.access import AccessServer, Rule
from tests.fakes.api_discovery import Refused
from tests.web.conftest import VIEWERS
from tests.web.site import Browser, Reply, Site
from webui import idempotency

ALL, ONE = "/api/v1/datasets/lab", "/api/v1/datasets/lab/digits"
EDITORS = "blueno:editor"
SPEC: dict[str, Any] = {"displayName": "Ziffern für 2019", "source": {"upload": {}}}
A_NEW = {"name": "digits", "spec": SPEC}


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write, and read claims."""
    writes = Rule(EDITORS, verbs=("get", "list", "create", "update", "patch", "delete"))
    return AccessServer(rules=[Rule(VIEWERS), writes])


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await site.logged_in("ed@example.org", "editor")


def fields(reply: Reply) -> list[str]:
    return [error["field"] for error in reply.json.get("errors", [])]


async def test_create(site: Site, editor: Browser, access: AccessServer) -> None:
    reply = await editor.post(ALL, A_NEW)
    made = access.api.read("Dataset", "digits")
    assert reply.status == 201, reply
    assert (reply.json["uid"], reply.json["displayName"], reply.json["ready"]) == (
        *(made["metadata"]["uid"], "Ziffern für 2019", False),
    )
    assert made["spec"] == SPEC
    (post,) = (seen for seen in access.api.requests if seen.verb == "POST")
    assert post.query == {"fieldManager": "blueno-web", "fieldValidation": "Strict"}
    assert site.audit()[-1] == ("ed@example.org", "create", "datasets", "digits", "ok")
    again = await editor.post(ALL, A_NEW)
    assert (again.status, again.code) == (409, "already_exists")


async def test_a_whole_manifest(editor: Browser, access: AccessServer) -> None:
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": "Dataset",
        "metadata": {"name": "digits", "namespace": "lab", "labels": {"team": "a"}, "annotations": {"x": "y"}},
        "spec": SPEC,
    }
    assert (await editor.post(ALL, manifest)).status == 201
    meta = access.api.read("Dataset", "digits")["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"team": "a"}, {"x": "y"})


async def test_a_name_is_made_of_the_display_name(editor: Browser) -> None:
    made = [(await editor.post(ALL, {"spec": SPEC})).json["name"] for _ in range(2)]
    assert made[0] != made[1]
    assert all(name.startswith("ziffern-fur-2019-") for name in made)
    for shown in ("", "漢字", "---", "x" * 255, "a/../b"):
        reply = await editor.post(ALL, {"spec": SPEC | {"displayName": shown}})
        assert reply.status == 201
        assert len(reply.json["name"]) < 50


async def test_a_dry_run_makes_nothing(editor: Browser, access: AccessServer) -> None:
    reply = await editor.post(f"{ALL}?dryRun=true", A_NEW)
    assert (reply.status, reply.json["name"], access.api.all("Dataset")) == (201, "digits", [])
    assert (await editor.post(f"{ALL}?dryRun=yes", A_NEW)).status == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.spec"),
        (A_NEW | {"name": "Digits"}, "body.name"),
        (A_NEW | {"name": "x" * 64}, "body.name"),
        (A_NEW | {"name": "../x"}, "body.name"),
        (A_NEW | {"spec": []}, "body.spec"),
        (A_NEW | {"kind": "Secret"}, "body.kind"),
        (A_NEW | {"apiVersion": "v1"}, "body.apiVersion"),
        (A_NEW | {"metadata": {"namespace": "other"}}, "body.metadata.namespace"),
        (A_NEW | {"metadata": {"name": "other"}}, "body.name"),
        (A_NEW | {"metadata": {"finalizers": ["a"]}}, "body.metadata.finalizers"),
        (A_NEW | {"metadata": {"ownerReferences": []}}, "body.metadata.ownerReferences"),
        (A_NEW | {"status": {}}, "body.status"),
        (A_NEW | {"spec": {"displayName": "a\0"}}, "body.spec"),
    ],
)
async def test_what_we_refuse_never_reaches_the_cluster(
    editor: Browser, access: AccessServer, body: dict[str, Any], field: str
) -> None:
    reply = await editor.post(ALL, body)
    assert (reply.status, fields(reply)[0]) == (422, field), reply
    assert [seen for seen in access.api.requests if seen.is_write] == []


async def test_what_a_spec_names_is_asked_for(editor: Browser, access: AccessServer) -> None:
    spec = {
        "source": {"claim": {"name": "photos"}, "upload": {"secretRef": {"name": "key"}}},
        "storage": {"existingClaim": {"name": "disk"}},
        "metadata": {"secretRef": {"name": "only words"}},
    }
    reply = await editor.post(ALL, {"name": "digits", "spec": spec})
    assert (reply.status, set(fields(reply))) == (
        *(403, {f"body.spec.{at}.name" for at in ("source.claim", "source.upload.secretRef", "storage.existingClaim")}),
    )
    access.rules.append(Rule(EDITORS, resources=("persistentvolumeclaims", "secrets")))
    await asyncio.sleep(0)
    other = dict(spec, storage={"existingClaim": {"name": "disk-2"}}, source={"claim": {"name": "photos-2"}})
    assert (await editor.post(ALL, {"name": "digits", "spec": other})).status == 201


async def test_change(site: Site, editor: Browser, access: AccessServer) -> None:
    await editor.post(ALL, A_NEW)
    changed = await editor.ask("PATCH", ONE, {"suspend": True, "displayName": "b", "description": "c"})
    assert (changed.status, changed.json["displayName"]) == (200, "b")
    assert access.api.read("Dataset", "digits")["spec"] == SPEC | {
        "suspend": True,
        "displayName": "b",
        "description": "c",
    }
    await editor.ask("PATCH", ONE, {"displayName": None})
    assert "displayName" not in access.api.read("Dataset", "digits")["spec"]
    assert site.audit()[-1] == ("ed@example.org", "change", "datasets", "digits", "ok")
    bad: list[dict[str, Any]] = [{}, {"suspend": None}, {"suspend": "yes"}, {"currentVersion": "abc"}, {"spec": {}}]
    for body in bad:
        assert (await editor.ask("PATCH", ONE, body)).status == 422, body
    assert (await editor.ask("PATCH", f"{ALL}/none", {"suspend": True})).status == 404


async def test_delete(site: Site, editor: Browser, access: AccessServer) -> None:
    uid = (await editor.post(ALL, A_NEW)).json["uid"]
    reply = await editor.ask("DELETE", ONE)
    assert (reply.status, reply.json) == (202, {"uid": uid})
    assert access.api.all("Dataset") == []
    assert (await editor.ask("DELETE", ONE)).status == 404
    assert ("ed@example.org", "delete", "datasets", "digits", "ok") in site.audit()


async def test_requests(site: Site, editor: Browser, access: AccessServer) -> None:
    await editor.post(ALL, A_NEW)
    reply = await editor.post(f"{ONE}/requests", {"kind": "seal"})
    at = access.api.read("Dataset", "digits")["metadata"]["annotations"][names.REQUESTED_AT]
    assert (reply.status, reply.json) == (202, {"requestedAt": at})
    retry = await editor.post(f"{ONE}/requests", {"kind": "retry"})
    assert (retry.status, retry.code) == (409, "not_stalled")
    access.api.update("Dataset", "digits", {"status": {"conditions": [{"type": "Stalled", "status": "True"}]}})
    assert (await editor.post(f"{ONE}/requests", {"kind": "retry"})).status == 202
    assert (await editor.post(f"{ONE}/requests", {"kind": "erase"})).status == 422
    assert (await editor.post(f"{ALL}/none/requests", {"kind": "seal"})).status == 404
    assert ("ed@example.org", "request", "datasets", "digits", "ok") in site.audit()


async def test_who_may(site: Site, editor: Browser, access: AccessServer) -> None:
    await editor.post(ALL, A_NEW)
    viewer, elsewhere = await site.logged_in(), await site.logged_in("x@example.org", "editor", "other")
    for browser, create, others in ((viewer, 403, 403), (elsewhere, 403, 404)):
        assert (await browser.post(ALL, A_NEW)).status == create
        assert (await browser.ask("PATCH", ONE, {"suspend": True})).status == others
        assert (await browser.ask("DELETE", ONE)).status == others
        assert (await browser.post(f"{ONE}/requests", {"kind": "seal"})).status == others
    assert access.api.read("Dataset", "digits")["spec"] == SPEC


# Idempotency-Key --------------------------------------------------------------------------------------------


def key(word: str) -> dict[str, Any]:
    return {"headers": {idempotency.HEADER: word}}


async def test_the_same_key_gets_the_same_answer(site: Site, editor: Browser, access: AccessServer) -> None:
    first = await editor.post(ALL, {"spec": SPEC}, **key("k1"))
    again = await editor.post(ALL, {"spec": SPEC}, **key("k1"))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert len(access.api.all("Dataset")) == 1
    assert len(site.audit()) == 2, "a login and one deed"
    other = await editor.post(ALL, {"spec": SPEC | {"displayName": "other"}}, **key("k1"))
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    somebody = await site.logged_in("else@example.org", "editor")
    assert (await somebody.post(ALL, {"spec": SPEC}, **key("k1"))).json["name"] != first.json["name"]


async def test_what_was_refused_may_be_tried_again(editor: Browser, access: AccessServer) -> None:
    def no(body: Any, query: Any) -> None:
        raise Refused(403, "exceeded quota")

    access.api.judge, judge = no, access.api.judge
    assert (await editor.post(ALL, A_NEW, **key("k"))).code == "refused_by_cluster"
    access.api.judge = judge
    assert (await editor.post(ALL, A_NEW, **key("k"))).status == 201


async def test_two_at_once_and_bad_keys(editor: Browser, access: AccessServer) -> None:
    replies = await asyncio.gather(*(editor.post(ALL, {"spec": SPEC}, **key("k")) for _ in range(8)))
    assert {reply.status for reply in replies} <= {201, 409}
    assert {reply.code for reply in replies if reply.status == 409} <= {"in_progress"}
    assert len(access.api.all("Dataset")) == 1
    for bad in ("a b", "ä".encode().decode("latin-1"), "x" * 256):
        assert (await editor.post(ALL, A_NEW, **key(bad))).code == "bad_idempotency_key", bad


@pytest.mark.parametrize("made", [False, True])
async def test_the_process_ended_in_between(
    site: Site, editor: Browser, access: AccessServer, monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    """Before or after the API server had heard of it: afterwards there is one object, and the answer is the first's."""
    if made:
        done = (await editor.post(ALL, {"spec": SPEC}, **key("k"))).json
    else:
        monkeypatch.setattr(access.api, "fail", lambda verb, path: 500 if verb == "POST" else None)
        assert (await editor.post(ALL, {"spec": SPEC}, **key("k"))).status == 503
        monkeypatch.setattr(access.api, "fail", lambda verb, path: None)
    site.sql("UPDATE record.idempotency SET process = 'another', status = NULL, answer = NULL")
    soon = await editor.post(ALL, {"spec": SPEC}, **key("k"))
    assert (soon.status, soon.code) == (409, "in_progress"), "the other process may live"
    monkeypatch.setattr(idempotency, "ORPHANED_SECONDS", 0.0)
    again = await editor.post(ALL, {"spec": SPEC}, **key("k"))
    assert again.status == 201
    assert [one["metadata"]["name"] for one in access.api.all("Dataset")] == [again.json["name"]]
    assert not made or again.json["uid"] == done["uid"]


async def test_a_seal_that_is_asked_twice_is_one(site: Site, editor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "ORPHANED_SECONDS", 0.0)
    await editor.post(ALL, A_NEW)
    first = await editor.post(f"{ONE}/requests", {"kind": "seal"}, **key("s"))
    site.sql("UPDATE record.idempotency SET process = 'another', status = NULL, answer = NULL")
    again = await editor.post(f"{ONE}/requests", {"kind": "seal"}, **key("s"))
    assert again.json == first.json
    assert (await editor.post(f"{ONE}/requests", {"kind": "seal"}, **key("t"))).json != first.json


async def test_old_keys_are_swept(site: Site, editor: Browser) -> None:
    await editor.post(ALL, A_NEW, **key("old"))
    site.sql("UPDATE record.idempotency SET begun_at = now() - interval '2 days'")
    assert (await editor.post(ALL, {"spec": SPEC}, **key("new"))).status == 201
    assert site.sql("SELECT key FROM record.idempotency") == [("new",)]
