"""Real NFS mounts without the operator: a server outside the cluster, and the image `nfs` as a pod behind a Service.

What the operator's tests (test_nfs.py) build on is proved here: mounts, restarts, what the image needs, its readiness.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.kube import Kube, container, reached
from tests.e2e.nfs_image import built
from tests.e2e.nfs_server import LARGE, SMALL, NfsServer, running
from tests.e2e.nfs_volumes import PROBE, pod, server, traffic, traffic_result, volume

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

AWAY = 4.0  # seconds between the server's end and its next start


@pytest.fixture(scope="module")
def bare() -> Kube:
    """The cluster, whatever is installed, with the image loaded."""
    cluster = reached()
    cluster.hack("load-image", built())
    return cluster


@pytest.fixture
def kube(bare: Kube) -> Iterator[Kube]:
    """A namespace of the test's own; its volumes go with it. Pods first: without their server they end slowly."""
    inside = bare.inside(f"e2e-{uuid.uuid4().hex[:8]}")
    bare.run("create", "namespace", inside.namespace)
    print(f"NFS client: {bare.nfs_client}")
    yield inside
    for kind in ("pods", "statefulsets"):
        selector = ["-l", "app!=server"] if kind == "pods" else ["--all"]
        inside.run("delete", kind, *selector, "--timeout=60s", check=False)
    bare.run("delete", "pv", "-l", f"e2e={inside.namespace}", "--wait=false")
    bare.run("delete", "namespace", inside.namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="module")
def outside(bare: Kube) -> Iterator[NfsServer]:
    with running(bare.host_address) as server_:
        yield server_


def pod_of(kube: Kube) -> dict:
    """The server's pod that is not on its way out, {} when there is none."""
    pods = kube.list("pods", "app=server")
    return next((one for one in pods if not one["metadata"].get("deletionTimestamp")), {})


def ready(kube: Kube) -> bool:
    return bool(container(pod_of(kube) or None).get("ready"))


def begin(kube: Kube, claim: str) -> None:
    """Start writer and reader, and wait until both have begun."""
    kube.apply(traffic("write", claim), traffic("read", claim))
    for role in ("write", "read"):
        kube.wait(f"{role} runs", lambda role=role: kube.get("pod", role)["status"].get("phase") == "Running", 60)
    time.sleep(3)


def check_traffic(kube: Kube, away: float) -> None:
    """Both ended without an error, on the same files, and did notice that the server was away."""
    wrote, read = traffic_result(kube, "write"), traffic_result(kube, "read")
    print(f"NFS client {kube.nfs_client}: wrote {wrote}, read {read}")
    assert wrote["files"] == read["files"] > 10
    assert away - 1 < wrote["pause"] < away + 20, "the fault fired, and ended"


def test_outside_server_killed_under_writer_and_reader(kube: Kube, outside: NfsServer) -> None:
    kube.apply(*volume("shared", kube.namespace, outside.address, LARGE))
    begin(kube, "shared")
    outside.kill()
    time.sleep(AWAY)
    outside.start()
    check_traffic(kube, AWAY)
    files = [path for path in (outside.large / "traffic").iterdir() if len(path.name) == 64]
    assert {path.stat().st_uid for path in files} == {65532}, "the server sees who writes"


def test_volume_that_comes_back_as_another_device(kube: Kube, outside: NfsServer) -> None:
    """As a managed server's volume does on another node: files that clients hold open stay good."""
    kube.apply(*volume("shared", kube.namespace, outside.address, SMALL))
    script = (
        "import time, pathlib\n"
        "p = pathlib.Path('/data/held'); p.write_bytes(b'x' * 100000); f = p.open('rb', 0)\n"
        "assert f.read(10) == b'x' * 10; pathlib.Path('/data/go').touch()\n"
        "while pathlib.Path('/data/go').exists(): time.sleep(0.2)\n"
        "f.seek(0); assert len(f.read()) == 100000\n"
    )
    kube.apply(pod("holder", ["python3", "-c", script], {"/data": "shared"}))
    kube.wait("the file open", lambda: (outside.small / "go").exists(), 60)
    before = outside.small.stat().st_dev
    outside.kill()
    outside.unplug()
    other = outside.occupy_device()
    try:
        outside.plug_in()
        assert outside.small.stat().st_dev != before, "the fault fired"
        outside.start()
        (outside.small / "go").unlink()
        kube.wait("the end", lambda: kube.get("pod", "holder")["status"].get("phase") in ("Succeeded", "Failed"), 90)
        assert kube.get("pod", "holder")["status"]["phase"] == "Succeeded", kube.run("logs", "holder")
    finally:
        other()


@pytest.mark.parametrize("how", ["killed", "pod deleted"])
def test_server_in_a_pod_comes_back(kube: Kube, how: str) -> None:
    kube.apply(*server())
    kube.wait("the server ready", lambda: ready(kube), 90)
    address = kube.get("service", "server")["spec"]["clusterIP"]
    kube.apply(*volume("shared", kube.namespace, address, "/export"))
    begin(kube, "shared")
    first = pod_of(kube)
    if how == "killed":
        assert kube.kill_container(first["metadata"]["uid"]) > 0
    else:
        kube.run("delete", "pod", "server-0", "--grace-period=0", "--force")
    wrote, read = traffic_result(kube, "write"), traffic_result(kube, "read")
    print(f"NFS client {kube.nfs_client}, server {how}: wrote {wrote}, read {read}")
    assert wrote["files"] == read["files"] > 10 and wrote["pause"] > 0.5
    now = pod_of(kube)
    other = now["metadata"]["uid"] != first["metadata"]["uid"]
    assert other or container(now)["restartCount"] == 1, "the fault fired"


def test_server_ends_in_order_when_told_to(kube: Kube) -> None:
    kube.apply(*server())
    kube.wait("the server ready", lambda: ready(kube), 90)
    started = time.monotonic()
    kube.run("exec", "server-0", "--", "python3", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
    kube.wait("its end", lambda: (container(pod_of(kube)).get("lastState") or {}).get("terminated"), 40)
    assert container(pod_of(kube))["lastState"]["terminated"]["exitCode"] == 0
    assert time.monotonic() - started < 15
    assert "regular exit" in kube.run("logs", "server-0", "--previous")


def test_readiness_says_when_the_export_failed(kube: Kube) -> None:
    """The process runs and its ports answer, as they do for a server that works."""
    capabilities = {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "SETUID", "SETGID", "CHOWN", "FOWNER", "FSETID"]}
    kube.apply(*server(securityContext={"seccompProfile": {"type": "Unconfined"}, "capabilities": capabilities}))
    kube.wait("the server runs", lambda: container(pod_of(kube) or None).get("started"), 60)
    listening = "import socket; socket.create_connection(('127.0.0.1', 2049)).close()"
    kube.wait("its port answers", lambda: "Error" not in kube.run(
        "exec", "server-0", "--", "python3", "-c", listening, check=False))  # fmt: skip
    time.sleep(3)
    assert not ready(kube)
    said = kube.run("exec", "server-0", "--", PROBE, check=False)
    assert "does not export /export" in said


def test_missing_volume_is_said(kube: Kube) -> None:
    mounts = [{"name": name, "mountPath": path} for name, path in (("run", "/run"), ("state", "/var/lib/nfs"))]
    kube.apply(*server(volumeMounts=mounts))
    kube.wait("it ended", lambda: (container(pod_of(kube) or None).get("lastState") or {}).get("terminated"), 60)
    assert "/export is no directory" in kube.run("logs", "server-0")
    assert not ready(kube)
