"""Data servers and the recorder's word, on real kopf: up while wanted, down after it, and never in the way."""

from __future__ import annotations

import signal
from typing import Any

from blueno import names
from tests.loop.conftest import Operator, World, a_dataset_manifest
from tests.loop.hearing import events_of, heard_of
from tests.make import sealed_outcome


def servers(world: World) -> list[tuple[str, int]]:
    return [(body["metadata"]["name"], body["spec"]["replicas"]) for body in world.api.all("Deployment")]


def replicas(world: World) -> list[int]:
    return [count for _, count in servers(world)]


async def look(world: World, operator: Operator) -> str:
    """Somebody looks at the data set; its uid."""
    uid = str(world.api.read("Dataset", "mnist")["metadata"]["uid"])
    await world.say(operator, names.WEB, "looked", {"datasets": [uid]})
    return uid


async def served(world: World, operator: Operator) -> str:
    """A Ready Dataset whose data server runs; its uid."""
    await world.ready()
    await world.settled()
    uid = await look(world, operator)
    await world.until(lambda: replicas(world) == [1], "the data server")
    await world.settled()
    return uid


async def test_up_after_a_look_and_down_after_a_while(world: World) -> None:
    operator = await world.at_work(BLUENO_SERVE_SECONDS="3")
    await world.ready()
    await world.settled()
    assert servers(world) == []
    status = world.api.read("Dataset", "mnist")["status"]
    uid = await look(world, operator)
    await world.until(lambda: servers(world) == [(names.data_server_name("mnist", uid), 1)], "the data server")
    await world.until(lambda: len(world.api.all("Service")) == 2, "its Service")
    await world.until(lambda: replicas(world) == [0], "nobody looks any more")
    await look(world, operator)
    await world.until(lambda: replicas(world) == [1], "somebody looks again")
    assert world.api.read("Dataset", "mnist")["status"] == status


async def test_what_somebody_deletes_comes_back_while_it_is_wanted(world: World) -> None:
    operator = await world.at_work()
    uid = await served(world, operator)
    name = names.data_server_name("mnist", uid)
    for kind in ("Deployment", "Service"):
        gone = world.api.read(kind, name)["metadata"]["uid"]
        world.api.remove(kind, name)

        def back(kind: str = kind, gone: str = gone) -> bool:
            found = [body["metadata"] for body in world.api.all(kind) if body["metadata"]["name"] == name]
            return bool(found) and found[0]["uid"] != gone

        await world.until(back, f"the {kind} is back")
    world.api.update("Deployment", name, {"spec": {"replicas": 0}})
    await world.until(lambda: replicas(world) == [1], "scaled back")


async def test_a_restart_leaves_a_running_one_alone_and_ends_it_in_time(world: World) -> None:
    first = await world.at_work()
    await served(world, first)
    await first.stop(signal.SIGKILL)
    world.api.requests.clear()
    second = await world.at_work()
    await world.settled(1.5)
    assert world.api.writes() == []
    assert replicas(world) == [1]
    await second.stop()
    await world.at_work(BLUENO_SERVE_SECONDS="2")
    await world.until(lambda: replicas(world) == [0], "it counts as looked at when the operator came, and no longer")


async def test_two_operators_at_once_do_not_quarrel_over_it(world: World) -> None:
    """Somebody told one of them; with one identity both believe that the Lease is theirs."""
    told = await world.at_work(BLUENO_SERVE_SECONDS="600")
    other = await world.at_work(BLUENO_SERVE_SECONDS="600")
    await world.ready()
    await world.settled()
    uid = world.api.read("Dataset", "mnist")["metadata"]["uid"]
    for round_ in range(2):
        world.api.requests.clear()
        await world.say(told, names.RECORDER, "index", {"dataset": uid})
        await world.until(lambda: replicas(world) == [1], "the data server")
        await world.settled(2.5)  # two sweeps of both
        assert replicas(world) == [1], other.log.read_text()[-2000:]
        assert len(scaled(world)) == round_, "the first time it is made, then it is woken"
        await world.say(told, names.RECORDER, "index/done", {"dataset": uid})
        await world.until(lambda: replicas(world) == [0], "the lease is given back")
        await world.settled(2.5)
        assert replicas(world) == [0]
        assert len(scaled(world)) == round_ + 1


def scaled(world: World) -> list[str]:
    """Writes to a Deployment that was there already."""
    return [seen.path for seen in world.api.writes() if "/deployments/" in seen.path]


async def test_a_new_image_reaches_a_running_data_server(world: World) -> None:
    first = await world.at_work()
    await served(world, first)
    await first.stop()
    await world.at_work(BLUENO_PREP_IMAGE="example.org/prep:2")

    def image() -> Any:
        return world.api.all("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["image"]

    await world.until(lambda: image() == "example.org/prep:2", "the new image")
    await world.settled(0.3)
    assert replicas(world) == [1]


async def test_on_deletion_the_data_server_goes_before_the_claim(world: World) -> None:
    operator = await world.at_work()
    world.api.put(a_dataset_manifest(reclaimPolicy="Delete"))
    job = await world.job()
    world.bind()
    world.run_pod(job)
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready")
    uid = await look(world, operator)
    await world.until(lambda: replicas(world) == [1], "the data server")
    labels = world.api.all("Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    meta = {"name": "server-pod", "namespace": "lab", "labels": labels}
    before = await events_of(operator)
    world.api.put({"kind": "Pod", "metadata": meta, "spec": {}, "status": {"phase": "Running"}})
    world.api.remove("Pod", f"{job['metadata']['name']}-x")
    await heard_of(operator, "Pod", before, more=2)  # the operator knows of its pod

    world.api.remove("Dataset", "mnist")
    await world.until(lambda: servers(world) == [], "the Deployment is deleted")
    await world.until(lambda: "data server" in ready_message(world), "its pod is waited for")
    await world.settled(0.5)
    assert len(world.api.all("PersistentVolumeClaim")) == 1
    world.api.remove("Pod", "server-pod")
    await world.until(lambda: not world.api.all("Dataset"), "the Dataset is gone")
    assert world.api.all("PersistentVolumeClaim") == []
    assert uid not in str(world.api.all("Deployment"))


async def test_a_data_server_that_cannot_be_made_costs_an_event_and_no_condition(world: World) -> None:
    operator = await world.at_work()
    await world.ready()
    await world.settled()
    status = world.api.read("Dataset", "mnist")["status"]
    world.api.fail = lambda verb, path: 403 if verb == "POST" and path.endswith("/deployments") else None
    await look(world, operator)
    events = await world.until(lambda: world.api.all("Event"), "a Warning Event")
    assert (events[0]["type"], events[0]["reason"]) == ("Warning", "DataServerRefused")
    await world.settled()
    assert world.api.read("Dataset", "mnist")["status"] == status
    assert len(world.api.all("Event")) == 1


async def test_a_taken_name_costs_an_event_and_no_condition(world: World) -> None:
    operator = await world.at_work()
    await world.ready()
    uid = str(world.api.read("Dataset", "mnist")["metadata"]["uid"])
    theirs = {"name": names.data_server_name("mnist", uid), "namespace": "lab"}
    world.api.put({"kind": "Deployment", "metadata": theirs, "spec": {"replicas": 3}})
    await look(world, operator)
    events = await world.until(lambda: world.api.all("Event"), "a Warning Event")
    assert "was not made for this object" in events[0]["message"]
    assert world.condition("Ready") == ("True", "Available")
    assert replicas(world) == [3]


async def test_the_recorder_reads_and_its_word_is_in_the_status(world: World) -> None:
    operator = await world.at_work()
    await world.ready()
    await world.settled()
    assert world.condition("Indexed") == ("False", "Waiting")
    uid = world.api.read("Dataset", "mnist")["metadata"]["uid"]
    asked = await world.say(operator, names.RECORDER, "index", {"dataset": uid})
    assert asked == {"granted": True, "retryAfterSeconds": 0}
    await world.until(lambda: replicas(world) == [1], "the data server")
    world.api.requests.clear()
    digest = sealed_outcome().digest
    report = {"dataset": uid, "digest": digest, "rows": 70000, "message": ""}
    for state, shown in (("Indexing", ("False", "Indexing")), ("Indexed", ("True", "Indexed"))):
        for _ in range(3):  # said again and again, written once
            await world.say(operator, names.RECORDER, "indexed", {**report, "state": state})
        await world.until(lambda shown=shown: world.condition("Indexed") == shown, state)  # type: ignore[misc]
    await world.say(operator, names.RECORDER, "index/done", {"dataset": uid})
    await world.until(lambda: replicas(world) == [0], "the lease is given back")
    written = [seen for seen in world.api.writes() if seen.path.endswith("/status")]
    assert len(written) == 2
    assert world.api.read("Dataset", "mnist")["status"]["index"] == {"digest": digest, "rows": 70000}
    assert world.condition("Ready") == ("True", "Available")

    await operator.stop(signal.SIGKILL)
    world.api.requests.clear()
    await world.at_work()
    await world.settled(1.5)
    assert world.api.writes() == []
    assert world.condition("Indexed") == ("True", "Indexed")


def ready_message(world: World) -> str:
    conditions = world.api.read("Dataset", "mnist")["status"]["conditions"]
    return next(str(c["message"]) for c in conditions if c["type"] == "Ready")
