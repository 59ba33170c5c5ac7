"""Data sets on ReadWriteOnce claims: all pods of the claim on one node, and no run on several."""

from __future__ import annotations

from typing import Any

import pytest

from blueno import names
from blueno.resources.api import CLAIMS
from controllers.cache import Cache
from controllers.dataset.users import waits_for_node
from tests.make import a_dataset
from tests.unit.controllers.training_run.test_run import RUNNING, unscheduled
from tests.unit.controllers.training_run.world import World

DATA = [{"name": "mnist"}, {"name": "digits"}]


def a_world_of(mode: str, **spec: Any) -> World:
    world = World(datasets=DATA, **spec)
    for name in ("mnist", "digits"):
        world.dataset(name)
    world.claim("mnist-claim", mode)
    world.claim("digits-claim", "ReadWriteMany")
    return world


def template(world: World) -> dict[str, Any]:
    world.settle()
    found: dict[str, Any] = world.job["spec"]["template"]
    return found


def test_pods_of_a_claim_that_one_node_has_go_to_that_node() -> None:
    made = template(a_world_of("ReadWriteOnce"))
    label = names.claim_label("mnist-claim")
    (term,) = made["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchExpressions"] == [{"key": label, "operator": "Exists"}]
    assert made["metadata"]["labels"][label] == ""  # else the first pod would find no node
    assert names.claim_label("digits-claim") not in made["metadata"]["labels"]


def test_it_goes_together_with_the_gpus_own_affinity() -> None:
    made = template(a_world_of("ReadWriteOnce", gpus={"count": 1, "product": "NVIDIA-L4"}))
    assert set(made["spec"]["affinity"]) == {"nodeAffinity", "podAffinity"}


@pytest.mark.parametrize("mode", ["ReadWriteMany", "ReadOnlyMany"])
def test_claims_for_many_nodes_bind_nothing(mode: str) -> None:
    made = template(a_world_of(mode, numNodes=2))
    assert "affinity" not in made["spec"]
    assert not [key for key in made["metadata"]["labels"] if key.startswith(names.claim_label("")[:18])]


def test_several_nodes_on_one_nodes_claim_are_refused_for_good() -> None:
    world = a_world_of("ReadWriteOnce", numNodes=2)
    step = world.settle()
    assert (step.apply, step.hold, world.condition("Succeeded")) == ((), (), ("False", "VolumeNotShared"))
    assert "claim mnist-claim of data set mnist is ReadWriteOnce" in step.message
    assert world.run["status"]["completionTime"]


def test_one_node_is_fine() -> None:
    assert template(a_world_of("ReadWriteOnce", numNodes=1))


def test_a_node_without_room_for_it_is_told_in_words() -> None:
    world = a_world_of("ReadWriteOnce", gpus={"count": 1, "product": "NVIDIA-L4"})
    world.settle()
    world.pod(world.job, **unscheduled("0/2 nodes are available: 2 node(s) didn't match pod affinity rules."))
    world.later(10)
    assert "claim is ReadWriteOnce" in world.settle().message
    assert world.condition("Succeeded") == ("Unknown", "Unschedulable")


@pytest.mark.parametrize(
    ("node", "status", "waits"),
    [("", {"phase": "Pending"}, True), ("node1", {"phase": "Pending"}, False), ("node1", RUNNING, False)],
)
def test_the_data_server_is_in_the_way_of_a_pod_without_a_node_only(
    node: str, status: dict[str, Any], waits: bool
) -> None:
    world = a_world_of("ReadWriteOnce")
    world.settle()
    world.pod(world.job, **status)["spec"] = {"nodeName": node} if node else {}
    cache = Cache()
    world.put(names.TRAINING_RUN_KIND, world.run)
    for (kind, _), body in world.objects.items():
        cache.upsert(kind, {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}})
    assert cache.named(CLAIMS.kind, "lab", "mnist-claim") is not None
    assert waits_for_node(cache, a_dataset("mnist")) is waits
    assert not waits_for_node(cache, a_dataset("other"))
