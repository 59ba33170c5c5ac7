"""controllers/mounts.py: Events of kubelets, as they were seen, and what is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.mounts import FAILED, in_words, pick

PV = "blueno-0a1b2c3d-1111-4222-8333-444455556666"
PLACE = f"/var/lib/kubelet/pods/6d5cf7ab-7f0b-4a55-8f0e-3f0a2f1f8c53/volumes/kubernetes.io~nfs/{PV}"
ARGUMENTS = f"-t nfs -o nfsvers=4.1,hard,timeo=600,retrans=2,noresvport nfs.example.org:/exports/ml {PLACE}"
SUMMARY = (
    "Unable to attach or mount volumes: unmounted volumes=[volume], unattached volumes=[], failed to process "
    "volumes=[]: timed out waiting for the condition"
)


def failed(output: str) -> str:
    """What the kubelet of Kubernetes 1.34 writes."""
    head = f'MountVolume.SetUp failed for volume "{PV}" : mount failed: exit status 32'
    return f"{head}\nMounting command: mount\nMounting arguments: {ARGUMENTS}\nOutput: {output}\n"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("mount.nfs: Connection refused", "connection refused"),
        ("mount.nfs: Connection timed out", "no answer within its time"),
        ("mount.nfs: No route to host", "no route to the server"),
        (
            "mount.nfs: access denied by server while mounting nfs.example.org:/exports/ml",
            "access denied by the server",
        ),
        ("mount.nfs: nfs.example.org refused to export /exports/ml: permission denied", "access denied by the server"),
        (
            "mount.nfs: mounting nfs.example.org:/exports/ml failed, reason given by server: No such file or directory",
            "no such directory on the server",
        ),
        ("mount.nfs: Failed to resolve server nfs.example.org: Name or service not known", "unknown host"),
        ("mount.nfs: Protocol not supported", "the server does not speak this NFS version"),
        (
            "mount: /x: bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> "
            "helper program.",
            "the node has no NFS client: install nfs-common",
        ),
    ],
)
def test_what_mount_said(output: str, words: str) -> None:
    told = in_words(failed(output))
    assert told.startswith(f"{FAILED}nfs.example.org:/exports/ml: {words}")
    assert output.rstrip(".") in told
    assert PLACE not in told


def test_words_of_the_csi_driver() -> None:
    inner = f"mount failed: exit status 32\nMounting command: mount\nMounting arguments: {ARGUMENTS}"
    message = (
        f'MountVolume.SetUp failed for volume "{PV}" : rpc error: code = Internal desc = {inner}\n'
        "Output: mount.nfs: Connection refused"
    )
    assert in_words(message).startswith(f"{FAILED}nfs.example.org:/exports/ml: connection refused")
    missing = (
        f'MountVolume.MountDevice failed for volume "{PV}" : kubernetes.io/csi: attacher.MountDevice failed to create '
        "newCsiDriverClient: driver name nfs.csi.k8s.io not found in the list of registered CSI drivers"
    )
    assert in_words(missing).startswith(f"{FAILED}volume {PV}: the node has no such CSI driver")


def test_what_is_not_understood_is_passed_on() -> None:
    assert in_words(failed("mount.nfs: the moon is full")) == (
        f"{FAILED}nfs.example.org:/exports/ml: mount.nfs: the moon is full"
    )
    assert in_words('MountVolume.SetUp failed for volume "x" : boom') == (
        f'{FAILED}volume x: MountVolume.SetUp failed for volume "x" : boom'
    )
    assert in_words("MountVolume.SetUp failed\nOutput:  \n") == f"{FAILED}a volume: no reason given"
    assert in_words("exceeded quota: pods") == "exceeded quota: pods"


def event(message: str, reason: str = "FailedMount") -> dict[str, Any]:
    return {"type": "Warning", "reason": reason, "message": message}


def test_the_kubelets_summary_does_not_hide_the_cause() -> None:
    cause, older = event(failed("mount.nfs: Connection refused")), event(failed("mount.nfs: No route to host"))
    assert pick([older, cause, event(SUMMARY), event(SUMMARY)]) is cause
    other = event("0/3 nodes are available", "FailedScheduling")
    assert pick([other, event(SUMMARY)])["message"] == SUMMARY
    assert in_words(SUMMARY).startswith(f"{FAILED}a volume: no answer within its time")
    assert pick([cause, other]) is other


def test_hostile_text_costs_nothing() -> None:
    in_words("MountVolume." + " a:/" * 100_000)
    in_words("Unable to attach or mount volumes" + 'volume "' * 100_000)
