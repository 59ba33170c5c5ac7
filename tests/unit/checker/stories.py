"""What happens in stand.py's world before the checker looks: each story comes to rest and gives a snapshot."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from blueno import names
from tests.checker import Canary, Snapshot
from tests.unit.checker.stand import Stand

PASSWORD = "canary-0d9f4f2a6b"


async def settled(stand: Stand) -> Snapshot:
    """Two data sets in two namespaces, and a run on one of them."""
    stand.dataset()
    stand.dataset("retina-2019", "clinic")
    stand.run()
    await stand.rest()
    return stand.snapshot()


async def a_new_version(stand: Stand) -> Snapshot:
    before = await settled(stand)
    change(stand, file="b.tar")
    await stand.rest()
    return stand.snapshot(before)


async def changed_while_it_prepares(stand: Stand) -> Snapshot:
    stand.node.held = lambda job: True
    stand.dataset()
    await stand.rest()
    change(stand, file="b.tar")
    await stand.rest()
    return stand.snapshot()


async def job_deleted_by_hand(stand: Stand) -> Snapshot:
    stand.node.held = lambda job: True
    stand.dataset()
    await stand.rest()
    before = stand.snapshot()
    stand.api.remove("Job", the_job(stand)["metadata"]["name"])
    await stand.rest()
    stand.node.held = lambda job: False
    await stand.rest()
    return stand.snapshot(before)


async def job_deleted_and_its_pod_goes_on(stand: Stand) -> Snapshot:
    stand.node.held = lambda job: True
    stand.node.collects = False
    stand.dataset()
    await stand.rest()
    job = the_job(stand)
    stand.node.start(job)
    stand.api.remove("Job", job["metadata"]["name"])
    await stand.rest()
    return stand.snapshot()


async def deleted(stand: Stand, policy: str = "Delete") -> Snapshot:
    """A data set on a directory of a node, and one on a claim of its own."""
    stand.dataset(storage={"hostPath": {"path": "/data"}}, reclaimPolicy=policy)
    stand.dataset("fashion", reclaimPolicy=policy)
    await stand.rest()
    before = stand.snapshot()
    assert len(before.directories or ()) == 2
    for name in ("mnist", "fashion"):
        stand.api.remove(names.DATASET_KIND, name)
    await stand.rest()
    after = stand.snapshot(before)
    return replace(after, taken=after.taken + timedelta(hours=1))


async def kept(stand: Stand) -> Snapshot:
    return await deleted(stand, "Retain")


async def deleted_and_made_again(stand: Stand) -> Snapshot:
    """Under the same names, at once."""
    stand.dataset("mnist")
    stand.run("mnist", datasets=[])
    await stand.rest()
    before = stand.snapshot()
    for kind in (names.DATASET_KIND, names.TRAINING_RUN_KIND):
        stand.api.remove(kind, "mnist")
    stand.dataset()
    stand.run("mnist")
    await stand.rest()
    return stand.snapshot(before)


async def a_failed_run(stand: Stand) -> Snapshot:
    """Its program prints a password before it fails."""
    stand.node.exit_code, stand.node.words = 1, f"connecting with password={PASSWORD}\nKeyError: 'x'"
    stand.dataset()
    stand.run()
    await stand.rest()
    snapshot = stand.snapshot()
    # The kubelet's own record of it is not ours to scrub: it goes with the pod.
    return replace(snapshot, canaries=(Canary(PASSWORD, ("Pod lab/train",)),))


async def a_run_before_its_data_set(stand: Stand) -> Snapshot:
    stand.node.held = lambda job: job["metadata"]["labels"][names.ROLE_LABEL] == names.ROLE_PREPARE
    stand.dataset()
    stand.run()
    await stand.rest()
    return stand.snapshot()


async def a_run_whose_job_is_removed_afterwards(stand: Stand) -> Snapshot:
    stand.dataset()
    stand.run()
    await stand.rest()
    before = stand.snapshot()
    for job in stand.api.all("Job"):
        stand.api.remove("Job", job["metadata"]["name"])
    await stand.rest()
    return stand.snapshot(before)


async def too_many_bad_samples(stand: Stand) -> Snapshot:
    """Their names are long, and so is what is said of them."""
    stand.dataset(file="bad.tar", prepare={"maxBadSamples": 0})
    await stand.rest()
    return stand.snapshot()


async def two_on_one_directory(stand: Stand) -> Snapshot:
    """Of the second nothing is written: it says whose directory it is."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    stand.api.put(
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "shared", "namespace": "lab"},
            "spec": spec,
            "status": {},
        }
    )
    storage = {"existingClaim": {"name": "shared"}, "subPath": "sets/one"}
    stand.dataset(storage=storage)
    await stand.rest()
    before = stand.snapshot()
    stand.dataset("other", file="b.tar", storage=storage)
    await stand.rest()
    return stand.snapshot(before)


def change(stand: Stand, name: str = "mnist", file: str = "b.tar") -> None:
    """Another source for a data set."""
    source = {"archive": {"files": [{"url": f"file:///{file}"}], "allowUnverified": True}}
    stand.api.update(names.DATASET_KIND, name, {"spec": {"source": source}})


def the_job(stand: Stand) -> dict[str, Any]:
    (job,) = stand.api.all("Job")
    return job
