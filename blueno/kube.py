"""The few API verbs Blueno uses, on plain dict manifests.

Called by controllers/ (writer, sweep, reports, lease, keys), webui/ (access reviews, training runs) and the recorder
(logs of training pods); calls aiohttp. The configuration (kubeconfig, in-cluster token, TLS) is `kubernetes.aio`'s; the
calls are ours, because the generated client costs 1.8 ms of CPU a call against 0.7 and drops fields it does not know
(measured with TLS, see docs/adr/0004-api-client.md).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config

from blueno import names
from blueno.errors import Conflict, NotFound, Rejected, Unavailable
from blueno.kube_errors import error_of
from blueno.resources.api import PODS, Resource

Manifest = Mapping[str, Any]

CALL_TIMEOUT = 30.0  # seconds for a whole call
PAGE = 500
EXPIRED = 410  # a page's continuation, or the version that a watch was to begin at, is too old
WATCH_SECONDS = 240  # then the API server ends a watch, and it is begun again
SILENCE_SECONDS = 300.0  # in a stream that is not a log
EVENT_BYTES = 8 << 20  # of one watch event
_LOG_BUFFER = 32 << 10
_PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Cluster:
    """One API server. Every call has a time-out and raises only errors of blueno.errors."""

    def __init__(self, configuration: kube_client.Configuration, concurrency: int = 64) -> None:
        self._configuration = configuration
        self._base = configuration.host.rstrip("/")
        self._gate = asyncio.Semaphore(concurrency)
        connector = aiohttp.TCPConnector(limit=concurrency, ssl=_ssl_context(configuration))
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT, connect=10)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self._streams: aiohttp.ClientSession | None = None  # made for the first stream: they last, so none is counted

    @classmethod
    async def connect(cls) -> Cluster:
        """In-cluster credentials where there are any, else $KUBECONFIG."""
        configuration = kube_client.Configuration()
        try:
            kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except kube_config.ConfigException:
            await kube_config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        return cls(configuration)

    async def close(self) -> None:
        await self._session.close()
        if self._streams is not None:
            await self._streams.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        try:
            return await self._call("GET", resource.path(namespace, name))
        except NotFound:
            return None

    async def create(
        self, resource: Resource, manifest: Manifest, *, manager: str = names.FIELD_MANAGER, dry_run: bool = False
    ) -> dict[str, Any]:
        """Raises Conflict when the name is taken. `dry_run`: everything is checked and nothing kept.

        A field that the schema does not know is refused from every `manager` but the operator, whose manifests are
        made for API servers old and new.
        """
        query = {"fieldManager": manager, **_strictness(manager), **({"dryRun": "All"} if dry_run else {})}
        return await self._call("POST", resource.path(manifest["metadata"].get("namespace")), manifest, query=query)

    async def replace(self, resource: Resource, manifest: Manifest) -> dict[str, Any]:
        """PUT with the manifest's resourceVersion: Conflict when somebody was faster."""
        meta = manifest["metadata"]
        path = resource.path(meta.get("namespace"), meta["name"])
        return await self._call("PUT", path, manifest, query={"fieldManager": names.FIELD_MANAGER})

    async def merge(
        self, resource: Resource, namespace: str | None, name: str, patch: Manifest, sub: str | None = None
    ) -> dict[str, Any]:
        """JSON merge-patch of the object or of its subresource `sub`, by the operator."""
        return await self._patch(resource.path(namespace, name, sub), patch, names.FIELD_MANAGER)

    async def change(
        self, resource: Resource, namespace: str, name: str, patch: Manifest, manager: str
    ) -> dict[str, Any]:
        """JSON merge-patch of the object, by somebody else: unknown fields are refused."""
        return await self._patch(resource.path(namespace, name), patch, manager)

    async def _patch(self, path: str, patch: Manifest, manager: str) -> dict[str, Any]:
        query = {"fieldManager": manager, **_strictness(manager)}
        kind = "application/merge-patch+json"
        return await self._call("PATCH", path, patch, query=query, content_type=kind)

    async def delete(self, resource: Resource, namespace: str | None, name: str, uid: str | None = None) -> None:
        """Background deletion of just this object (`uid`), if it is still there."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", resource.path(namespace, name), options)
        except (NotFound, Conflict):  # gone, or another object of that name by now
            return

    async def list(
        self,
        resource: Resource,
        labels: str = "",
        *,
        namespace: str | None = None,
        fields: str = "",
        metadata_only: bool = False,
        cached: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        """All objects of a kind, in one namespace or in all, page by page.

        `cached` lets the API server answer from its watch cache (resourceVersion=0: cheap, maybe a little old). When
        the pages expire midway, everything comes once more, in one piece.
        """
        query = {"limit": str(PAGE)}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        if cached:
            query = {**query, "resourceVersion": "0"}
        accept = _PARTIAL if metadata_only else "application/json"
        while True:
            page, query = await self._page(resource.path(namespace), query, accept)
            for item in page.get("items") or ():
                yield item
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query = {key: value for key, value in query.items() if key != "resourceVersion"} | {"continue": token}

    async def _page(
        self, path: str, query: dict[str, str], accept: str = "application/json"
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """A page, and the query that it is the answer to: one without pages, when those have expired (410)."""
        try:
            return await self._call("GET", path, query=query, accept=accept), query
        except Rejected as error:
            if error.status != EXPIRED or "continue" not in query:
                raise
        query = {key: value for key, value in query.items() if key not in ("continue", "limit", "resourceVersion")}
        return await self._call("GET", path, query=query, accept=accept), query

    async def snapshot(self, resource: Resource, labels: str) -> tuple[Sequence[dict[str, Any]], str]:
        """All objects of a kind that carry these labels, and the resourceVersion to watch from."""
        query = {"limit": str(PAGE), "labelSelector": labels}
        found: Sequence[dict[str, Any]] = []
        while True:
            page, answered = await self._page(resource.path(None), query)
            known = found if answered is query else ()  # what came before the pages expired comes again
            found = [*known, *(page.get("items") or ())]
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                return found, str(meta.get("resourceVersion", ""))
            query = {**query, "continue": str(meta["continue"])}

    async def watch(self, resource: Resource, labels: str, version: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """(type, object) of what happens after `version`; ends when the API server ends it, or has forgotten so much.

        Raises Unavailable when the connection breaks.
        """
        query = {"watch": "1", "labelSelector": labels, "resourceVersion": version, "allowWatchBookmarks": "true"}
        query["timeoutSeconds"] = str(WATCH_SECONDS)
        rest = b""
        async with self._stream(resource.path(None), query, SILENCE_SECONDS) as answer:
            while chunk := await _some(answer):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > EVENT_BYTES:
                    raise Unavailable(f"a watch event of more than {EVENT_BYTES} bytes")
                for line in filter(None, lines):
                    event = _event(line)
                    if event["type"] == "ERROR":  # 410: too much has happened since `version`
                        return
                    yield event["type"], event["object"]

    @asynccontextmanager
    async def log(self, namespace: str, pod: str, container: str, *, follow: bool) -> AsyncIterator[LogStream]:
        """The log of a container from its beginning (or what the kubelet still has of it), and on when `follow`.

        Raises NotFound when the pod is gone, Rejected when the container has not begun, Unavailable.
        """
        query = {"container": container, "follow": "true"} if follow else {"container": container}
        async with self._stream(PODS.path(namespace, pod, "log"), query, None if follow else CALL_TIMEOUT) as answer:
            yield LogStream(answer)

    @asynccontextmanager
    async def _stream(
        self, path: str, query: Mapping[str, str], silence: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read piece by piece; `silence` seconds without a piece break it."""
        if self._streams is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=_ssl_context(self._configuration))
            self._streams = aiohttp.ClientSession(connector=connector, read_bufsize=_LOG_BUFFER)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence)
        headers = {"Accept": "application/json, */*", **await self._authorization()}
        try:
            async with self._streams.get(self._base + path, params=query, headers=headers, timeout=timeout) as answer:
                if answer.status >= 400:
                    raw = await answer.content.read(4096)
                    raise error_of(f"GET {path}", answer.status, raw, answer.headers.get("Retry-After"))
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"GET {path}: {type(error).__name__}: {error}") from error

    async def _call(
        self,
        verb: str,
        path: str,
        body: Manifest | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        headers = {"Accept": accept, "Content-Type": content_type, **await self._authorization()}
        data = None if body is None else json.dumps(body)
        what = f"{verb} {path}"
        try:
            async with (
                self._gate,
                self._session.request(verb, self._base + path, params=query, data=data, headers=headers) as answer,
            ):
                raw = await answer.read()
                if answer.status < 400:
                    return json.loads(raw) if raw else {}
                raise error_of(what, answer.status, raw, answer.headers.get("Retry-After"))
        except TimeoutError:
            raise Unavailable(f"{what}: no answer within {CALL_TIMEOUT:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error

    async def _authorization(self) -> dict[str, str]:
        """Bearer token; the configuration's own hook re-reads it each minute (kubelet rotates it)."""
        bearer = (await self._configuration.auth_settings()).get("BearerToken")
        return {"Authorization": str(bearer["value"])} if bearer and bearer["value"] else {}


class LogStream:
    """The text of a log as it comes. Not reading holds the sender back: nothing piles up here."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def read(self, seconds: float) -> bytes | None:
        """The next piece; b"" at the end; None when none comes within so many seconds."""
        try:
            async with asyncio.timeout(seconds) as limit:
                return await _some(self._answer)
        except TimeoutError:
            if limit.expired():
                return None
            raise


async def _some(answer: aiohttp.ClientResponse) -> bytes:
    return await answer.content.readany()


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
        if isinstance(event["type"], str) and isinstance(event["object"], dict):
            return dict(event)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Unavailable("the API server's watch sends something that is no event")


def _ssl_context(configuration: kube_client.Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Python 3.13's strict mode refuses CAs without a key identifier, which many clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _strictness(manager: str) -> dict[str, str]:
    return {} if manager == names.FIELD_MANAGER else {"fieldValidation": "Strict"}
