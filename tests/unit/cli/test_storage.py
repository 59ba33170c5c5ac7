"""`blueno storage ls` and `rm`, with kubectl on a fake API server: what is used stays, what goes is named."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blueno import names
from blueno.cli import kubectl as module
from blueno.cli import storage
from blueno.cli.shell import Exit
from controllers.objects.nfs_server import NfsServerShape, build_claim, build_service, build_stateful_set
from tests.fakes import kubectl as stand_in
from tests.fakes.api_server import ApiServer
from tests.make import a_body, a_world
from tests.unit.cli.conftest import TOP, Blueno

KINDS = ("StatefulSet", "Service", "PersistentVolumeClaim")
ADDRESS = "10.96.0.7"
MANAGED = {"storage": {"managedNFS": {"size": "20Gi"}}}
CONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: fake, cluster: {server: "%s"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: fake, context: {cluster: fake, user: nobody}}]
current-context: fake
"""


@contextmanager
def running() -> Iterator[ApiServer]:
    """A fake API server in a thread."""
    api, loop, ready, end = ApiServer(), asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with api.serving():
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()


REAL = shutil.which("kubectl")
BOTH = pytest.mark.parametrize("cluster", [REAL, None] if REAL else [None], ids=str, indirect=True)


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """A cluster with the servers of team-a and team-b, and kubectl as `environment` and this process find it.

    That is the machine's own where there is one, else tests/fakes/kubectl.py; tests marked BOTH run with each.
    """
    tools = tmp_path / "bin"
    tools.mkdir()
    if real := getattr(request, "param", REAL):
        (tools / "kubectl").symlink_to(real)
    else:
        (tools / "kubectl").write_text(f'#!/bin/sh\nexec {sys.executable} -IS {stand_in.__file__} "$@"\n')
        (tools / "kubectl").chmod(0o755)
    with running() as api:
        config = tmp_path / "kubeconfig"
        config.write_text(CONFIG % api.url)
        environment |= {"PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(config), "FAKE_API": api.url}
        for key in ("PATH", "KUBECONFIG", "FAKE_API"):
            monkeypatch.setenv(key, environment[key])
        monkeypatch.setattr(storage, "LOOK", 0.01)
        for number, tenant in enumerate(("team-a", "team-b"), 7):
            put_server(api, tenant, f"10.96.0.{number}")
        yield api


def put_server(api: ApiServer, tenant: str, address: str) -> None:
    shape = NfsServerShape.of(tenant, "20Gi", a_world().config)
    api.put({**build_claim(shape), "status": {"phase": "Bound", "capacity": {"storage": "21Gi"}}})
    api.put(build_service(shape, address))
    api.put({**build_stateful_set(shape), "status": {"readyReplicas": 1}})


def put_dataset(api: ApiServer, name: str = "mnist", tenant: str = "team-a", **spec: Any) -> None:
    uid = f"uid-{tenant}-{name}"
    api.put(a_body(name, uid=uid, meta={"namespace": tenant}, **(spec or MANAGED)))


def put_volume(api: ApiServer, name: str, *, dataset: str = "", tenant: str = "team-a", **source: Any) -> None:
    labels = {names.MANAGED: "true", names.DATASET_LABEL: dataset} if dataset else {}
    held = {"claimRef": {"namespace": tenant, "name": "claim"}}
    spec = source or {"nfs": {"server": ADDRESS, "path": "/export"}}
    api.put({"kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": held | spec})


def left(api: ApiServer, tenant: str = "team-a") -> list[str]:
    """Kinds of what is there of a server."""
    return [
        kind for kind in KINDS if ("blueno-storage", f"nfs-{tenant}") in {k[1:] for k in api.objects if k[0] == kind}
    ]


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


@pytest.mark.parametrize(
    ("program", "code", "says"),
    [
        (None, Exit.FAILED, "this needs kubectl and a kubeconfig"),
        ("echo no JSON", Exit.FAILED, "did not answer with JSON"),
        ("echo '[]'", Exit.FAILED, "did not answer with JSON"),
        ("exit 3", Exit.FAILED, "ended with 3 and said nothing"),
        (
            "echo 'error: You must be logged in to the server (Unauthorized)' >&2; exit 1",
            Exit.NOT_PERMITTED,
            "logged in",
        ),
        ("printf 'The connection to x was refused \\033]0;t\\007' >&2; exit 1", Exit.UNAVAILABLE, "was refused ]0;t"),
        ("sleep 30", Exit.UNAVAILABLE, "did not end within"),
    ],
)
def test_a_kubectl_that_fails(
    blueno: Blueno, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, code: int, says: str
) -> None:
    monkeypatch.setattr(module, "SECONDS", 1)
    if program is not None:
        (tmp_path / "kubectl").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) if program is None else f"{tmp_path}:/usr/bin:/bin")
    started = time.monotonic()
    done = blueno("storage", "ls")
    assert (done.exit_code, says in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    assert time.monotonic() - started < 20


def test_options_reach_kubectl(blueno: Blueno, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubectl").write_text('#!/bin/sh\necho "$@" >> said\necho "{}"\n')
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert blueno("storage", "ls", "--context", "prod", "--kubeconfig", "file").exit_code == 0
    assert blueno("storage", "ls", "--storage-namespace", "../../x?y").exit_code == 0
    first, *_, last = (tmp_path / "said").read_text().splitlines()
    role = "labelSelector=blueno.dev%2Frole%3Dnfs"
    path = f"get --raw /apis/apps/v1/namespaces/blueno-storage/statefulsets?{role}"
    assert first == f"--context=prod --kubeconfig=file --request-timeout=30s {path}"
    assert "namespaces/..%2F..%2Fx%3Fy/" in (tmp_path / "said").read_text()
    assert last.endswith("get --raw /apis/blueno.dev/v1alpha1/datasets")
