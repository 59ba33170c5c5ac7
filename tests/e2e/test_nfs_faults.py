"""NFS servers that go away: while a version is prepared, read, looked at, and while its namespace is deleted."""

from __future__ import annotations

import time

import pytest

from tests.e2e.kube import Kube, container, kill_containers
from tests.e2e.mirror import Mirror
from tests.e2e.nfs_datasets import MANAGED, STORAGE, SYSTEM, TENANT, on, servers
from tests.e2e.nfs_readers import reader, reading_run, result, what
from tests.e2e.nfs_server import NfsServer
from tests.e2e.nfs_volumes import begun, tell
from tests.e2e.runs import log_of, pods_of, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_faults import running_pod
from tests.e2e.test_path import claim, digest_of
from tests.e2e.web import Web, wait_indexed

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(1200)]

AWAY = 4.0  # seconds
DELETED = 60.0  # seconds for a namespace with Datasets


def test_two_readers_and_a_run_while_the_server_is_killed(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(3000, size=32)
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=on(exports)))
    ready = space.wait_ready("pictures")
    until = (15, "told")
    space.apply(reader("one", ready, *until), reader("two", ready, *until), reading_run("trains", "pictures", *until))
    wait_reason(space, "trains", "Running")
    (trained,) = pods_of(space, "trains")
    readers = ("one", "two", trained["metadata"]["name"])
    for name in readers:
        begun(space, name)
    exports.kill()
    time.sleep(AWAY)
    exports.start()
    for name in readers:
        tell(space, name)
    seen = [result(space, name) for name in ("one", "two")]
    wait_reason(space, "trains", "Completed", 300)
    seen.append(what(log_of(space, trained["metadata"]["name"])))
    assert status_of(space, "trains")["restarts"] == 0
    print(f"NFS client {space.nfs_client}: {seen}")
    assert {each["digest"] for each in seen} == {digest_of(ready)}
    assert all(each["samples"] == 3000 and each["rounds"] > 1 for each in seen)
    assert all(each["worst"] > AWAY - 1 for each in seen), "the fault fired while all were reading"


def test_two_readers_while_the_managed_server_is_killed(space: Kube, mirror: Mirror) -> None:
    content = class_folders(3000, size=32)
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=MANAGED))
    ready = space.wait_ready("pictures", 400)
    space.apply(reader("one", ready, 15, "told"), reader("two", ready, 15, "told"))
    for each in ("one", "two"):
        begun(space, each)
    name = servers(space)[0]["metadata"]["name"]
    storage = space.inside(STORAGE)
    first = storage.get("pod", f"{name}-0")
    assert kill_containers(first) > 0
    storage.wait("it is started again", lambda: container(storage.get("pod", f"{name}-0")).get("restartCount") == 1)
    for each in ("one", "two"):
        tell(space, each)
    seen = [result(space, each) for each in ("one", "two")]
    assert {each["digest"] for each in seen} == {digest_of(ready)}


def test_managed_server_taken_apart_is_made_again(space: Kube, mirror: Mirror) -> None:
    """Its data stay on their claim, its Service gets the address that the volumes name."""
    content = class_folders(40)
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=MANAGED))
    ready = space.wait_ready("pictures", 400)
    service = servers(space, "service")[0]
    storage = space.inside(STORAGE)
    for kind in ("statefulset", "service"):
        storage.run("delete", kind, servers(space)[0]["metadata"]["name"] if kind == "statefulset" else
                    service["metadata"]["name"], "--timeout=180s")  # fmt: skip
    space.wait("both again", lambda: servers(space) and servers(space, "service"))
    assert servers(space, "service")[0]["spec"]["clusterIP"] == service["spec"]["clusterIP"]
    space.apply(reader("one", ready, 1))
    assert result(space, "one", 400)["digest"] == digest_of(ready)


def test_managed_server_without_its_data_is_lost_and_the_pages_stay(space: Kube, mirror: Mirror, web: Web) -> None:
    """Nobody puts an empty volume in the place of one that held a version."""
    content = class_folders(40)
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=MANAGED))
    wait_indexed(space, "pictures")
    storage, name = space.inside(STORAGE), servers(space)[0]["metadata"]["name"]
    (claim_name,) = [each["metadata"]["name"] for each in storage.list("pvc", f"{TENANT}={space.namespace}")]
    storage.run("delete", "pvc", claim_name, "--wait=false")
    space.wait("a warning", lambda: "is being deleted" in space.condition("pictures", "Ready")["message"])
    assert space.condition("pictures", "Ready")["status"] == "True", "it can still be read, and copied"
    storage.run("delete", "pod", f"{name}-0", "--grace-period=1")  # the last that held the claim
    storage.wait("the claim gone", lambda: not storage.get("pvc", claim_name))
    assert claim_name in space.wait_reason("pictures", "VolumeLost")["message"]
    path, slowest = web.dataset(space, "pictures"), 0.0
    for page in ("/api/v1/datasets", path, f"{path}/samples") * 5:
        started = time.monotonic()
        assert web.ask(page).status == 200, page
        slowest = max(slowest, time.monotonic() - started)
    print(f"slowest page without the data: {slowest:.2f} s")
    assert space.condition("pictures", "Ready")["reason"] == "VolumeLost"
    assert not storage.list("pvc", f"{TENANT}={space.namespace}"), "nothing empty in its place"


def test_server_killed_while_a_version_is_prepared(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(1200, size=32)
    url = mirror.put("p.tar", content)
    space.apply(archive_dataset("reference", url, content, storage=on(exports)))
    expected = digest_of(space.wait_ready("reference"))
    mirror.delay = 0.5
    space.apply(archive_dataset("victim", url, content, storage=on(exports)))
    space.wait("a running pod", lambda: running_pod(space), every=0.1)
    for _ in range(2):
        time.sleep(2)
        exports.kill()
        time.sleep(AWAY)
        exports.start()
    mirror.delay = 0.0
    ready = space.wait_ready("victim", 400)
    assert digest_of(ready) == expected
    assert ready["status"]["work"]["attempt"] == 1, "nobody made another pod"


def test_gallery_stays_fast_while_the_server_is_away(space: Kube, exports: NfsServer, mirror: Mirror, web: Web) -> None:
    content = class_folders(60)
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=on(exports)))
    wait_indexed(space, "pictures")
    path = web.dataset(space, "pictures")
    web.pixels(f"{path}/sheet", rows="0-9", cell=32, columns=10)
    exports.kill()
    try:
        slowest = 0.0
        for number in range(20):
            for page in ("/api/v1/datasets", path, f"{path}/samples"):
                started = time.monotonic()
                assert web.ask(page).status == 200, page  # one that hung with the server would never come
                slowest = max(slowest, time.monotonic() - started)
            if number % 5 == 0:  # pictures may not come, but must not take the pages with them
                started = time.monotonic()
                answer = web.ask(f"{path}/sheet?rows=10-{20 + number}&cell=32&columns=10", seconds=120)
                print(f"a sheet without its server: {answer.status} after {time.monotonic() - started:.1f} s")
        print(f"slowest page while the server is away: {slowest:.2f} s")
        assert slowest < 10.0, "pages hang with the server"
    finally:
        exports.start()
    web.pixels(f"{path}/sheet", rows="0-59", cell=32, columns=10)


def every_kind(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    """A Ready Dataset of every storage kind, kept and erased."""
    place = f"/var/lib/blueno/volumes/hostpath-{space.namespace}"
    space.hack("exec", "--", "install", "-d", "-m", "1777", place)
    space.apply(claim("mine"))
    kinds = {
        "template": {"claimTemplate": {"storageClassName": "blueno-local", "size": "1Gi"}},
        "existing": {"existingClaim": {"name": "mine"}},
        "node": {"hostPath": {"path": place}},
        "nfs": on(exports),
        "managed": MANAGED,
    }
    content = class_folders(20)
    url = mirror.put("p.tar", content)
    names = []
    for kind, storage in kinds.items():
        for policy in ("Retain", "Delete"):
            names.append(f"{kind}-{policy.lower()}")
            space.apply(archive_dataset(names[-1], url, content, storage=storage, reclaimPolicy=policy))
    for name in names:
        space.wait_ready(name, 400)


def gone(space: Kube, what: str) -> bool:
    return not space.run("get", what, "--ignore-not-found", "-o", "name").strip()


def test_namespace_with_every_kind_goes_away(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    every_kind(space, exports, mirror)
    started = time.monotonic()
    space.run("delete", "namespace", space.namespace, f"--timeout={DELETED:.0f}s")
    print(f"namespace with ten Datasets deleted in {time.monotonic() - started:.1f} s")
    assert len(servers(space)) == 1, "the managed server and its data stay"
    left = [pv["metadata"]["name"] for pv in space.list("pv") if
            (pv["spec"].get("claimRef") or {}).get("namespace") == space.namespace
            and pv["metadata"]["name"].startswith("blueno-")]  # fmt: skip
    space.wait("its static volumes gone", lambda: all(gone(space, f"pv/{name}") for name in left))


def test_namespace_goes_away_soon_after_the_operator_is_back(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    every_kind(space, exports, mirror)
    system = space.inside(SYSTEM)
    system.run("scale", "deployment/blueno-operator", "--replicas=0")
    try:
        space.wait("the operator gone", lambda: not system.list("pods", "app.kubernetes.io/component=operator"))
        space.run("delete", "namespace", space.namespace, "--wait=false")
        time.sleep(5)
        assert not gone(space, f"namespace/{space.namespace}"), "erasing waits for the operator"
    finally:
        system.run("scale", "deployment/blueno-operator", "--replicas=1")
    started = time.monotonic()
    space.wait("the namespace gone", lambda: gone(space, f"namespace/{space.namespace}"), DELETED)
    print(f"gone {time.monotonic() - started:.1f} s after the operator was started")
