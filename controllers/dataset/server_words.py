"""Sentences about a namespace's managed NFS server. Pure; used by managed.py."""

from __future__ import annotations

from blueno import names
from blueno.resources.quantity import is_larger
from controllers.dataset.nfs import NfsServerView


def label(size: str) -> str:
    """A size as a label value."""
    return names.label_value(size.replace("+", ""))


def size(server: NfsServerView) -> str:
    """What it has, and what has become of a larger size."""
    claim = server.claim
    if claim is None:
        return f"its {server} has no claim"
    text = f"its {server} has {claim.capacity or claim.requested}"
    if is_larger(server.size, claim.requested):
        if claim.asked == label(server.size):
            name = claim.storage_class or "of its claim"
            return (
                f"{text}; {server.size} was refused: the class {name} needs allowVolumeExpansion, a quota may forbid it"
            )
        return f"{text}; {server.size} is asked for"
    if claim.capacity and is_larger(claim.requested, claim.capacity):
        said = f": {claim.resizing[:300]}" if claim.resizing else ""
        return f"{text} and grows to {claim.requested}, which its provisioner has yet to do{said}"
    return text


def lost(server: NfsServerView, upload: bool) -> str:
    """For a Dataset with data on it; `upload`: nobody could make them again."""
    what = "is gone" if server.claim is None else "has lost its volume"
    anew = "begin without the samples that were on it, on" if upload else "prepare everything again on"
    return (
        f"claim {server.name} in {server.namespace}, which held the data of this namespace's NFS server, {what}: "
        f"restore it under this name, or set the annotation blueno.dev/requested-at to {anew} a new one"
    )


def lost_by_others(server: NfsServerView) -> str:
    """For a Dataset without one: a new claim would be taken for the old one."""
    what = "is gone, and with it" if server.claim is None else "has lost its volume, and with it"
    more = f" and {len(server.sealed) - 3} more" if len(server.sealed) > 3 else ""
    theirs = f"the versions of {', '.join(server.sealed[:3])}{more}" if server.sealed else "everything on it"
    return (
        f"claim {server.name} in {server.namespace} of this namespace's NFS server {what} {theirs}: restore it under "
        "this name, or ask one of those Datasets to be prepared again"
    )


def going(server: NfsServerView) -> str:
    """Somebody has deleted the claim, and the pod still uses it."""
    return (
        f"claim {server.name} in {server.namespace}, which holds the data of this namespace's NFS server, is being "
        "deleted: what is on it is gone when the server's pod stops; copy what you need now"
    )


def moved(server: NfsServerView) -> str:
    """The Service has another address than the volume names."""
    return (
        f"its {server} has the address {server.address}, but this Dataset's volume names {server.own_address}: make "
        "the Service anew with that clusterIP, or delete this Dataset's claim, which holds no data and is made again"
    )


def without_address(server: NfsServerView) -> str:
    """A Service gets its address when it is made; one that somebody made headless never does."""
    return (
        f"its {server} has no address yet: if its Service stays without a clusterIP, delete the Service, which is made "
        "again"
    )


def scaled_down(server: NfsServerView) -> str:
    """By somebody: the operator leaves it so, it may be on purpose."""
    again = f"kubectl scale statefulset -n {server.namespace} {server.name} --replicas=1"
    return f"its {server} was stopped by somebody: `{again}` starts it"


def no_image(server: NfsServerView, image: str, detail: str) -> str:
    """The node cannot get it."""
    return f"its {server} cannot start, the node cannot get the image {image}: {detail}"


def claim_pending(server: NfsServerView) -> str:
    """For long."""
    claim = server.claim
    name = (
        f"the storage class {claim.storage_class}" if claim is not None and claim.storage_class else "a default class"
    )
    return f"claim {server.name} of its {server} is still Pending: is there {name}, and can it provision {server.size}?"


def unschedulable(server: NfsServerView, detail: str) -> str:
    """In the scheduler's words."""
    return f"no node takes the pod of its {server}: {detail}"


def cannot_start(server: NfsServerView, detail: str) -> str:
    """In the kubelet's words."""
    return f"its {server} cannot start: {detail}"


def crashed(server: NfsServerView, ending: str) -> str:
    """Its last words."""
    log = f"kubectl logs -n {server.namespace} {server.name}-0 --previous"
    return f"its {server} ends again and again ({ending}); read `{log}`"


def stuck(server: NfsServerView, node: str) -> str:
    """Kubernetes does not start a second one while it cannot be sure that the first has stopped."""
    force = f"kubectl delete pod -n {server.namespace} {server.name}-0 --force"
    return (
        f"the pod of its {server} does not stop, node {node or '?'} does not answer: when that node is certainly off, "
        f"`{force}` lets it start on another"
    )
