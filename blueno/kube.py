"""The few API verbs Blueno uses, on plain dict manifests.

Called by controllers/ (writer, sweep, reports, lease, keys) and webui/ (access reviews, training runs); calls aiohttp.
The configuration (kubeconfig, in-cluster token, TLS) is `kubernetes.aio`'s; the calls are ours, because the generated
client costs 1.8 ms of CPU a call against 0.7 and drops fields it does not know (measured with TLS, see
docs/adr/0004-api-client.md).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config

from blueno import names
from blueno.errors import Conflict, NotFound, Rejected, Unavailable
from blueno.resources.api import Resource

Manifest = Mapping[str, Any]

CALL_TIMEOUT = 30.0  # seconds for a whole call
PAGE = 500
CAUSES = 20  # fields that a refusal names
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

        `cached` lets the API server answer from its watch cache (resourceVersion=0: cheap, maybe a little old).
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
            page = await self._call("GET", resource.path(namespace), query=query, accept=accept)
            for item in page.get("items") or ():
                yield item
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query = {key: value for key, value in query.items() if key != "resourceVersion"} | {"continue": token}

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
                raise _error(what, answer.status, raw, answer.headers.get("Retry-After"))
        except TimeoutError:
            raise Unavailable(f"{what}: no answer within {CALL_TIMEOUT:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error

    async def _authorization(self) -> dict[str, str]:
        """Bearer token; the configuration's own hook re-reads it each minute (kubelet rotates it)."""
        bearer = (await self._configuration.auth_settings()).get("BearerToken")
        return {"Authorization": str(bearer["value"])} if bearer and bearer["value"] else {}


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


def _error(what: str, status: int, raw: bytes, retry_after: str | None) -> Exception:
    """The error of blueno.errors for an answer of 400 or more."""
    try:
        answer = json.loads(raw)
        message = str(answer["message"])
    except (ValueError, KeyError, TypeError):
        answer, message = {}, raw[:200].decode(errors="replace")
    text = f"{what}: {status} {message}"
    if status == 404:
        return NotFound(text, message)
    if status == 409:
        return Conflict(text)
    if status in (401, 429) or status >= 500:
        return Unavailable(text, float(retry_after) if retry_after and retry_after.isdecimal() else None)
    return Rejected(text, status, message, _causes(answer))


def _causes(answer: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(path, message) of the fields that a Status names."""
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    found = [cause for cause in causes or () if isinstance(cause, dict)] if isinstance(causes, list) else []
    return tuple((str(cause.get("field") or ""), str(cause.get("message") or "")) for cause in found[:CAUSES])
