"""controllers/dataset/kind.py: body in, Step and status out."""

from __future__ import annotations

from typing import Any

import pytest

from blueno import names
from controllers.cache import Cache
from controllers.dataset.kind import DatasetKind
from controllers.heard import NOTHING
from tests.make import CLAIM, NOW, UID, a_body, a_status, a_world
from tests.unit.controllers.dataset.steps import deeds, flags

FINALIZER = {"finalizers": [names.ERASE_FINALIZER]}
LEAVING = {"deletionTimestamp": "2026-03-01T11:59:50Z"}


@pytest.fixture
def kind() -> DatasetKind:
    return DatasetKind(a_world(), Cache())


def test_the_finalizer_is_there_before_anything_that_it_guards(kind: DatasetKind) -> None:
    step, changes = kind.plan(a_body(reclaimPolicy="Delete"), NOTHING, NOW)
    assert (deeds(step), changes, step.again_in) == (["finalizer on"], {}, 0)


def test_then_the_claim(kind: DatasetKind) -> None:
    step, changes = kind.plan(a_body(meta=FINALIZER, reclaimPolicy="Delete"), NOTHING, NOW)
    assert deeds(step) == [f"apply PersistentVolumeClaim {CLAIM}"]
    assert changes["observedGeneration"] == 1


def test_the_finalizer_goes_with_the_wish(kind: DatasetKind) -> None:
    step, _ = kind.plan(a_body(meta=FINALIZER, reclaimPolicy="Retain"), NOTHING, NOW)
    assert deeds(step) == ["finalizer off"]


def test_a_settled_dataset_needs_nothing(kind: DatasetKind) -> None:
    body = a_body(status=a_status("Sealed"))
    _, changes = kind.plan(body, NOTHING, NOW)
    body["status"] |= changes
    step, changes = kind.plan(body, NOTHING, NOW)
    assert changes == {}
    assert [deed for deed in deeds(step) if not deed.startswith("apply")] == []


def test_a_leaving_dataset_without_our_finalizer_is_not_our_business(kind: DatasetKind) -> None:
    step, changes = kind.plan(a_body(meta=LEAVING | {"finalizers": ["example.org/theirs"]}), NOTHING, NOW)
    assert (deeds(step), changes, step.again_in) == ([], {}, None)


def test_a_leaving_dataset_with_it_is_erased_and_released(kind: DatasetKind) -> None:
    step, changes = kind.plan(a_body(meta=LEAVING | FINALIZER, reclaimPolicy="Delete"), NOTHING, NOW)
    assert (deeds(step), changes) == (["finalizer off"], {})


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"source": {}}, "spec.source"),
        ({"source": {"ftp": {}}}, "spec.source"),
        ({"source": {"tfds": {"name": "x"}, "claim": {"name": "y"}}}, "spec.source"),
        ({"storage": {"subPath": "a"}}, "spec.storage"),
        ({"storage": {"hostPath": {"path": "/x"}, "subPath": "../etc"}}, "spec.storage.subPath"),
        ({"metadata": {"big": "x" * 20000}}, "spec.metadata"),
    ],
)
def test_what_the_schema_should_have_refused_names_its_field(
    kind: DatasetKind, spec: dict[str, Any], field: str
) -> None:
    step, changes = kind.plan(a_body(**spec), NOTHING, NOW)
    assert (step.reason, flags(step), deeds(step)) == ("InvalidSpec", "stalled", [])
    assert step.message.startswith(f"{field}: ")
    stalled = next(c for c in changes["conditions"] if c["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "InvalidSpec")


def test_an_invalid_dataset_can_be_deleted(kind: DatasetKind) -> None:
    step, changes = kind.plan(a_body(meta=LEAVING | FINALIZER, source={}), NOTHING, NOW)
    assert (deeds(step), changes) == (["finalizer off", "warn DataKept"], {})


def test_a_name_conflict_is_stalled(kind: DatasetKind) -> None:
    changes = kind.conflict(a_body(), "Job x exists", NOW)
    ready = next(c for c in changes["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "NameConflict", "Job x exists")


def test_who_cares_about_a_users_claim() -> None:
    cache = Cache()
    cache.upsert("Dataset", a_body("a", uid="a", storage={"existingClaim": {"name": "photos"}}))
    cache.upsert("Dataset", a_body("b", uid="b", source={"claim": {"name": "photos"}}))
    cache.upsert("Dataset", a_body("c", uid=UID))
    kind = DatasetKind(a_world(), cache)

    def interested(name: str, namespace: str = "lab", of: str = "PersistentVolumeClaim") -> set[str]:
        found = kind.interested(of, {"metadata": {"name": name, "namespace": namespace}})
        return {uid for kind_name, uid in found if kind_name == names.DATASET_KIND}

    assert interested("photos") == {"a", "b"}
    assert interested("photos", "elsewhere") == set()
    assert interested("photos", of="Pod") == set()
    assert interested(names.claim_name("c", UID)) == {UID}
