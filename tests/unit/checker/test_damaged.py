"""What other bugs would leave: objects and files of a sound world, damaged one at a time, are each found."""

from __future__ import annotations

import asyncio
import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blueno import names
from tests.checker import Canary, Invariant, Objects, Snapshot, assert_sound, judge
from tests.checker.finding import report
from tests.checker.gather.volume import gather_volume
from tests.unit.checker import stories
from tests.unit.checker.stand import a_stand

Body = dict[str, Any]
World = dict[str, list[Body]]  # objects by kind, to be changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stand")


@pytest.fixture(scope="module")
def sound(folder: Path) -> Snapshot:
    """Two data sets and a run, at rest; the same moment is also what was before."""

    async def make() -> Snapshot:
        async with a_stand(folder) as stand:
            return assert_sound(await stories.settled(stand))

    snapshot = asyncio.run(make())
    return replace(snapshot, before=snapshot)


def dataset(world: World) -> Body:
    return next(body for body in world["Dataset"] if body["metadata"]["name"] == "mnist")


def run(world: World) -> Body:
    return world["TrainingRun"][0]


def job(world: World, role: str = names.ROLE_TRAIN) -> Body:
    return next(j for j in world["Job"] if j["metadata"]["labels"][names.ROLE_LABEL] == role)


def say(body: Body, kind: str, **fields: str) -> None:
    """Change a condition."""
    next(c for c in body["status"]["conditions"] if c["type"] == kind).update(fields)


def leave(world: World, reason: str, message: str = "m") -> None:
    """The Dataset has been on its way out for long."""
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [names.ERASE_FINALIZER]}
    dataset(world)["metadata"].update(meta)
    say(dataset(world), "Ready", status="False", reason=reason, message=message)
    world["TrainingRun"].clear()
    world["Job"][:] = [j for j in world["Job"] if j["metadata"]["labels"][names.ROLE_LABEL] != names.ROLE_TRAIN]
    world["Pod"][:] = [p for p in world["Pod"] if p["metadata"]["labels"][names.ROLE_LABEL] != names.ROLE_TRAIN]


def wait(world: World, reason: str, **fields: str) -> None:
    """The run waits, and no Job is there."""
    say(run(world), "Succeeded", status="Unknown", reason=reason, **fields)
    world["Job"].remove(job(world))
    world["Pod"][:] = [p for p in world["Pod"] if p["metadata"]["labels"][names.ROLE_LABEL] != names.ROLE_TRAIN]


def live_again(world: World) -> None:
    """The Job of a run that is over."""
    job(world)["status"] = {}


def made_anew(world: World) -> None:
    job(world)["metadata"]["uid"] = "another-uid"


def twice(world: World) -> None:
    again = copy.deepcopy(job(world))
    again["metadata"].update(name=again["metadata"]["name"].replace("-a1", "-b-a1"), uid="another-uid")
    world["Job"].append(again)


def event(world: World) -> None:
    source = {"component": names.OPERATOR}
    about = {"uid": dataset(world)["metadata"]["uid"]}
    text = 'File "/app/blueno/prep/pack.py", line 12, in run'
    meta = {"name": "e", "namespace": "lab"}
    world["Event"].append(
        {"kind": "Event", "metadata": meta, "source": source, "involvedObject": about, "message": text}
    )


P, D, F, E = Invariant.PROGRESS, Invariant.DELETION, Invariant.FENCING, Invariant.EARLY_TRUTH
H, T, B, R = Invariant.HONESTY, Invariant.TENANCY, Invariant.BOUNDS, Invariant.REPLAY
OBJECTS: dict[str, tuple[Callable[[World], Any], Invariant, str]] = {
    "a waiting run without a date": (
        lambda w: wait(w, "DatasetNotReady", lastTransitionTime=""), P, "without a date or a sentence"),
    "a run that nobody helps": (lambda w: wait(w, "Completed"), P, "which nothing but a person heals"),
    "a run that is Running without a Job": (lambda w: wait(w, "Running"), P, "neither a Job of that attempt nor a pod"),
    "a run that goes on though it is over": (live_again, P, "still runs"),
    "a run without an end": (lambda w: run(w)["status"].pop("completionTime"), P, "does not say since when"),
    "both flags": (
        lambda w: (say(dataset(w), "Stalled", status="True", reason="PrepFailed", message="m"),
                   say(dataset(w), "Reconciling", status="True", reason="Preparing")),
        P, "goes on and that it does not"),
    "a failed work without a word": (
        lambda w: dataset(w)["status"]["work"].update(outcome="Failed"), P, "nothing is Stalled"),
    "a deletion without a reason": (lambda w: leave(w, "Available"), D, "does not say what holds it up"),
    "held up by nobody": (lambda w: leave(w, "InUse"), D, "there is none that uses it"),
    "erased by nobody": (lambda w: leave(w, "Erasing"), D, "nobody does it"),
    "kopf's finalizer": (
        lambda w: dataset(w)["metadata"].update(finalizers=["kopf.zalando.org/KopfFinalizerMarker"]),
        D, "carries finalizer"),
    "a name used twice": (made_anew, F, "has the name of an earlier Job"),
    "one attempt twice": (twice, F, "2 Jobs are attempt 1"),
    "an attempt that status does not know": (lambda w: run(w)["status"].update(attempt=0), F, "its status knows of 0"),
    "an older version shown": (
        lambda w: dataset(w)["status"]["version"].update(sequence=7), F, "is the newest on its volume"),
    "a Job of nobody": (lambda w: job(w)["metadata"].update(ownerReferences=[]), F, "belongs to nobody"),
    "Ready that is gone": (
        lambda w: say(dataset(w), "Ready", status="False", reason="Preparing"), E, "was Ready and is not any more"),
    "Ready with another version": (
        lambda w: dataset(w)["status"]["version"].update(digest="f" * 64), E, "has not sealed"),
    "Indexed for another version": (
        lambda w: (say(dataset(w), "Indexed", status="True"),
                   dataset(w)["status"].update(index={"digest": "f", "rows": 1})),
        E, "is Indexed for another version"),
    "Completed with a pod that runs": (
        lambda w: (job(w)["status"].clear(), [p["status"].update(phase="Running") for p in w["Pod"]]),
        E, "its pods are Running"),
    "an end that changes": (
        lambda w: say(run(w), "Succeeded", status="False", reason="UserError"), R, "it had ended as"),
    "a failure of no list": (lambda w: run(w)["status"].update(failure={"reason": "Oops"}), H, "failed for 'Oops'"),
    "succeeded and failed": (
        lambda w: run(w)["status"].update(failure={"reason": "UserError"}), H, "succeeded and failed"),
    "a stack trace in an Event": (event, H, "tells people 'File"),
    "another namespace in a sentence": (
        lambda w: say(dataset(w), "Ready", message="waits for clinic/retina-2019"), T, "its status names clinic/"),
    "another's name in a sentence": (
        lambda w: run(w)["status"].update(summary={"datasets": "retina-2019"}), T, "its status names retina-2019"),
    "a status without a limit": (
        lambda w: dataset(w)["status"].update(note="x" * 9000), B, "more than 8192"),
    "a list without a limit": (
        lambda w: dataset(w)["status"].update(earlierVersions=["f" * 64] * 11), B, "has 11 entries"),
    "Jobs without a limit": (
        lambda w: w["Job"].extend(copy.deepcopy(job(w)) for _ in range(30)), B, "has 31 Jobs"),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_damaged_objects_are_found(sound: Snapshot, name: str) -> None:
    damage, invariant, says = OBJECTS[name]
    assert sound.objects is not None
    world = {kind: [copy.deepcopy(dict(body)) for body in bodies] for kind, bodies in sound.objects.by_kind.items()}
    damage(world)
    objects = Objects({kind: tuple(bodies) for kind, bodies in world.items()})
    found = judge(replace(sound, objects=objects, taken=sound.taken + timedelta(hours=1)))
    assert any(f.invariant == invariant and says in str(f) for f in found), report(found) or "nothing"


def change(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def first(root: Path, pattern: str) -> Path:
    return sorted(root.rglob(pattern))[0]


C = Invariant.CONSERVATION
FILES: dict[str, tuple[Callable[[Path], Any], Invariant, str]] = {
    "a bit that flipped": (
        lambda d: change(p := first(d, "data-*.arrow"), p.read_bytes().replace(b"IDAT", b"IDAU", 1)),
        C, "are not those of its row"),
    "a shard that is missing": (lambda d: first(d, "data-*.npy").unlink(), C, "is missing"),
    "a shard that was cut": (
        lambda d: change(p := first(d, "data-*.npy"), p.read_bytes()[:-1]), E, "which is not whole"),
    "a manifest that is missing": (lambda d: first(d, "manifest.json").unlink(), E, "is there without a manifest"),
    "a version that is missing": (lambda d: shutil.rmtree(first(d, "manifest.json").parent), E, "which is not there"),
    "a pointer that is missing": (lambda d: first(d, "works/*.json").unlink(), R, "the pointer of work"),
    "half a pointer": (lambda d: change(p := first(d, "works/*.json"), p.read_bytes()[:20]), E, "is no pointer"),
    "a link out of the directory": (
        lambda d: (first(d, "owner.json").parent / "works" / "x").symlink_to("/etc"), E, "is a link"),
    "an owner that is another": (
        lambda d: change(first(d, "owner.json"), b'{"datasetUid": "else"}'), E, "no directory is its own"),
    "an owner that is missing": (lambda d: first(d, "owner.json").unlink(), F, "belongs to nobody"),
    "a version moved elsewhere": (
        lambda d: (v := first(d, "manifest.json").parent).rename(v.with_name("0" * 16)), R, "and says that it is"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_found(sound: Snapshot, folder: Path, tmp_path: Path, name: str) -> None:
    damage, invariant, says = FILES[name]
    volumes = tmp_path / "volumes"
    shutil.copytree(folder / "volumes", volumes)
    (mine,) = [volume for volume in volumes.iterdir() if volume.name.startswith("mnist-")]
    damage(mine)
    directories = tuple(found for volume in sorted(volumes.iterdir()) for found in gather_volume(volume))
    found = judge(replace(sound, directories=directories))
    assert any(f.invariant == invariant and says in str(f) for f in found), report(found) or "nothing"


@pytest.mark.parametrize(
    "form", ["k3y/c+nary", "azN5L2MrbmFyeQ==", "czNyOmszeS9jK25hcnk=", "YWs6azN5L2MrbmFyeQ==", "k3y%2Fc%2Bnary"]
)
def test_a_secret_is_known_in_any_form(sound: Snapshot, form: str) -> None:
    """As it is, as base64 of it alone and behind other text, in a URL."""
    assert sound.objects is not None
    world = {kind: [copy.deepcopy(dict(body)) for body in bodies] for kind, bodies in sound.objects.by_kind.items()}
    job(world)["metadata"]["annotations"]["note"] = f"x{form}x"
    objects = Objects({kind: tuple(bodies) for kind, bodies in world.items()})
    told = replace(sound, objects=objects, canaries=(Canary("k3y/c+nary"),))
    assert [str(f.invariant) for f in judge(told)] == ["secrecy"]
    allowed = Canary("k3y/c+nary", ("Job lab/train",))
    assert_sound(replace(told, canaries=(allowed,)))
