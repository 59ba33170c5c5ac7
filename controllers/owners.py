"""Which object a calling pod may speak for. Used by controllers/reports.py and training_reports.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blueno import names
from blueno.kube import Cluster
from blueno.resources.api import PODS
from controllers.cache import Body, Cache
from controllers.callers import Caller


@dataclass(frozen=True)
class Owned:
    """The pod's labels, and the object that it was made for."""

    labels: Mapping[str, str]
    uid: str
    body: Body | None  # None: it is gone


async def find_owner(cluster: Cluster, cache: Cache, caller: Caller, kind: str) -> Owned | None:
    """None when the caller's pod is gone or was not made for an object of this kind.

    The pod comes from the cache or (its watch event may be slower than its report) from the API server. Anybody who may
    make pods in a namespace may label them as they like: they speak for objects of that namespace only.
    """
    pod = cache.get(PODS.kind, caller.pod_uid)
    if pod is None:
        pod = await cluster.get(PODS, caller.namespace, caller.pod)
    if pod is None or pod["metadata"]["uid"] != caller.pod_uid:
        return None
    labels = pod["metadata"].get("labels") or {}
    uid = labels.get(names.OWNER_UID)
    if not uid or labels.get(names.OWNER_KIND, names.DATASET_KIND) != kind:
        return None
    body = cache.get(kind, uid)
    if body is not None and body["metadata"]["namespace"] != caller.namespace:
        return None
    return Owned(labels, uid, body)
