"""Volumes and pods for NFS tests that need no operator. Used by test_nfs*.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e.kube import Kube
from tests.e2e.nfs_image import IMAGE

# What both clients speak: the stand-in knows version 3 only, and there is no portmapper to ask for ports.
OPTIONS = ("nfsvers=3", "port=2049", "mountport=20048", "nolock", "noresvport")
CAPABILITIES = ("DAC_READ_SEARCH", "DAC_OVERRIDE", "SETUID", "SETGID", "CHOWN", "FOWNER", "FSETID")
PROBE = "/app/nfs/ready"

TOLD = "/tmp/told"  # in a pod: what it waits for has happened
BEGUN = "begun"  # what a pod says when it has used its volume once

# A writer publishes files under the hash of their bytes, for at least so long and until it is told to end; a reader
# reads what appears until the writer says it is done. Each prints what it saw; an error of the volume ends it with a
# trace.
_TRAFFIC = """
import hashlib, json, os, pathlib, sys, time
role, seconds, top = sys.argv[1], float(sys.argv[2]), pathlib.Path('/data/traffic')
done, worst, last, end = set(), 0.0, time.monotonic(), time.monotonic() + seconds
top.mkdir(exist_ok=True)
def seen(name):
    global worst, last
    if not done:
        print('begun', flush=True)
    done.add(name)
    worst, last = max(worst, time.monotonic() - last), time.monotonic()
while role == 'write' and (time.monotonic() < end or not os.path.exists('/tmp/told')):
    data = os.urandom(1 << 18)
    name = hashlib.sha256(data).hexdigest()
    with open(top / '.new', 'wb') as f:
        f.write(data); f.flush(); os.fsync(f.fileno())
    os.rename(top / '.new', top / name)
    seen(name)
if role == 'write':
    for name in done:
        assert hashlib.sha256((top / name).read_bytes()).hexdigest() == name, name
    (top / 'list').write_text(json.dumps(sorted(done)))
while role == 'read':
    names = {n for n in os.listdir(top) if len(n) == 64} - done
    for name in names:
        assert hashlib.sha256((top / name).read_bytes()).hexdigest() == name, name
        seen(name)
    if not names and (top / 'list').exists() and done >= set(json.loads((top / 'list').read_text())):
        break
    time.sleep(0.05)
print(json.dumps({'files': len(done), 'pause': round(worst, 1)}))
"""


def volume(name: str, namespace: str, server: str, path: str, options: Sequence[str] = OPTIONS) -> list[dict[str, Any]]:
    """A static volume and the claim bound to it, as the operator makes them."""
    size = {"storage": "1Gi"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{namespace}-{name}", "labels": {"e2e": namespace}},
            "spec": {
                "capacity": size, "accessModes": ["ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "", "mountOptions": list(options), "nfs": {"server": server, "path": path},
                "claimRef": {"namespace": namespace, "name": name},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteMany"], "storageClassName": "",
                "volumeName": f"{namespace}-{name}", "resources": {"requests": size},
            },
        },
    ]  # fmt: skip


def bound(kube: Kube, name: str, server: str, path: str) -> None:
    """A static volume with its claim, once they are bound.

    A pod made before that is looked at again by the scheduler when the claim is bound, but not always: it was once
    seen to wait past 150 s for a claim that was long bound (kubernetes/kubernetes#87145 tells of the same).
    """
    kube.apply(*volume(name, kube.namespace, server, path))
    kube.wait(f"claim {name} bound", lambda: kube.get("pvc", name).get("status", {}).get("phase") == "Bound")


def pod(
    name: str, command: Sequence[str], claims: Mapping[str, str], *, root: bool = False, image: str = IMAGE
) -> dict[str, Any]:
    """A pod that runs one command once, with claims by the directory they appear in."""
    user = {"runAsUser": 0} if root else {"runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True}
    limits = {} if root else {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
    volumes = {claim: f"v{number}" for number, claim in enumerate(claims.values())}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command),
                    "securityContext": limits,
                    "volumeMounts": [
                        {"name": volumes[claim], "mountPath": path} for path, claim in claims.items()
                    ],
                }
            ],
            "volumes": [
                {"name": short, "persistentVolumeClaim": {"claimName": claim}} for claim, short in volumes.items()
            ],
        },
    }  # fmt: skip


def traffic(role: str, claim: str, seconds: float = 15) -> dict[str, Any]:
    """A pod that writes (`write`, until it is told to end) or reads (`read`) files with sums on the claim; its name is
    its role.
    """
    return pod(role, ["python3", "-c", _TRAFFIC, role, str(seconds)], {"/data": claim})


def begun(kube: Kube, name: str) -> None:
    """Wait until this pod uses its volume."""
    kube.wait(f"{name} at work", lambda: BEGUN in kube.run("logs", name, check=False).splitlines())


def tell(kube: Kube, name: str) -> None:
    """This pod may end."""
    kube.run("exec", name, "--", "touch", TOLD)


def traffic_result(kube: Kube, role: str, seconds: float = 300) -> dict[str, Any]:
    """What that pod saw, once it has ended well: `files`, and the longest `pause` between two of them in seconds."""

    def phase() -> str:
        return str(kube.get("pod", role)["status"].get("phase"))

    kube.wait(f"the {role}r's end", lambda: phase() in ("Succeeded", "Failed"), seconds)
    said = kube.run("logs", role)
    assert phase() == "Succeeded", said
    return dict(json.loads(said.strip().splitlines()[-1]))


def server(claim: str = "data", **container: Any) -> list[dict[str, Any]]:
    """A managed server by hand: StatefulSet of one and Service, both named `server`."""
    labels = {"app": "server"}
    places = {"data": "/export", "run": "/run", "ganesha": "/var/run/ganesha", "tmp": "/tmp", "state": "/var/lib/nfs"}
    empty = [{"name": name, "emptyDir": {}} for name in places if name != "data"]
    main = {
        "name": "nfs", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "BLUENO_NFS_FSID", "value": "4711"}],
        "readinessProbe": {"exec": {"command": [PROBE]}, "periodSeconds": 1, "timeoutSeconds": 5},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "Unconfined"},
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        },
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in places.items()],
    }  # fmt: skip
    main |= container
    return [
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"},
            "spec": {"selector": labels, "ports": [{"name": "nfs", "port": 2049}, {"name": "mountd", "port": 20048}]},
        },
        {
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "server"},
            "spec": {
                "replicas": 1, "serviceName": "server", "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 30,
                        "containers": [main],
                        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}, *empty],
                    },
                },
            },
        },
    ]  # fmt: skip
