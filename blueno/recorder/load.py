"""Compares one data set's volume with what is loaded, and loads and drops what differs. Called by recorder.py.

The current version comes first: it is what people look at. First load and rebuild are this same code.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from blueno.db.ingest import VersionMeta
from blueno.db.listings import Pending
from blueno.errors import BluenoError, NotFound, Unavailable
from blueno.recorder.config import RecorderConfig
from blueno.recorder.dataserver import DataServer, Version, VersionUnusable
from blueno.recorder.leases import Leases
from blueno.recorder.metrics import Metrics
from blueno.recorder.operator import Operator
from blueno.recorder.store import Store, StoreTrouble
from blueno.recorder.working import WorkingSets
from blueno.resources.indexing import MESSAGE_LIMIT, IndexReport

log = logging.getLogger("blueno.recorder")

T = TypeVar("T")
COPIES = 1  # at a time: it keeps a core of PostgreSQL busy, and holds some 30 MB here; the next is read meanwhile


class Loader:
    """`load` may run for several data sets at a time."""

    def __init__(self, session: aiohttp.ClientSession, config: RecorderConfig, store: Store, metrics: Metrics) -> None:
        self.operator = Operator(session, config)
        self._leases = Leases(self.operator, config.renew_seconds)
        self.working = WorkingSets(session, config, self._leases, metrics)
        self._session, self._config, self._store, self._metrics = session, config, store, metrics
        self._copies = asyncio.Semaphore(COPIES)

    async def load(self, one: Pending) -> bool:
        """Afterwards everything that the volume lists is loaded, and nothing else of this data set is.

        True when the operator was told so. Raises NotNow; StoreTrouble; NotFound when the data set is gone;
        VersionUnusable when the current version cannot be loaded; Unavailable for what may be better next time.
        """
        async with self._leases.held(one.uid):
            url = self._config.data_server_url(one.namespace, one.name, one.uid)
            server = DataServer(self._session, url, one.uid, self._config.grant_key_file)
            await server.ready(self._config.ready_seconds)
            listed = {version.digest: version for version in await server.versions()}
            if one.digest not in listed:
                raise VersionUnusable(f"version {one.digest[:16]} is not on the volume, or cannot be read there")
            loaded = await self._stored(self._store.loaded, one.uid)
            told, usable = await self._load_missing(one, server, listed, loaded)
            gone = [number for digest, (number, _) in loaded.items() if digest not in listed]
            if gone:
                await self._stored(self._store.drop, gone)
                self._metrics.dropped.inc(len(gone))
            await self._stored(self._store.note_listing, one.uid, one.digest, usable)
            await self.working.along(one, server)
        return told

    async def tell(self, one: Pending, state: str, rows: int = 0, message: str = "") -> bool:
        """For the Dataset's status, best effort; whether the operator has it."""
        try:
            await self.operator.report(IndexReport(one.uid, one.digest, state, rows, message[:MESSAGE_LIMIT]))
        except (Unavailable, NotFound) as error:
            log.warning("%s/%s: %s is not reported: %s", one.namespace, one.name, state, error)
            return False
        return True

    async def _load_missing(
        self, one: Pending, server: DataServer, listed: dict[str, Version], loaded: dict[str, tuple[int, int]]
    ) -> tuple[bool, list[str]]:
        """The current version, then the others, newest first. One of those that is unusable is passed over.

        Whether the operator was told that the current one is indexed, and the digests of all that are loaded now.
        """
        told, usable = False, []
        for version in sorted(listed.values(), key=lambda v: (v.digest != one.digest, -v.sequence)):
            known = loaded.get(version.digest)
            if known is None and version.digest == one.digest:
                await self.tell(one, "Indexing")
            try:
                if known is None:
                    await self._load_version(one, server, version)
                elif known[1] < version.sequence:
                    await self._stored(self._store.renumber, _meta(one, version, {}))
                usable.append(version.digest)
            except VersionUnusable as error:
                if version.digest == one.digest:
                    raise
                log.warning("%s/%s: an older version is passed over: %s", one.namespace, one.name, error)
                self._metrics.failures.labels("version").inc()
            if version.digest == one.digest and (known is None or not one.indexed):
                told = await self.tell(one, "Indexed", version.samples)
        return told, usable

    async def _load_version(self, one: Pending, server: DataServer, version: Version) -> None:
        manifest, index = await server.manifest(version.digest)
        with tempfile.TemporaryDirectory(prefix="index-") as folder:
            file = Path(folder, "index.arrow")
            try:
                await server.save_index(version.digest, index, file)
            except OSError as error:
                raise Unavailable(f"the index cannot be kept in {tempfile.gettempdir()}: {error.strerror}") from error
            async with self._copies:
                rows = await self._stored(self._store.load, _meta(one, version, manifest), file)
        self._metrics.versions.inc()
        self._metrics.rows.inc(rows)
        log.info("%s/%s: %d rows of version %s", one.namespace, one.name, rows, version.digest[:16])

    async def _stored(self, function: Callable[..., T], *arguments: Any) -> T:
        """A call of the store in a thread. Raises StoreTrouble, VersionUnusable."""
        try:
            return await asyncio.to_thread(function, *arguments)
        except VersionUnusable:
            raise
        except BluenoError as error:
            raise StoreTrouble(str(error)) from error


def _meta(one: Pending, version: Version, manifest: dict[str, Any]) -> VersionMeta:
    return VersionMeta(
        dataset_uid=one.uid,
        digest=version.digest,
        sequence=version.sequence,
        sealed_at=version.sealed_at,
        samples=version.samples,
        bytes=version.bytes,
        manifest=manifest,
    )
