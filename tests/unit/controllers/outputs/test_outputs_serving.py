"""controllers/outputs: when the data server of what runs wrote is up, what it is, and why it is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from blueno import names
from controllers.cache import Cache
from controllers.heard import NOTHING, Heard
from controllers.outputs.build import build_outputs_server
from controllers.outputs.kind import OutputsKind
from controllers.outputs.observe import is_for_outputs, observe
from controllers.outputs.serving import LOOK_AGAIN, why_not
from controllers.step import Patch, Step
from tests.make import NOW, a_world

Golden = Callable[[str, Any], None]
UID = "99999999-2222-3333-4444-555555555555"
NAME = names.outputs_server_name("blueno-outputs")
SOON = NOW + timedelta(seconds=600)


class Lab:
    """A cache with a claim, and what else a test puts there."""

    def __init__(self, modes: tuple[str, ...] = ("ReadWriteMany",), phase: str = "Bound", **meta: Any) -> None:
        self.cache = Cache()
        self.versions = 0
        found = {"name": "blueno-outputs", "uid": UID, "labels": {names.ROLE_LABEL: names.ROLE_OUTPUTS}, **meta}
        self.put(names.CLAIM_KIND, found, {"accessModes": list(modes)}, {"phase": phase})

    def put(self, kind: str, meta: dict[str, Any], spec: Any = None, status: Any = None) -> None:
        self.versions += 1
        full = {"namespace": "lab", "resourceVersion": str(self.versions), **meta}
        self.cache.upsert(kind, {"metadata": full, "spec": spec or {}, "status": status or {}})

    def run(self, name: str = "train", claim: str = "", **status: Any) -> None:
        spec = {"image": "x", **({"output": {"existingClaim": claim}} if claim else {})}
        self.put(names.TRAINING_RUN_KIND, {"name": name, "uid": f"uid-{name}"}, spec, status)

    def job(self, run: str = "train", **spec: Any) -> None:
        labels = {names.OWNER_UID: f"uid-{run}", names.OWNER_KIND: names.TRAINING_RUN_KIND}
        self.put("Job", {"name": f"{run}-a1", "uid": f"job-{run}", "labels": labels}, spec)

    def server(self, replicas: int = 1, template: str = "", **meta: Any) -> None:
        deployment, service = build_outputs_server(self.seen(), a_world())
        labels = dict(deployment["metadata"]["labels"])
        if template:
            labels[names.TEMPLATE_LABEL] = template
        self.put("Deployment", {"name": NAME, "uid": "d", "labels": labels, **meta}, {"replicas": replicas})
        self.put("Service", {"name": NAME, "uid": "s", "labels": service["metadata"]["labels"]})

    def seen(self) -> Any:
        return observe(self.cache, self.claim, NOW)

    @property
    def claim(self) -> Any:
        return self.cache.get(names.CLAIM_KIND, UID)

    def plan(self, until: Any = SOON) -> Step:
        step, changes = OutputsKind(a_world(), self.cache).plan(self.claim, Heard(serve_until=until), NOW)
        assert changes == {}
        assert (step.apply, step.delete, step.patch, step.wish, step.finalizer) == ((), (), (), (), None)
        return step


def deeds(step: Step) -> list[str]:
    return [
        f"{deed.body['spec'].get('replicas')} replicas" if isinstance(deed, Patch) else f"apply {deed['kind']}"
        for deed in step.serve
    ]


def test_nothing_is_made_before_somebody_looks() -> None:
    lab = Lab()
    for until in (None, NOW, NOW - timedelta(seconds=1)):
        assert (lab.plan(until).serve, lab.plan(until).again_in) == ((), None)
    kind = OutputsKind(a_world(), lab.cache)
    assert kind.plan(lab.claim, NOTHING, NOW)[0].serve == ()
    assert list(kind.interested(names.CLAIM_KIND, lab.claim)) == []


def test_up_while_wanted_and_down_after_it() -> None:
    lab = Lab()
    assert deeds(lab.plan()) == ["apply Deployment", "apply Service"]
    lab.server()
    assert (deeds(lab.plan()), lab.plan().again_in) == ([], 600)
    assert deeds(lab.plan(None)) == ["0 replicas"]
    lab.server(replicas=0)
    assert deeds(lab.plan(None)) == []
    assert deeds(lab.plan()) == ["1 replicas"]
    lab.server(template="earlier")
    assert deeds(lab.plan()) == ["1 replicas"]
    lab.server(deletionTimestamp="2026-03-01T12:00:00Z")
    assert deeds(lab.plan()) == []


def test_what_it_is(golden: Golden) -> None:
    golden("outputs-server", list(build_outputs_server(Lab().seen(), a_world())))


def test_it_never_owns_nor_holds_the_claim() -> None:
    for made in build_outputs_server(Lab().seen(), a_world()):
        (owner,) = made["metadata"]["ownerReferences"]
        assert (owner["apiVersion"], owner["kind"], owner["uid"]) == ("v1", "PersistentVolumeClaim", UID)
        assert owner["blockOwnerDeletion"] is False
        assert "finalizers" not in made["metadata"]


HINDERED = {
    "has no volume yet": Lab(phase="Pending"),
    "has lost its volume": Lab(phase="Lost"),
    "is being deleted": Lab(deletionTimestamp="2026-03-01T12:00:00Z"),
}


@pytest.mark.parametrize(("words", "lab"), HINDERED.items(), ids=HINDERED)
def test_a_claim_that_cannot_be_read(words: str, lab: Lab) -> None:
    assert words in why_not(lab.seen())
    assert (deeds(lab.plan()), lab.plan().again_in) == ([], LOOK_AGAIN)
    lab.server()
    assert deeds(lab.plan()) == ["0 replicas"], "its pod would keep the claim"


@pytest.mark.parametrize("mode", ["ReadWriteOnce", "ReadWriteOncePod"])
def test_it_steps_aside_for_a_run_that_needs_the_claim_alone(mode: str) -> None:
    lab = Lab((mode,))
    lab.server()
    lab.run()
    assert deeds(lab.plan()) == [], "no Job yet"
    lab.job()
    kind = OutputsKind(a_world(), lab.cache)
    key = (names.CLAIM_KIND, UID)
    job, run = lab.cache.get("Job", "job-train"), lab.cache.get(names.TRAINING_RUN_KIND, "uid-train")
    assert job is not None
    assert run is not None
    assert list(kind.interested("Job", job)) == [key]
    assert list(kind.interested(names.TRAINING_RUN_KIND, run)) == [key]
    assert deeds(lab.plan()) == ["0 replicas"]
    assert "train writes to it" in why_not(lab.seen())
    lab.job(suspend=True)
    assert deeds(lab.plan()) == []
    labels = {names.OWNER_UID: "uid-train", names.OWNER_KIND: names.TRAINING_RUN_KIND}
    lab.put("Pod", {"name": "p", "uid": "p", "labels": labels}, {}, {"phase": "Running"})
    assert deeds(lab.plan()) == ["0 replicas"]
    lab.run(conditions=[{"type": "Succeeded", "status": "True"}])
    assert deeds(lab.plan()) == []


def test_a_shared_claim_is_read_while_runs_write() -> None:
    lab = Lab()
    lab.server()
    lab.run()
    lab.job()
    assert deeds(lab.plan()) == []
    assert why_not(lab.seen()) == ""
    job = lab.cache.get("Job", "job-train")
    assert job is not None
    assert list(OutputsKind(a_world(), lab.cache).interested("Job", job)) == []


def test_runs_on_other_claims_do_not_matter() -> None:
    lab = Lab(("ReadWriteOnce",))
    lab.server()
    lab.run(claim="mine")
    lab.job()
    assert deeds(lab.plan()) == []
    job = lab.cache.get("Job", "job-train")
    assert job is not None
    assert list(OutputsKind(a_world(), lab.cache).interested("Job", job)) == []


def test_a_pod_that_does_not_start_is_told() -> None:
    lab = Lab()
    lab.server()
    labels = {names.OWNER_UID: UID, names.OWNER_KIND: names.CLAIM_KIND}
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    lab.put("Pod", {"name": "p", "uid": "p", "labels": labels}, {}, {"containerStatuses": [{"state": waiting}]})
    assert why_not(lab.seen()) == "the server of claim blueno-outputs cannot start: no such image"
    assert deeds(lab.plan()) == [], "it goes on trying"


def test_only_claims_that_runs_write_to() -> None:
    lab = Lab()
    assert is_for_outputs(lab.cache, lab.claim)
    foreign = Lab(labels={})
    assert not is_for_outputs(foreign.cache, foreign.claim)
    foreign.run(claim="other")
    assert not is_for_outputs(foreign.cache, foreign.claim)
    foreign.run("mine", claim="blueno-outputs", conditions=[{"type": "Succeeded", "status": "True"}])
    assert is_for_outputs(foreign.cache, foreign.claim), "what a run wrote stays readable after its end"


def test_names_fit_and_begin_with_a_letter() -> None:
    for claim in ("blueno-outputs", "9" * 253, "a.b.c", "x" * 39 + ".y"):
        name = names.outputs_server_name(claim)
        assert len(name) <= 63
        assert name[0].isalpha()
        assert "." not in name
        assert "--" not in name
    assert names.outputs_server_name("a.b") != names.outputs_server_name("a-b")
