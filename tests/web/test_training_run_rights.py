"""Who may write training runs, and what a run may name: each Secret, claim and data set is asked for by itself."""

from __future__ import annotations

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.runs import a_run
from tests.web.conftest import VIEWERS, StartSite
from tests.web.run_writes import ALL, EDITORS, ONE, WRITE, a_new, an_editor, fields, judging_access
from tests.web.site import Browser, Site


@pytest.fixture
def access() -> AccessServer:
    return judging_access()


@pytest.fixture
async def editor(site: Site) -> Browser:
    return await an_editor(site)


async def test_who_may_write(start_site: StartSite, access: AccessServer) -> None:
    """Who may look is told that it is not allowed; who may not even look is told that there is nothing."""
    site = await start_site()
    access.api.put(a_run())
    access.rules += [
        Rule("blueno:maker@example.org", "lab", verbs=("create",)),
        Rule("blueno:stopper@example.org", "lab", verbs=("get", "patch"), name="train"),
    ]
    viewer = await site.logged_in("v@example.org", "viewer")
    outside = await site.logged_in("o@example.org", "editor", "other")
    access.rules[0] = Rule(EDITORS, verbs=WRITE)
    calls = (("POST", ALL, a_new("new")), ("PATCH", ONE, {"suspend": True}), ("DELETE", ONE, None))
    assert [(await viewer.ask(*call)).status for call in calls] == [403, 403, 403]
    assert [(await outside.ask(*call)).status for call in calls] == [403, 404, 404]
    access.rules[1] = Rule(VIEWERS, resources=("datasets",))
    maker = await site.logged_in("maker@example.org", "viewer")
    stopper = await site.logged_in("stopper@example.org", "viewer")
    assert [(await maker.ask(*call)).status for call in calls] == [201, 404, 404]
    assert [(await stopper.ask(*call)).status for call in calls] == [403, 200, 403]
    assert access.api.read("TrainingRun", "train")["spec"]["suspend"] is True
    denied = {row for row in site.audit() if row[4] == "denied"}
    assert ("v@example.org", "create", "trainingruns", "new", "denied") in denied
    assert ("o@example.org", "delete", "trainingruns", "train", "denied") in denied


NAMED = {
    "imagePullSecrets": ([{"name": "registry"}], ("secrets", "registry"), "body.spec.imagePullSecrets[0].name"),
    "env": (
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}],
        ("secrets", "keys"),
        "body.spec.env[0].valueFrom.secretKeyRef.name",
    ),
    "envFrom": ([{"configMapRef": {"name": "conf"}}], ("configmaps", "conf"), "body.spec.envFrom[0].configMapRef.name"),
    "code": ({"configMapRef": {"name": "code"}}, ("configmaps", "code"), "body.spec.code.configMapRef.name"),
    "output": ({"existingClaim": "claim"}, ("persistentvolumeclaims", "claim"), "body.spec.output.existingClaim"),
    "serviceAccountName": ("robot", ("serviceaccounts", "robot"), "body.spec.serviceAccountName"),
    "datasets": ([{"name": "digits"}], ("datasets/content", "digits"), "body.spec.datasets[0].name"),
    "checkpoint": ({"from": {"run": "old"}}, ("trainingruns", "old"), "body.spec.checkpoint.from.run"),
}


@pytest.mark.parametrize("name", NAMED)
async def test_what_a_spec_names_is_reviewed_for_the_person(editor: Browser, access: AccessServer, name: str) -> None:
    value, (resource, wanted), field = NAMED[name]
    access.api.judge = lambda body, query: None
    maker = Rule(EDITORS, verbs=("create",), resources=("trainingruns",))
    pods = Rule(EDITORS, verbs=("create",), resources=("pods",))
    other = Rule(EDITORS, verbs=("get",), resources=(resource,), name="another")
    access.rules[:] = [maker, pods, other]
    for dry in ({"dryRun": True}, {}):
        reply = await editor.post(ALL, a_new(**{name: value}) | dry)
        assert (reply.status, reply.code, fields(reply)) == (403, "forbidden", [field]), reply
        assert wanted in reply.json["detail"]
    assert [seen for seen in access.api.requests if seen.is_write] == []
    access.rules += [Rule(EDITORS, "lab", verbs=("get",), resources=(resource,), name=wanted)]
    assert (await editor.post(ALL, a_new("other", **{name: value}))).status == 403, "the no is kept for a moment"


@pytest.mark.parametrize("name", NAMED)
async def test_what_may_be_named_is_named(editor: Browser, access: AccessServer, name: str) -> None:
    value, (resource, wanted), _ = NAMED[name]
    access.api.judge = lambda body, query: None
    access.rules[:] = [
        Rule(EDITORS, verbs=("create",), resources=("trainingruns", "pods")),
        Rule(EDITORS, "lab", verbs=("get",), resources=(resource,), name=wanted),
    ]
    assert (await editor.post(ALL, a_new(**{name: value}))).status == 201
    asked = [review["resourceAttributes"] for review in access.asked]
    assert {review["namespace"] for review in asked} == {"lab"}
    assert {review["user"] for review in access.asked} == {"blueno:ed@example.org"}
    assert access.api.read("TrainingRun", "train")["spec"][name] == value


async def test_each_named_object_has_its_own_review(editor: Browser, access: AccessServer) -> None:
    access.rules[:] = [
        Rule(EDITORS, verbs=("create",), resources=("trainingruns",)),
        Rule(EDITORS, verbs=("get",), resources=("secrets",), name="mine"),
    ]
    env = [{"name": n.upper(), "valueFrom": {"secretKeyRef": {"name": n, "key": "k"}}} for n in ("mine", "theirs")]
    reply = await editor.post(ALL, a_new(env=env, imagePullSecrets=[{"name": "hers"}, {"name": "mine"}]))
    assert fields(reply) == [
        "body.spec.env[1].valueFrom.secretKeyRef.name",
        "body.spec.imagePullSecrets[0].name",
    ]
    names = [review["resourceAttributes"].get("name") for review in access.asked]
    assert sorted(name for name in names if name) == ["hers", "mine", "theirs"]


async def test_an_account_needs_the_right_to_make_pods(editor: Browser, access: AccessServer) -> None:
    """Its token would be in the hands of whoever writes the image."""
    access.api.judge = lambda body, query: None
    access.rules[:] = [
        Rule(EDITORS, verbs=("create",), resources=("trainingruns",)),
        Rule(EDITORS, verbs=("get",), resources=("serviceaccounts",)),
    ]
    reply = await editor.post(ALL, a_new(serviceAccountName="robot"))
    assert (reply.status, fields(reply)) == (403, ["body.spec.serviceAccountName"])
    assert "create pods" in reply.json["detail"]


async def test_a_run_with_an_account_is_started_again_only_by_who_may_make_pods(
    editor: Browser, access: AccessServer
) -> None:
    """As the admission policy has it for kubectl; to stop such a run takes no more than the right to change it."""
    access.api.judge = lambda body, query: None
    access.rules[:] = [Rule(EDITORS, verbs=("create", "get", "patch"), resources=("trainingruns",))]
    access.api.put(a_run(spec={"image": "i", "serviceAccountName": "robot"}))
    assert (await editor.ask("PATCH", ONE, {"suspend": True})).status == 200
    reply = await editor.ask("PATCH", ONE, {"suspend": False})
    assert (reply.status, reply.code) == (403, "forbidden")
    assert "robot" in reply.json["detail"]
    assert access.api.read("TrainingRun", "train")["spec"]["suspend"] is True
    assert (await editor.ask("PATCH", ONE, {"cancel": True})).status == 200
    access.api.put(a_run("plain"))
    assert (await editor.ask("PATCH", f"{ALL}/lab/plain", {"suspend": False})).status == 200


async def test_who_may_make_pods_starts_it_again(editor: Browser, access: AccessServer) -> None:
    access.api.judge = lambda body, query: None
    access.rules[:] = [
        Rule(EDITORS, verbs=("create", "get", "patch"), resources=("trainingruns",)),
        Rule(EDITORS, "lab", verbs=("create",), resources=("pods",)),
    ]
    access.api.put(a_run(spec={"image": "i", "serviceAccountName": "robot", "suspend": True}))
    assert (await editor.ask("PATCH", ONE, {"suspend": False})).status == 200
