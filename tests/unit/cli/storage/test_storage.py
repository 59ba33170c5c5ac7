"""`blueno storage ls` and `rm`, with kubectl on a fake API server: what is used stays, what goes is named."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from blueno.cli import storage
from blueno.cli.shell import Exit
from controllers.objects.nfs_server import NfsServerShape, build_claim
from tests.fakes.api_server import ApiServer
from tests.make import a_body, a_world
from tests.unit.cli.conftest import TOP, Blueno
from tests.unit.cli.storage.objects import ADDRESS, BOTH, KINDS, left, put_dataset, put_volume


@BOTH
def test_ls(blueno: Blueno, cluster: ApiServer) -> None:
    put_dataset(cluster)
    put_volume(cluster, "pv-1", dataset="mnist")
    put_volume(cluster, "pv-2", csi={"driver": "x", "volumeAttributes": {"server": ADDRESS, "share": "/export"}})
    put_volume(cluster, "else", nfs={"server": "10.0.0.1", "path": "/export"})
    done = blueno("storage", "ls")
    assert done.exit_code == 0, done.stderr
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["NAMESPACE", "SERVER", "READY", "SIZE", "AGE", "USED", "BY"]
    assert first.split()[:4] == ["team-a", "nfs-team-a", "yes", "21Gi"]
    assert first.endswith("2: team-a/mnist,PersistentVolume pv-2")
    assert second.split()[:4] == ["team-b", "nfs-team-b", "yes", "21Gi"]
    assert len(second.split()) == 5


def test_ls_for_programs(blueno: Blueno, cluster: ApiServer) -> None:
    put_dataset(cluster)
    first, second = json.loads(blueno("storage", "ls", "-o", "json").stdout)
    assert first["usedBy"] == [{"what": "Dataset team-a/mnist", "why": "asks for it"}]
    assert (second["namespace"], second["size"], second["address"], second["usedBy"]) == (
        *("team-b", "21Gi", "10.96.0.8"),
        [],
    )
    assert blueno("storage", "ls", "-o", "name").exit_code == Exit.USAGE


@BOTH
def test_ls_with_few_rights(blueno: Blueno, cluster: ApiServer) -> None:
    cluster.fail = lambda verb, path: 403 if "persistentvolumes" in path else None
    done = blueno("storage", "ls")
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:]] == ["?", "?"]
    assert "(Forbidden)" in done.stderr
    assert json.loads(blueno("storage", "ls", "-o", "json").stdout)[0]["usedBy"] is None


def test_ls_of_nothing(blueno: Blueno, cluster: ApiServer) -> None:
    done = blueno("storage", "ls", "--storage-namespace", "elsewhere")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no managed NFS servers\n")


@BOTH
def test_rm(blueno: Blueno, cluster: ApiServer) -> None:
    put_dataset(cluster, "photos", storage={"claimTemplate": {"size": "1Gi"}})
    put_dataset(cluster, "theirs", "team-b")
    done = blueno("storage", "rm", "team-a", "--yes")
    assert (done.exit_code, done.stdout) == (0, "the NFS server of team-a is removed\n"), done.stderr
    assert (left(cluster), left(cluster, "team-b")) == ([], list(KINDS))
    removed = [seen for seen in cluster.writes() if seen.verb == "DELETE"]
    assert [seen.path.split("/")[-2] for seen in removed] == ["statefulsets", "services", "persistentvolumeclaims"]
    assert all(seen.body["preconditions"]["uid"] for seen in removed)
    assert blueno("storage", "rm", "team-a", "--yes").exit_code == Exit.NOT_FOUND


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda api: put_dataset(api), "Dataset team-a/mnist (asks for it)"),
        (lambda api: put_volume(api, "pv-1", dataset="mnist"), "Dataset team-a/mnist (volume pv-1)"),
        (lambda api: put_volume(api, "somebodys"), "PersistentVolume somebodys (volume somebodys)"),
        (
            lambda api: api.put(
                a_body("d", uid="d", meta={"namespace": "team-a"}, status={"resolved": {"storage": "managedNFS"}})
            ),
            "Dataset team-a/d (asks for it)",
        ),
    ],
    ids=["a Dataset without a volume yet", "a volume", "somebody's volume", "a Dataset by the default"],
)
def test_rm_of_what_is_used(blueno: Blueno, cluster: ApiServer, use: Any, says: str) -> None:
    use(cluster)
    done = blueno("storage", "rm", "team-a", "--yes")
    assert done.exit_code == Exit.CONFLICT
    assert says in done.stderr
    assert left(cluster) == list(KINDS)


def test_rm_when_the_service_is_gone_already(blueno: Blueno, cluster: ApiServer) -> None:
    """Its address is not known then: a volume of ours for that namespace counts."""
    cluster.remove("Service", "nfs-team-a", "blueno-storage")
    put_volume(cluster, "pv-1", dataset="mnist")
    assert blueno("storage", "rm", "team-a", "--yes").exit_code == Exit.CONFLICT
    cluster.remove("PersistentVolume", "pv-1", "")
    assert blueno("storage", "rm", "team-a", "--yes").exit_code == 0
    assert left(cluster) == []


def test_a_dataset_that_comes_meanwhile_keeps_the_data(blueno: Blueno, cluster: ApiServer) -> None:
    def come(seen: Any) -> None:
        if seen.verb == "DELETE" and "services" in seen.path:
            put_dataset(cluster)

    cluster.done = come
    done = blueno("storage", "rm", "team-a", "--yes")
    assert done.exit_code == Exit.CONFLICT
    assert "no data were removed" in done.stderr
    assert left(cluster) == ["PersistentVolumeClaim"]


@BOTH
def test_only_what_was_looked_at_is_removed(blueno: Blueno, cluster: ApiServer) -> None:
    def replace(seen: Any) -> None:
        if seen.verb == "DELETE" and "services" in seen.path:
            cluster.remove("PersistentVolumeClaim", "nfs-team-a", "blueno-storage")
            cluster.put(build_claim(NfsServerShape.of("team-a", "20Gi", a_world().config)))

    cluster.done = replace
    done = blueno("storage", "rm", "team-a", "--yes")
    assert done.exit_code == Exit.CONFLICT
    assert left(cluster) == ["PersistentVolumeClaim"]


def test_rm_without_the_right_to_know(blueno: Blueno, cluster: ApiServer) -> None:
    cluster.fail = lambda verb, path: 403 if "persistentvolumes" in path else None
    done = blueno("storage", "rm", "team-a", "--yes")
    assert done.exit_code == Exit.NOT_PERMITTED
    assert left(cluster) == list(KINDS)


def test_rm_where_blueno_is_uninstalled(blueno: Blueno, cluster: ApiServer) -> None:
    cluster.fail = lambda verb, path: 404 if "datasets" in path else None
    assert blueno("storage", "rm", "team-a", "--yes").exit_code == 0


def test_a_class_that_keeps_volumes(blueno: Blueno, cluster: ApiServer) -> None:
    cluster.update("PersistentVolumeClaim", "nfs-team-a", {"spec": {"volumeName": "disk-1"}}, "blueno-storage")
    put_volume(cluster, "disk-1", csi={"driver": "disk"}, persistentVolumeReclaimPolicy="Retain")
    done = blueno("storage", "rm", "team-a", "--yes")
    assert done.exit_code == 0
    assert "the data stay on PersistentVolume disk-1" in done.stderr


def test_a_claim_whose_pod_still_stops(blueno: Blueno, cluster: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PATIENCE", 0.1)
    held = {"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}}
    cluster.update("PersistentVolumeClaim", "nfs-team-a", held, "blueno-storage")
    done = blueno("storage", "rm", "team-a", "--yes")
    assert done.exit_code == Exit.NOT_IN_TIME
    assert "when the server's pod has stopped" in done.stderr


def test_nobody_can_be_asked(blueno: Blueno, cluster: ApiServer) -> None:
    done = blueno("storage", "rm", "team-a", stdin="team-a\n")
    assert done.exit_code == Exit.USAGE
    assert "--yes" in done.stderr
    assert left(cluster) == list(KINDS)


@pytest.mark.parametrize(("answer", "code", "kept"), [("team-a", 0, []), ("yes", Exit.FAILED, list(KINDS))])
def test_a_person_types_the_namespace(
    cluster: ApiServer, environment: dict[str, str], answer: str, code: int, kept: list[str]
) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "blueno.cli", "storage", "rm", "team-a"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, cwd=TOP, stdin=end, stdout=pipe, stderr=pipe, text=True) as one:
        os.close(end)
        os.write(terminal, f"{answer}\n".encode())
        _, errors = one.communicate(timeout=60)
    os.close(terminal)
    assert "data kept by reclaimPolicy Retain too. It cannot be undone." in errors
    assert (one.returncode, left(cluster)) == (code, kept), errors
