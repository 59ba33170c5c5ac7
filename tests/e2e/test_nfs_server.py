"""Real NFS mounts without the operator: a server outside the cluster, and the image `nfs` as a pod behind a Service.

What the operator's tests (test_nfs.py) build on is proved here: mounts, restarts, what the image needs, its readiness.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import pytest

from tests.e2e.kube import Kube, container, kill_containers
from tests.e2e.nfs_server import LARGE, SMALL, NfsServer
from tests.e2e.nfs_volumes import PROBE, begun, bound, pod, server, tell, traffic, traffic_result

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

AWAY = 4.0  # seconds between the server's end and its next start


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
        begun(kube, role)


def check_traffic(kube: Kube, away: float, most: float = math.inf) -> None:
    """Both end without an error, on the same files, and did notice that the server was away for so many seconds."""
    tell(kube, "write")
    wrote, read = traffic_result(kube, "write"), traffic_result(kube, "read")
    print(f"NFS client {kube.nfs_client}: wrote {wrote}, read {read}")
    assert wrote["files"] == read["files"] > 10
    assert away < wrote["pause"] < most, "the fault fired, and ended"


def test_outside_server_killed_under_writer_and_reader(nfs_kube: Kube, outside: NfsServer) -> None:
    bound(nfs_kube, "shared", outside.address, LARGE)
    begin(nfs_kube, "shared")
    gone = time.monotonic()
    outside.kill()
    time.sleep(AWAY)
    outside.start()
    check_traffic(nfs_kube, AWAY - 1, time.monotonic() - gone + 20)
    files = [path for path in (outside.large / "traffic").iterdir() if len(path.name) == 64]
    assert {path.stat().st_uid for path in files} == {65532}, "the server sees who writes"


def test_volume_that_comes_back_as_another_device(nfs_kube: Kube, outside: NfsServer) -> None:
    """As a managed server's volume does on another node: files that clients hold open stay good."""
    bound(nfs_kube, "shared", outside.address, SMALL)
    script = (
        "import time, pathlib\n"
        "p = pathlib.Path('/data/held'); p.write_bytes(b'x' * 100000); f = p.open('rb', 0)\n"
        "assert f.read(10) == b'x' * 10; pathlib.Path('/data/go').touch()\n"
        "while pathlib.Path('/data/go').exists(): time.sleep(0.2)\n"
        "f.seek(0); assert len(f.read()) == 100000\n"
    )
    nfs_kube.apply(pod("holder", ["python3", "-c", script], {"/data": "shared"}))
    nfs_kube.wait("the file open", lambda: (outside.small / "go").exists())
    before = outside.small.stat().st_dev
    outside.kill()
    outside.unplug()
    other = outside.occupy_device(before)
    try:
        outside.plug_in()
        assert outside.small.stat().st_dev != before, "the fault fired"
        outside.start()
        (outside.small / "go").unlink()
        nfs_kube.wait(
            "the end", lambda: nfs_kube.get("pod", "holder")["status"].get("phase") in ("Succeeded", "Failed")
        )
        assert nfs_kube.get("pod", "holder")["status"]["phase"] == "Succeeded", nfs_kube.run("logs", "holder")
    finally:
        other()


@pytest.mark.parametrize("how", ["killed", "pod deleted"])
def test_server_in_a_pod_comes_back(nfs_kube: Kube, how: str) -> None:
    nfs_kube.apply(*server())
    nfs_kube.wait("the server ready", lambda: ready(nfs_kube))
    address = nfs_kube.get("service", "server")["spec"]["clusterIP"]
    bound(nfs_kube, "shared", address, "/export")
    begin(nfs_kube, "shared")
    first = pod_of(nfs_kube)
    if how == "killed":
        assert kill_containers(first) > 0
    else:
        nfs_kube.run("delete", "pod", "server-0", "--grace-period=0", "--force")

    def back() -> bool:
        now = pod_of(nfs_kube)
        state = container(now or None)
        other = now and (now["metadata"]["uid"] != first["metadata"]["uid"] or state.get("restartCount") == 1)
        return bool(other and state.get("ready"))

    nfs_kube.wait("the server back", back)
    check_traffic(nfs_kube, 0.2)


def test_server_ends_in_order_when_told_to(nfs_kube: Kube) -> None:
    nfs_kube.apply(*server())
    nfs_kube.wait("the server ready", lambda: ready(nfs_kube))
    told = datetime.now(UTC)
    # It may be faster than the one that tells it, whose end is then not 0 either.
    tells = ["python3", "-c", "import os, signal; os.kill(1, signal.SIGTERM)"]
    nfs_kube.run("exec", "server-0", "--", *tells, check=False)
    ended = nfs_kube.wait("its end", lambda: (container(pod_of(nfs_kube)).get("lastState") or {}).get("terminated"))
    assert ended["exitCode"] == 0
    ended_at = datetime.fromisoformat(ended["finishedAt"])  # the kubelet tells of it later
    assert (ended_at - told).total_seconds() < 15
    assert "regular exit" in nfs_kube.run("logs", "server-0", "--previous")


def test_readiness_says_when_the_export_failed(nfs_kube: Kube) -> None:
    """The process runs and its ports answer, as they do for a server that works."""
    # The same start, but of a directory that is not there.
    wrong = (
        "sed 's#Path = {export}#Path = {export}/none#' /app/nfs/start.py > /tmp/start.py; exec python3 /tmp/start.py"
    )
    nfs_kube.apply(*server(command=["sh", "-c", wrong]))
    nfs_kube.wait("the server runs", lambda: container(pod_of(nfs_kube) or None).get("started"))

    def inside(*command: str) -> str:
        return nfs_kube.run("exec", "server-0", "--", *command, check=False)

    listening = "import socket; socket.create_connection(('127.0.0.1', 2049)).close(); print('listens')"
    nfs_kube.wait("its port answers", lambda: "listens" in inside("python3", "-c", listening).splitlines())
    nfs_kube.wait("the probe's words", lambda: "does not export /export" in inside(PROBE))
    time.sleep(3)
    assert not ready(nfs_kube)


def test_missing_volume_is_said(nfs_kube: Kube) -> None:
    mounts = [{"name": name, "mountPath": path} for name, path in (("run", "/run"), ("state", "/var/lib/nfs"))]
    nfs_kube.apply(*server(volumeMounts=mounts))
    words = "/export is no directory"  # of a container that ended: the next one may not have said it yet
    nfs_kube.wait("it ended", lambda: words in nfs_kube.run("logs", "server-0", "--previous", check=False))
    assert not ready(nfs_kube)
