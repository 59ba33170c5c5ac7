"""The NFS client of the cluster's node, whichever it is, on a real server: what programs expect of a mount.

Where the kernel has no client this is the test of hack/mount-nfs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kube import Kube
from tests.e2e.nfs_server import LARGE, NfsServer
from tests.e2e.nfs_volumes import bound, pod

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SELF_TEST = Path(__file__).with_name("nfs_selftest.py").read_text()


def outcome(kube: Kube, name: str, seconds: float = 300) -> tuple[str, str]:
    """Phase and log of a pod that has ended."""

    def phase() -> str:
        return str(kube.get("pod", name)["status"].get("phase"))

    kube.wait(f"{name} ends", lambda: phase() in ("Succeeded", "Failed"), seconds)
    return phase(), kube.run("logs", name)


def test_two_mounts_behave_as_programs_expect(nfs_kube: Kube, outside: NfsServer) -> None:
    # Two volumes of one export are two mounts, as two nodes would have.
    for name in ("one", "two"):
        bound(nfs_kube, name, outside.address, LARGE)
    command = ["python3", "-c", SELF_TEST, "/one", "/two"]
    nfs_kube.apply(pod("selftest", command, {"/one": "one", "/two": "two"}, root=True))
    phase, log = outcome(nfs_kube, "selftest")
    print(f"NFS client {nfs_kube.nfs_client}:\n{log}")
    assert phase == "Succeeded" and log.rstrip().endswith("ALL OK")
    nfs_kube.run("delete", "pod", "selftest")

    def unmounted() -> bool:
        mounts = nfs_kube.hack("exec", "--", "cat", "/proc/mounts")
        return nfs_kube.namespace not in mounts and f"{outside.address}:" not in mounts

    nfs_kube.wait("nothing stays mounted", unmounted)


@pytest.mark.parametrize(
    ("how", "number"),
    [({"read_only": True}, "EROFS"), ({"squash": "All_Squash"}, "EACCES")],
    ids=["read-only", "squash"],
)
def test_what_the_server_refuses_reaches_the_program(
    nfs_kube: Kube, outside: NfsServer, how: dict, number: str
) -> None:
    (outside.large / "private").mkdir(mode=0o700, exist_ok=True)
    outside.stop()
    outside.start(**how)
    try:
        bound(nfs_kube, "refusing", outside.address, LARGE)
        place = "/data" if number == "EROFS" else "/data/private"
        script = f"import errno\ntry: open('{place}/x', 'w')\nexcept OSError as e: print(errno.errorcode[e.errno])"
        nfs_kube.apply(pod("writer", ["python3", "-c", script], {"/data": "refusing"}, root=True))
        assert outcome(nfs_kube, "writer") == ("Succeeded", f"{number}\n")
    finally:
        outside.stop()
        outside.start()


def test_an_export_that_is_not_there_is_said(nfs_kube: Kube, outside: NfsServer) -> None:
    bound(nfs_kube, "wrong", outside.address, "/exports/nothing")
    nfs_kube.apply(pod("waits", ["true"], {"/data": "wrong"}))

    def said() -> str:
        events = nfs_kube.list("events")
        words = [event["message"] for event in events if event.get("reason") == "FailedMount"]
        return next((message for message in words if "/exports/nothing" in message), "")

    message = nfs_kube.wait("the kubelet's words", said, 240)
    print(message)
    # What blueno's reasons are made from: mount.nfs's own words, of either client.
    assert "mount.nfs" in message and "server" in message
