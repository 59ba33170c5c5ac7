"""Datasets on NFS: on a server outside the cluster, and on one that the operator runs. Real mounts, real pods.

Servers that go away in the middle: test_nfs_faults.py. Mounts without the operator: test_nfs_server.py.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.kube import Kube
from tests.e2e.mirror import Mirror
from tests.e2e.nfs_datasets import (
    MANAGED,
    STORAGE,
    claim_of,
    directory,
    files_below,
    on,
    servers,
    tenant,
    volume_of,
)
from tests.e2e.nfs_readers import reader, result
from tests.e2e.nfs_server import SMALL, NfsServer
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_path import digest_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

MB = 1 << 20


def test_ready_on_a_server_outside(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(60)
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=on(exports)))
    ready = space.wait_ready("pictures")
    path = ready["status"]["volume"]["path"]
    uid = ready["metadata"]["uid"]
    assert path == f"{space.namespace}/pictures-{uid[:8]}", "two clusters on one export never meet"
    assert (directory(exports, ready) / "versions").is_dir()
    assert ready["status"]["volume"]["freeBytes"] > 0
    volume = volume_of(space, ready)
    assert volume["spec"]["nfs"] == {"server": exports.address, "path": "/exports/ml"}
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    space.apply(reader("one", ready, 1))
    assert result(space, "one")["digest"] == digest_of(ready)


def test_ready_on_a_managed_server_from_nothing(space: Kube, mirror: Mirror) -> None:
    assert servers(space) == []
    content = class_folders(60)
    url = mirror.put("p.tar", content)
    space.apply(archive_dataset("pictures", url, content, storage=MANAGED))
    ready = space.wait_ready("pictures", 400)
    assert len(servers(space)) == 1
    service = servers(space, "service")[0]
    assert volume_of(space, ready)["spec"]["nfs"] == {"server": service["spec"]["clusterIP"], "path": "/export"}
    # The second one shares the server, and is told apart by its directory.
    space.apply(archive_dataset("again", url, content, storage=MANAGED))
    again = space.wait_ready("again")
    assert len(servers(space)) == 1 and digest_of(again) == digest_of(ready)
    space.apply(reader("one", ready, 1), reader("two", again, 1))
    assert result(space, "one")["digest"] == result(space, "two")["digest"] == digest_of(ready)
    for name in ("pictures", "again"):
        space.run("delete", "dataset", name, "--timeout=180s")
    kept = space.inside(STORAGE).list("pvc", f"blueno.dev/tenant-namespace={space.namespace}")
    assert len(servers(space)) == len(kept) == 1, "server and data outlive the Datasets"


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_what_deletion_leaves_on_the_server(space: Kube, exports: NfsServer, mirror: Mirror, policy: str) -> None:
    content = class_folders(40)
    url = mirror.put("p.tar", content)
    space.apply(archive_dataset("stays", url, content, storage=on(exports)))
    space.apply(archive_dataset("goes", url, content, storage=on(exports), reclaimPolicy=policy))
    beside, ready = space.wait_ready("stays"), space.wait_ready("goes")
    there = directory(exports, ready)
    before, neighbour = files_below(there), files_below(directory(exports, beside))
    assert before
    space.run("delete", "dataset", "goes", "--timeout=180s")
    space.wait("its volume and claim gone", lambda: not volume_of(space, ready) and not claim_of(space, ready))
    if policy == "Retain":
        assert files_below(there) == before
    else:
        assert not there.exists()
    assert files_below(directory(exports, beside)) == neighbour, "nothing of anybody else is touched"


def test_kept_data_is_taken_over_without_preparation(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(60)
    url = mirror.put("p.tar", content)
    space.apply(archive_dataset("first", url, content, storage=on(exports)))
    first = space.wait_ready("first")
    space.run("delete", "dataset", "first", "--timeout=180s")
    space.wait("its volume gone", lambda: not volume_of(space, first))
    versions, asked = files_below(directory(exports, first) / "versions"), len(mirror.requests)
    storage = on(exports, subPath=first["status"]["volume"]["path"])
    space.apply(archive_dataset("second", url, content, storage=storage))
    second = space.wait_ready("second")
    assert second["status"]["version"] == first["status"]["version"]
    assert len(mirror.requests) == asked, "nothing is downloaded"
    assert files_below(directory(exports, second) / "versions") == versions, "nothing is prepared"


def test_another_clusters_directory_is_refused(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    """The same export, a directory that says it belongs to a Dataset of a cluster that is not this one."""
    content = class_folders(20)
    url = mirror.put("p.tar", content)
    space.apply(archive_dataset("first", url, content, storage=on(exports)))
    first = space.wait_ready("first")
    space.run("delete", "dataset", "first", "--timeout=180s")
    owner = directory(exports, first) / "owner.json"
    owner.write_text(json.dumps(json.loads(owner.read_text()) | {"clusterUid": "another"}))
    before = files_below(directory(exports, first))
    storage = on(exports, subPath=first["status"]["volume"]["path"])
    space.apply(archive_dataset("second", url, content, storage=storage))
    space.wait_reason("second", "AdoptionMismatch")
    assert files_below(directory(exports, first)) == before


def test_another_namespaces_directory_is_refused(
    cluster: Kube, space: Kube, exports: NfsServer, mirror: Mirror
) -> None:
    content = class_folders(20)
    url = mirror.put("p.tar", content)
    space.apply(archive_dataset("mine", url, content, storage=on(exports)))
    mine = space.wait_ready("mine")
    before = files_below(exports.large)
    with tenant(cluster) as thief:
        for number, path in enumerate((mine["status"]["volume"]["path"], f"{space.namespace}/new", "elsewhere")):
            thief.apply(archive_dataset(f"t{number}", url, content, storage=on(exports, subPath=path)))
            said = thief.wait_reason(f"t{number}", "StorageNotAllowed")
            assert thief.namespace in said["message"]
        outside_the_list = {"nfs": {"server": exports.address, "path": "/exports"}}
        thief.apply(archive_dataset("above", url, content, storage=outside_the_list))
        assert "BLUENO_ALLOWED_NFS" in thief.wait_reason("above", "StorageNotAllowed")["message"]
        assert thief.list("jobs") == [] and thief.list("pvc") == []
        assert files_below(exports.large) == before
        assert not (exports.large / thief.namespace).exists() and not (exports.large / "elsewhere").exists()


def test_full_volume_is_waited_for(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(4000, size=32)
    assert len(content) > 2 * MB
    exports.empty()
    filler = exports.fill(leave=1 * MB)
    try:
        space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=on(exports, SMALL)))

        def waits() -> dict:
            kinds = ("Ready", "Reconciling", "Stalled")
            conditions = [space.condition("pictures", kind) for kind in kinds]
            return next((c for c in conditions if c.get("reason") in ("WaitingForSpace", "NoSpace")), {})

        said = space.wait("it says that there is no space", waits, 240)
        print(said["reason"], said["message"])
        assert "MB" in said["message"] or "MiB" in said["message"], "needed and free bytes"
    finally:
        filler.unlink()
    ready = space.wait_ready("pictures", 400)
    assert ready["status"]["samples"] == 4000
    assert files_below(directory(exports, ready, small=True) / "staging") == {}, "nothing unfinished is left"


def test_disk_that_fills_in_the_middle(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(4000, size=32)
    exports.empty()
    mirror.delay = 0.25  # seconds of download, in which another writer comes
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=on(exports, SMALL)))

    def downloads() -> bool:
        try:
            return any(exports.small.rglob("staging/**/*"))
        except FileNotFoundError:  # something that went while it was looked at
            return False

    space.wait("the download", downloads, every=0.1)
    filler = exports.fill(leave=0)
    try:
        mirror.delay = 0.0
        space.wait("it noticed", lambda: "Space" in json.dumps(space.dataset("pictures").get("status", {})), 240)
    finally:
        filler.unlink()
    assert space.wait_ready("pictures", 400)["status"]["samples"] == 4000


def test_export_that_cannot_be_written_is_said(space: Kube, exports: NfsServer, mirror: Mirror) -> None:
    content = class_folders(20)
    url = mirror.put("p.tar", content)
    exports.stop()
    exports.start(read_only=True)
    try:
        space.apply(archive_dataset("pictures", url, content, storage=on(exports)))
        said = space.wait_reason("pictures", "VolumePermissionDenied")
        print(said["message"])
        assert "read-only" in said["message"].lower()
    finally:
        exports.stop()
        exports.start()
    space.wait_ready("pictures", 400)


def test_wrong_export_is_said_in_words(space: Kube, cluster: Kube, exports: NfsServer, mirror: Mirror) -> None:
    """Allowed, but the server does not have it."""
    content = class_folders(20)
    storage = {"nfs": {"server": exports.address, "path": "/exports/ml/nothing"}}
    space.apply(archive_dataset("pictures", mirror.put("p.tar", content), content, storage=storage))

    def said() -> str:
        message = str(space.condition("pictures", "Ready").get("message", ""))
        return message if "cannot mount" in message else ""

    message = space.wait("the kubelet's words", said, 240)
    assert f"{exports.address}:/exports/ml/nothing" in message and "/var/lib/kubelet" not in message
