"""Everything the operator writes to the cluster goes through here.

Called by controllers/engine.py and sweep.py; calls blueno/kube.py. Own writes are put into the cache at once, so that
the next decision sees them before the watch brings them back.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from blueno import names
from blueno.errors import Conflict, NotFound, Rejected
from blueno.kube import Cluster
from blueno.resources.api import BY_KIND, EVENTS, PODS, Resource
from blueno.resources.conditions import rfc3339, shorten
from controllers import mounts
from controllers.cache import Cache, owner_uid, tenant_namespace
from controllers.metrics import API_WRITES
from controllers.step import Patch, Ref

log = logging.getLogger("blueno.writer")

P = ParamSpec("P")
T = TypeVar("T")

EVENT_WORDS = 400  # characters of somebody else's Event that go into a condition
SAYS_NOTHING = ("Error: ErrImagePull", "Error: ImagePullBackOff")  # the kubelet's second word, after the one that tells


class NameConflict(Exception):
    """A live object that is not ours has the name we need."""


class TerminatingNamespace(Exception):
    """Nothing can be created in this namespace any more."""


class Writer:
    """Writes with deterministic names: doing one twice is doing it once. `held`: the Lease's, around each."""

    def __init__(self, cluster: Cluster, cache: Cache, held: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._cluster = cluster
        self._cache = cache
        self._held = held

    async def _write(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The one place from which the cluster is changed, by nobody but the holder of the Lease."""
        async with self._held():
            return await call(*args, **kwargs)

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Create the object. A namesake made for the same owner is adopted as it is.

        Raises NameConflict for a live foreign namesake, Conflict (retry) for one that is on its way out,
        TerminatingNamespace when the namespace takes nothing new.
        """
        resource = BY_KIND[manifest["kind"]]
        meta = manifest["metadata"]
        try:
            made = await self._write(self._cluster.create, resource, manifest)
        except Conflict:
            made = await self._adopt(resource, manifest)
        except NotFound as error:  # of something new this can only be said of its namespace
            raise Rejected(f"{error}: does the namespace {meta.get('namespace')} exist?", 404) from None
        except Rejected as error:
            if error.status == 403 and "being terminated" in str(error):
                raise TerminatingNamespace(str(error)) from None
            raise
        else:
            API_WRITES.labels("create", resource.kind).inc()
            log.info("created %s %s/%s", resource.kind, meta.get("namespace", ""), meta["name"])
        self._cache.upsert(resource.kind, made)

    async def _adopt(self, resource: Resource, manifest: Mapping[str, Any]) -> dict[str, Any]:
        meta = manifest["metadata"]
        found = await self._cluster.get(resource, meta.get("namespace"), meta["name"])
        if found is None or found["metadata"].get("deletionTimestamp"):
            raise Conflict(f"{resource.kind} {meta['name']} is being deleted; its name is free again soon")
        if (owner_uid(found), tenant_namespace(found)) != (owner_uid(manifest), tenant_namespace(manifest)):
            raise NameConflict(
                f"{resource.kind} {meta['name']} exists and was not made for this object: delete or rename it"
            )
        return found

    async def delete(self, ref: Ref) -> None:
        """Ask for deletion of just this object."""
        await self._write(self._cluster.delete, ref.resource, ref.namespace, ref.name, ref.uid)
        API_WRITES.labels("delete", ref.resource.kind).inc()
        log.info("deleted %s %s/%s", ref.resource.kind, ref.namespace or "", ref.name)

    async def patch(self, patch: Patch) -> None:
        """Merge-patch one of our children."""
        ref = patch.ref
        body = dict(patch.body)
        if ref.uid is not None:
            body["metadata"] = {**body.get("metadata", {}), "uid": ref.uid}
        made = await self._write(self._cluster.merge, ref.resource, ref.namespace, ref.name, body)
        API_WRITES.labels("patch", ref.resource.kind).inc()
        self._cache.upsert(ref.resource.kind, made)

    async def confirm(self, ref: Ref) -> bool:
        """Whether the API server knows no more of this Job and its pods than the cache does; what it knows goes in.

        Watches of Jobs and Pods are separate streams: a Job may look complete before its pod's last words arrive.
        """
        news = False
        job = await self._cluster.get(ref.resource, ref.namespace, ref.name)
        if job is not None:
            news |= self._cache.upsert(ref.resource.kind, job)
        selector = f"batch.kubernetes.io/job-name={ref.name}"
        async for pod in self._cluster.list(PODS, selector, namespace=ref.namespace):
            news |= self._cache.upsert(PODS.kind, pod)
        return not news

    async def last_warning(self, ref: Ref) -> str:
        """The newest Event about an object if it is a warning or says that an image is being fetched, in the words of
        whoever wrote it (of a mount: in ours); else "": what came after a warning says that it has healed.
        """
        about = f"involvedObject.name={ref.name},involvedObject.kind={ref.resource.kind}"
        events = [e async for e in self._cluster.list(EVENTS, namespace=ref.namespace, fields=about)]
        events = sorted((e for e in events if e.get("message") not in SAYS_NOTHING), key=_moment)
        if not events or (events[-1].get("type") != "Warning" and events[-1].get("reason") != "Pulling"):
            return ""
        return shorten(mounts.in_words(str(mounts.pick(events).get("message", ""))), EVENT_WORDS)

    async def set_finalizer(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        wanted: bool,
        name: str = names.ERASE_FINALIZER,
        owner: Mapping[str, Any] | None = None,
    ) -> bool:
        """Put a finalizer of ours on `body`'s object or take it off; says whether anything was to do. With `owner`, an
        ownerReference, in the same write: others stay, and one to an earlier owner of the same name goes.

        The resourceVersion in the patch makes it a compare-and-swap: other people's finalizers are never lost.
        """
        meta = body["metadata"]
        present = list(meta.get("finalizers") or ())
        references = meta.get("ownerReferences") or ()
        owned = owner is None or any(reference["uid"] == owner["uid"] for reference in references)
        if (name in present) == wanted and owned:
            return False
        kept = [other for other in present if other != name]
        after = [*kept, name] if wanted else kept
        change = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "finalizers": after}
        if owner is not None and not owned:
            others = [reference for reference in references if _named(reference) != _named(owner)]
            change["ownerReferences"] = [*others, dict(owner)]
        patch = {"metadata": change}
        made = await self._write(self._cluster.merge, resource, meta["namespace"], meta["name"], patch)
        API_WRITES.labels("patch", resource.kind).inc()
        self._cache.upsert(resource.kind, made)
        return True

    async def patch_status(self, resource: Resource, body: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Merge `changes` into the status. The uid in the patch keeps it off a re-created namesake."""
        meta = body["metadata"]
        patch = {"metadata": {"uid": meta["uid"]}, "status": changes}
        made = await self._write(self._cluster.merge, resource, meta["namespace"], meta["name"], patch, "status")
        API_WRITES.labels("patch", f"{resource.kind}/status").inc()
        self._cache.upsert(resource.kind, made)

    async def warn(self, resource: Resource, body: Mapping[str, Any], warning: tuple[str, str], now: datetime) -> None:
        """A Warning Event (reason, message) on the object. Best effort: an Event is never worth a retry."""
        reason, message = warning
        meta = body["metadata"]
        stamp = rfc3339(now)
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name'][:40]}.", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "type": "Warning",
            "reason": reason,
            "message": shorten(message, 1000),
            "source": {"component": names.OPERATOR},
            "reportingComponent": names.OPERATOR,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._write(self._cluster.create, EVENTS, event)
        except Exception as error:
            log.warning("event %s on %s/%s not written: %s", reason, meta["namespace"], meta["name"], error)


def _named(reference: Mapping[str, Any]) -> tuple[str, str]:
    return reference["kind"], reference["name"]


def _moment(event: Mapping[str, Any]) -> tuple[str, int]:
    """Times have whole seconds; within one, the API server's count tells what came last."""
    meta = event["metadata"]
    told = event.get("lastTimestamp") or event.get("eventTime") or meta["creationTimestamp"]
    return str(told), int(meta["resourceVersion"])
