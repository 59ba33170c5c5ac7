"""controllers/dataset/managed.py: a larger size is asked of the server's claim, once, and what became of it is told."""

from __future__ import annotations

from typing import Any

import pytest

from blueno import names
from tests.make import UID, a_status, before, rfc3339
from tests.unit.controllers.dataset.server_objects import (
    LIES_THERE,
    NAME,
    PLACE,
    a_cache,
    claim,
    planned,
    runner,
    service,
    volume,
)
from tests.unit.controllers.dataset.steps import deeds

GOING = {"metadata": {"deletionTimestamp": rfc3339(before(5))}}
LARGER = {"storage": {"managedNFS": {"size": "50Gi"}}}
ASKED = {"metadata": {"labels": {names.ASKED_SIZE: "50Gi"}}}
GRANTED = {"spec": {"resources": {"requests": {"storage": "50Gi"}}}}
NOTED = f"wish PersistentVolumeClaim {NAME} {{'metadata': {{'labels': {{'{names.ASKED_SIZE}': '50Gi'}}}}}}"
GROW = f"wish PersistentVolumeClaim {NAME} {{'spec': {{'resources': {{'requests': {{'storage': '50Gi'}}}}}}}}"
SEEN = a_status("Sealed")


@pytest.mark.parametrize(
    ("when", "held", "dataset", "wishes"),
    [
        ("no more than it has", claim(), LIES_THERE, []),
        ("a larger size", claim(), LARGER, [NOTED, GROW]),
        ("the same in other words", claim(), {"storage": {"managedNFS": {"size": "20480Mi"}}}, []),
        ("not before it is bound: the API server would refuse", claim("Pending"), LARGER, []),
        ("not while it is being deleted", claim(**GOING), LARGER, []),
        ("it was asked for", claim(**ASKED), LARGER, []),
        ("and granted", claim(**GRANTED, **ASKED), LARGER, []),
        ("the spec was edited since", claim(**ASKED), LARGER | {"meta": {"generation": 2}}, [NOTED, GROW]),
    ],
)
def test_growth(when: str, held: dict[str, Any], dataset: dict[str, Any], wishes: list[str]) -> None:
    step, _ = planned(a_cache(held, service(), runner()), status=SEEN, **dataset)
    assert [deed for deed in deeds(step) if deed.startswith("wish")] == wishes, when


@pytest.mark.parametrize(
    ("held", "size", "says"),
    [
        (claim(), "20Gi", "has 20Gi"),
        (claim(), "50Gi", "has 20Gi; 50Gi is asked for"),
        (
            claim(**ASKED), "50Gi",
            "has 20Gi; 50Gi was refused: the class fast needs allowVolumeExpansion, a quota may forbid it",
        ),
        (claim(**GRANTED), "50Gi", "has 20Gi and grows to 50Gi, which its provisioner has yet to do"),
        (
            claim(**GRANTED, status={"conditions": [
                {"type": "Resizing", "status": "True", "message": "disk quota"}, {"type": "Old", "status": "False"}]}),
            "50Gi", "has 20Gi and grows to 50Gi, which its provisioner has yet to do: Resizing: disk quota",
        ),
        (claim(capacity="50Gi", **GRANTED), "50Gi", "has 50Gi"),
    ],
)  # fmt: skip
def test_what_is_said_of_growth(held: dict[str, Any], size: str, says: str) -> None:
    own = {"kind": "PersistentVolumeClaim", "metadata": {"name": names.claim_name("mnist", UID), "namespace": "lab"}}
    own["metadata"] |= {"uid": "own", "labels": {names.OWNER_UID: UID}}
    bound = {**own, "spec": {"volumeName": names.volume_name(UID)}, "status": {"phase": "Bound"}}
    cache = a_cache(held, service(), runner(), bound, volume())
    _, conditions = planned(cache, storage={"managedNFS": {"size": size}})
    name = own["metadata"]["name"]
    assert conditions["VolumeReady"]["message"] == f"claim {name} is bound; its NFS server {NAME} in {PLACE} {says}"
