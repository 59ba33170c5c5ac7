"""`client.datasets`: everything about Datasets as objects; their samples are in samples.py. Called by people's scripts
and blueno/cli; calls asking.py and specfile.py. `AsyncDatasets` is what AsyncClient has, `Datasets` what Client has.

Every method raises the errors of blueno/errors.py: NotFound, Conflict, Rejected (not permitted, or not valid),
Unavailable (the server does not answer), InvalidSpec (your own file), else BluenoError.
"""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from blueno import names
from blueno.client import asking
from blueno.client.dataset_values import Dataset, DatasetSummary, HistoryEntry, Version
from blueno.client.driving import Facade, Transport, blocking, iterating
from blueno.client.exchange import Request
from blueno.client.reading import Fields
from blueno.client.waiting import Patience, until
from blueno.errors import InvalidSpec, NotFound

DATASETS = "/api/v1/datasets"
SEEN = 15.0  # seconds until a data set that was made is seen; the copy follows in 0.1 s when all is well
LOOK = 1.0  # seconds between looks while waiting


class Unset(enum.Enum):
    """Of an argument that was not given, where None means something."""

    UNSET = "unset"


UNSET = Unset.UNSET


class AsyncDatasets:
    """The data sets of one server. `namespace` is where one lives; "default" unless said otherwise."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._made: dict[tuple[str, str], float] = {}  # place → until when it may not be seen yet

    async def list(
        self, *, namespace: str | None = None, search: str = "", limit: int | None = None
    ) -> list[DatasetSummary]:
        """Data sets by namespace and name; of every namespace you may see unless one is named."""
        return [one async for one in self.iterate(namespace=namespace, search=search, limit=limit)]

    async def iterate(
        self, *, namespace: str | None = None, search: str = "", limit: int | None = None
    ) -> AsyncIterator[DatasetSummary]:
        """The same one after the other, page by page; `search` is a part of the name or the display name."""
        query = {"namespace": namespace, "q": search or None}
        async for item in asking.pages(self._transport, DATASETS, query, limit):
            yield DatasetSummary.parse(item.raw, item.where)

    async def get(self, name: str, namespace: str = "default") -> Dataset:
        """One data set, with all there is to know."""
        path = _path(namespace, name)
        while True:
            try:
                found = Dataset.parse((await asking.get(self._transport, path)).body)
            except NotFound:
                # The server reads a copy that follows the cluster: for a moment it lacks what was just made.
                if time.monotonic() >= self._made.get((namespace, name), 0.0):
                    raise
                await self._transport.pause(min(LOOK, 0.2))
            else:
                self._made.pop((namespace, name), None)
                return found

    async def create(
        self,
        source: Mapping[str, Any] | str | Path,
        *,
        namespace: str | None = None,
        name: str | None = None,
        dry_run: bool = False,
    ) -> Dataset:
        """Makes a data set from a YAML file ("-": standard input) or from the object itself, and returns it.

        An object may be a whole manifest, or only {"spec": …}: then the server makes a name of its displayName unless
        `name` gives one. `namespace` and `name` replace what stands there. With `dry_run` the server checks everything
        and makes nothing. Conflict: there is one of that name already.
        """
        body = _manifest(source if isinstance(source, Mapping) else _read(source), namespace, name)
        place = namespace or (body.get("metadata") or {}).get("namespace") or "default"
        query = {"dryRun": "true"} if dry_run else {}
        # The key makes it safe to ask again: who lost the answer gets the same one, not a second data set.
        headers = {"Idempotency-Key": f"create-{secrets.token_hex(16)}"}
        request = Request("POST", f"{DATASETS}/{asking.segment(place, 'namespace')}", query, body, headers)
        made = Dataset.parse((await asking.patiently(self._transport, request, away=20.0)).body)
        if not dry_run:
            self._made[made.namespace, made.name] = time.monotonic() + SEEN
        return made

    async def change(
        self,
        name: str,
        namespace: str = "default",
        *,
        suspend: bool | None = None,
        current_version: str | Unset | None = UNSET,
        display_name: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
    ) -> Dataset:
        """Suspends or resumes it, pins a version (None: the newest again), says more about it (None: nothing)."""
        given = {"currentVersion": current_version, "displayName": display_name, "description": description}
        body: dict[str, Any] = {key: value for key, value in given.items() if value is not UNSET}
        if suspend is not None:
            body["suspend"] = suspend
        request = Request("PATCH", _path(namespace, name), body=body)
        return Dataset.parse((await self._transport.send(request)).body)

    async def delete(self, name: str, namespace: str = "default") -> None:
        """It goes, and its data as spec.reclaimPolicy says; while runs use it that has to wait."""
        await self._transport.send(Request("DELETE", _path(namespace, name)))

    async def wait(
        self,
        name: str,
        namespace: str = "default",
        *,
        since: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        seen: Callable[[Dataset], None] | None = None,
    ) -> Dataset:
        """The data set once it is ready, or only a person can help: look at `.ready` and `.stalled`.

        `since`: what `seal`, `retry` or `refresh` returned; then it is waited until that has been acted on, too. `seen`
        is called with every look at it. Raises NotInTime after `timeout` seconds (None: never).
        """

        def ended(found: Dataset) -> bool:
            if seen is not None:
                seen(found)
            return found.settled and _has_answered(found, since)

        patience = Patience(timeout, LOOK, f"{namespace}/{name} was not ready")
        return await until(self._transport, lambda: self.get(name, namespace), ended, patience)

    async def wait_deleted(
        self,
        name: str,
        namespace: str = "default",
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Returns when it is gone. Raises NotInTime after `timeout` seconds."""
        self._made.pop((namespace, name), None)

        async def is_gone() -> bool:
            try:
                await self.get(name, namespace)
            except NotFound:
                return True
            return False

        patience = Patience(timeout, LOOK, f"{namespace}/{name} was not gone", "its message says why")
        await until(self._transport, is_gone, bool, patience)

    async def seal(self, name: str, namespace: str = "default") -> str:
        """Asks that the working set becomes a version; when that was, for `wait(since=…)`."""
        return await self._ask("seal", name, namespace)

    async def retry(self, name: str, namespace: str = "default") -> str:
        """Asks that a preparation that failed is tried again. Conflict: nothing has failed."""
        return await self._ask("retry", name, namespace)

    async def refresh(self, name: str, namespace: str = "default") -> str:
        """Asks that the source is read anew into a new version."""
        return await self._ask("refresh", name, namespace)

    async def versions(self, name: str, namespace: str = "default") -> list[Version]:  # type: ignore[valid-type]
        """Sealed versions whose samples can be searched, newest first."""
        answer = await asking.get(self._transport, f"{_path(namespace, name)}/versions")
        return [Version.parse(item) for item in Fields(answer.body, "versions").each("items")]

    async def history(
        self, name: str, namespace: str = "default", *, limit: int | None = None
    ) -> AsyncIterator[HistoryEntry]:
        """What its conditions said, newest first."""
        async for item in asking.pages(self._transport, f"{_path(namespace, name)}/history", {}, limit):
            yield HistoryEntry.parse(item)

    async def _ask(self, kind: str, name: str, namespace: str) -> str:
        headers = {"Idempotency-Key": f"{kind}-{secrets.token_hex(16)}"}
        request = Request("POST", f"{_path(namespace, name)}/requests", body={"kind": kind}, headers=headers)
        answer = await asking.patiently(self._transport, request, away=20.0)
        return Fields(answer.body, "answer").text("requestedAt")


class Datasets(Facade[AsyncDatasets]):
    """The data sets of one server. `namespace` is where one lives; "default" unless said otherwise."""

    list = blocking(AsyncDatasets.list)
    iterate = iterating(AsyncDatasets.iterate)
    get = blocking(AsyncDatasets.get)
    create = blocking(AsyncDatasets.create)
    change = blocking(AsyncDatasets.change)
    delete = blocking(AsyncDatasets.delete)
    wait = blocking(AsyncDatasets.wait)
    wait_deleted = blocking(AsyncDatasets.wait_deleted)
    seal = blocking(AsyncDatasets.seal)
    retry = blocking(AsyncDatasets.retry)
    refresh = blocking(AsyncDatasets.refresh)
    versions = blocking(AsyncDatasets.versions)
    history = iterating(AsyncDatasets.history)


def _has_answered(found: Dataset, since: str | None) -> bool:
    # RFC 3339 in UTC, always to the millisecond: the order of the texts is that of the times.
    return since is None or (found.last_handled_request or "") >= since


def _read(source: str | Path) -> Any:
    from blueno.client import specfile

    return specfile.document(source, names.DATASET_KIND)


def _manifest(document: Any, namespace: str | None, name: str | None) -> dict[str, Any]:
    """What is sent. Raises InvalidSpec."""
    if not isinstance(document, Mapping) or not isinstance(document.get("spec"), Mapping):
        raise InvalidSpec("spec", "must say what the data set is: spec: {source: …, storage: …}")
    if document.get("kind", names.DATASET_KIND) != names.DATASET_KIND:
        raise InvalidSpec("kind", f"must be {names.DATASET_KIND}: this is another object")
    if document.get("apiVersion", names.API_VERSION) != names.API_VERSION:
        raise InvalidSpec("apiVersion", f"must be {names.API_VERSION}")
    kept = {key: document[key] for key in ("apiVersion", "kind", "name", "spec") if key in document}
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise InvalidSpec("metadata", "must name the data set: metadata: {name: my-data}")
    known = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    if namespace is not None and "namespace" in known:
        known["namespace"] = namespace
    if name is not None:
        kept.pop("name", None)
        known["name"] = name
    return {**kept, "metadata": known} if known else kept


def _path(namespace: str, name: str) -> str:
    return asking.path_of(DATASETS, "data set", namespace, name)
