"""From `kubectl apply` of Samples to the working set and out of it again, on real kopf with real ingest processes."""

from __future__ import annotations

import asyncio
import signal

from blueno import names
from tests.loop.conftest import World
from tests.loop.hearing import events_of, heard_of
from tests.loop.samples import SAMPLE, a_lab, a_sample_manifest, png


async def test_a_sample_costs_two_writes_and_one_job(world: World) -> None:
    async with a_lab(world) as lab:
        uri = lab.picture("one.png")
        applied = lab.add("one", uri=uri, label=7, split="train", metadata={"site": "A"})
        await lab.until_said("one", "Available")
        await world.settled()
        body = world.api.read(SAMPLE, "one")
        assert body["spec"] == applied["spec"]
        assert set(body["metadata"]) - set(applied["metadata"]) == {"finalizers", "ownerReferences"}
        assert body["metadata"]["finalizers"] == [names.ERASE_FINALIZER]
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("Dataset", "mnist", False)
        assert [line.split()[0:2] for line in lab.writes()] == [
            ["PATCH", "samples/one"], ["POST", "jobs"], ["PATCH", "samples/one/status"],
        ]  # fmt: skip
        status = body["status"]
        assert (status["samples"], status["key"], status["shape"], status["dtype"]) == (1, "one", "8x8x3", "uint8")
        assert lab.said("one", "Reconciling")[0] == lab.said("one", "Stalled")[0] == "False"
        record = lab.server.records["one"]
        assert (record["label"], record["split"], record["metadata"]) == (7, "train", {"site": "A"})
        assert record["by"] == f"sample:{body['metadata']['uid']}"
        assert record["data"] == png(7)
        assert status["digest"] == record["sha256"]


async def test_many_at_once_are_one_job_and_two_writes_each(world: World) -> None:
    count = 400
    async with a_lab(world) as lab:
        for number in range(count):
            lab.add(f"s{number}", uri=lab.picture(f"{number}.png", number))
        await world.until(lambda: len(lab.server.records) == count, "all are in", 60)
        await world.until(lambda: all(lab.said(f"s{n}")[0] == "True" for n in range(count)), "all are Ready", 60)
        await world.settled()
        assert len(lab.pods.jobs) == 1
        writes = [line for line in lab.writes() if "samples/" in line]
        assert len(writes) == 2 * count
        assert len([request for request in lab.server.requests if "bundles" in request[1]]) < count / 10

        for number in range(count):  # in one removal, or a few
            world.api.remove(SAMPLE, f"s{number}")
        await lab.until_gone(*(f"s{n}" for n in range(count)), seconds=60)
        assert not lab.server.records
        assert len([request for request in lab.server.requests if "removals" in request[1]]) < count / 10
        assert not lab.server.purged


async def test_what_is_wrong_is_said_of_each_alone(world: World) -> None:
    async with a_lab(world) as lab:
        good = lab.picture("good.png")
        (lab.pods.folder / "volume" / "bad.png").write_bytes(png(1)[:40])
        lab.add("good", uri=good)
        lab.add("bad", uri="file:///bad.png")
        lab.add("missing", uri="file:///missing.png")
        lab.add("outside", uri="file:///../../etc/passwd")
        lab.add("private", uri="http://169.254.169.254/latest/meta-data")
        lab.add("sum", uri=good, sha256="0" * 64)
        lab.add("flat", uri=good, mediaType="volume3D")
        lab.add("secret", uri="https://example.org/a.png", secretRef={"name": "nowhere"})
        lab.add("taken", uri=lab.picture("other.png", 99), key="good")
        wanted = {
            "good": ("True", "Available"),
            "bad": ("False", "BadSample"),
            "missing": ("False", "SourceNotFound"),
            "outside": ("False", "SourceNotAllowed"),
            "private": ("False", "SourceNotAllowed"),
            "sum": ("False", "ChecksumMismatch"),
            "flat": ("False", "BadSample"),
            "secret": ("False", "SecretNotFound"),
            "taken": ("False", "KeyConflict"),
        }
        await world.until(lambda: {name: lab.said(name) for name in wanted} == wanted, "each has its reason", 40)
        stalled = {name for name in wanted if lab.said(name, "Stalled")[0] == "True"}
        assert stalled == set(wanted) - {"good", "secret"}
        assert lab.said("secret", "Reconciling")[0] == "True"
        assert lab.status("bad")["rejected"] == {"count": 1, "first": [{"key": "bad", "code": "Truncated"}]}
        assert set(lab.server.records) == {"good"}


async def test_deleted_while_the_operator_is_down(world: World) -> None:
    async with a_lab(world) as lab:
        for name in ("stays", "goes", "purged"):
            lab.add(name, uri=lab.picture(f"{name}.png", len(name)), purgeOnDelete=name == "purged")
            await lab.until_said(name, "Available")
        await world.operators[0].stop(signal.SIGKILL)
        world.api.remove(SAMPLE, "goes")
        world.api.remove(SAMPLE, "purged")
        await asyncio.sleep(0.3)
        assert set(lab.server.records) == {"stays", "goes", "purged"}
        await lab.operate()
        await lab.until_gone("goes", "purged")
        assert set(lab.server.records) == {"stays"}
        assert lab.server.purged == ["purged"]


async def test_a_manifest_of_many(world: World) -> None:
    async with a_lab(world) as lab:
        lines = [f"{lab.picture(f'{n}.png', n)},{n % 10},train\n" for n in range(120)]
        lines[7] = "file:///nowhere.png,1,train\n"
        folder = lab.pods.folder / "manifests" / "lists"
        folder.mkdir()
        (folder / "new.csv").write_text("uri,label,split\n" + "".join(lines))
        lab.add("many", manifest={"configMapRef": {"name": "lists", "key": "new.csv"}}, group="batch-1")
        await lab.until_said("many", "PartlyAvailable")
        status = lab.status("many")
        assert (status["samples"], status["rejected"]["count"]) == (119, 1)
        assert status["rejected"]["first"] == [{"key": "line 9: nowhere.png", "code": "SourceNotFound"}]
        assert lab.server.records["3.png"]["label"] == 3
        assert {record["group"] for record in lab.server.records.values()} == {"batch-1"}

        (folder / "new.csv").write_text("uri,label,split\n" + "".join(lines[:50]).replace(",3,", ",33,"))
        again = {"metadata": {"annotations": {names.REQUESTED_AT: "2026-11-29T03:00:00Z"}}}
        world.api.update(SAMPLE, "many", again)
        await world.until(lambda: lab.status("many").get("lastHandledRequest") is not None, "it was read again")
        assert len(lab.server.records) == lab.status("many")["samples"] == 49
        assert lab.server.records["3.png"]["label"] == 33
        world.api.remove(SAMPLE, "many")
        await lab.until_gone("many")
        assert not lab.server.records


async def test_with_the_dataset_they_are_released_at_once(world: World) -> None:
    async with a_lab(world) as lab:
        for number in range(20):
            lab.add(f"s{number}", uri=lab.picture(f"{number}.png", number))
        for number in range(20):
            await lab.until_said(f"s{number}", "Available")
        jobs = len(lab.pods.jobs)
        await world.settled(0.5)
        before = await events_of(world.operators[0])
        world.api.remove("Dataset", "mnist")
        await heard_of(world.operators[0], "Dataset", before)  # else a Sample's end may be heard before the Dataset's
        for number in range(20):  # as the garbage collector does
            world.api.remove(SAMPLE, f"s{number}")
        await lab.until_gone(*(f"s{n}" for n in range(20)))
        await world.settled(0.5)
        assert len(lab.pods.jobs) == jobs
        assert len(lab.server.records) == 20


async def test_a_dataset_that_comes_later(world: World) -> None:
    async with a_lab(world) as lab:
        lab.world.api.put(a_sample_manifest("early", "cifar", uri=lab.picture("a.png")))
        await lab.until_said("early", "DatasetNotFound")
        assert "finalizers" not in world.api.read(SAMPLE, "early")["metadata"]
        world.api.remove(SAMPLE, "early")  # nothing of it is anywhere: it goes without a word
        await lab.until_gone("early")
        lab.world.api.put(a_sample_manifest("early", "cifar", uri=lab.picture("a.png")))
        await lab.until_said("early", "DatasetNotFound")
        await world.ready("cifar")
        lab.server.dataset = world.api.read("Dataset", "cifar")["metadata"]["uid"]
        await lab.until_said("early", "Available")
        assert set(lab.server.records) == {"early"}
