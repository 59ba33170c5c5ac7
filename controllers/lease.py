"""One operator at a time: a Lease, judged by how long *we* have seen it unchanged, never by another machine's clock.

Started by controllers/lifecycle.py; controllers/writer.py asks it before each write. Who was stopped or cut off for so
long that another may have taken the Lease writes nothing any more, whenever it learns of it. What was on its way by
then is harmless: names are deterministic, and patches carry uids.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from blueno import names
from blueno.errors import BluenoError, Conflict, Unavailable
from blueno.kube import Cluster
from blueno.resources.api import LEASES
from blueno.resources.conditions import parse_time

log = logging.getLogger("blueno.lease")

DURATION = 15.0  # seconds without renewal after which others may take it
SURE = 12.0  # seconds without renewal for which we write: less than DURATION by what a write may be under way for
RENEW = 5.0
RETRY = 1.0
TRANSITIONS = 1 << 20  # more than a Lease ever sees: one a second for twelve days


class Lease:
    """Held while `hold` runs."""

    def __init__(self, cluster: Cluster, namespace: str, identity: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._identity = identity
        self._seen: tuple[str, float] = ("", 0.0)  # resourceVersion, when we first saw it (monotonic)
        self._renewed = -DURATION  # when the last renewal that succeeded was begun (monotonic)
        self._renewal = asyncio.Event()  # set by the next one
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Grows with every change of the holder: who writes elsewhere with a smaller one is no longer the operator.

        Two processes with the same epoch have the same identity, of which the cluster runs one at a time. The Lease's
        age comes first: its count of holders begins anew when somebody deletes it.
        """
        return self._epoch

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Around a write that only the operator may make: it has to end while the Lease is surely ours.

        Waits a while for a renewal, then raises Unavailable. Clocks go on while a process is stopped: a write that had
        begun by then and was not sent ends here, too.
        """
        if (left := await self._left()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    yield
                return
        age = time.monotonic() - self._renewed
        raise Unavailable(
            f"the lease {self._namespace}/{names.LEASE} was not renewed for {age:.0f} s, so that another operator may "
            "hold it: nothing is written until it is renewed"
        )

    async def _left(self) -> float:
        """For how many seconds the Lease is surely ours. What was planned before another had it is planned anew."""
        if time.monotonic() - self._renewed >= SURE:
            epoch = self._epoch
            with suppress(TimeoutError):
                await asyncio.wait_for(self._renewal.wait(), RENEW)
            if self._epoch != epoch:
                return 0.0
        return self._renewed + SURE - time.monotonic()

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        told = False
        while True:
            try:
                if await self._try():
                    log.info("holding lease %s/%s as %s", self._namespace, names.LEASE, self._identity)
                    return
                if not told:
                    log.info("another operator holds lease %s/%s: waiting", self._namespace, names.LEASE)
                    told = True
            except BluenoError as error:
                log.warning("lease not read: %s", error)
            await asyncio.sleep(RETRY)

    async def hold(self) -> None:
        """Renew until it is lost; returns then, and the operator has to stop."""
        while True:
            await asyncio.sleep(max(RETRY, self._renewed + RENEW - time.monotonic()))
            try:
                if not await self._try():
                    log.error("lease taken by another operator: stopping")
                    return
            except BluenoError as error:
                # An unreachable API server stops the others too: nobody can take what nobody can write.
                log.warning("lease not renewed for %.0f s: %s", time.monotonic() - self._renewed, error)

    async def release(self) -> None:
        """Let the next operator start at once."""
        try:
            found = await self._cluster.get(LEASES, self._namespace, names.LEASE)
            if found is not None and found["spec"].get("holderIdentity") == self._identity:
                found["spec"] = {**found["spec"], "holderIdentity": ""}
                await self._cluster.replace(LEASES, found)
        except BluenoError as error:
            log.info("lease not released: %s", error)

    async def _try(self) -> bool:
        found = await self._cluster.get(LEASES, self._namespace, names.LEASE)
        begun = time.monotonic()  # others count from when they see it, which is later
        if found is None:
            try:
                self._hold(await self._cluster.create(LEASES, self._manifest({}, 0)), begun)
            except Conflict:
                return False
            return True
        spec = found["spec"]
        holder = spec.get("holderIdentity")
        if holder not in (None, "", self._identity) and not self._expired(found):
            return False
        transitions = int(spec.get("leaseTransitions", 0)) + (holder != self._identity)
        try:
            self._hold(await self._cluster.replace(LEASES, self._manifest(found["metadata"], transitions)), begun)
        except Conflict:
            if holder == self._identity:
                raise  # somebody touched our Lease: that does not make it theirs, look again
            return False
        return True

    def _hold(self, made: dict[str, Any], begun: float) -> None:
        self._renewed = begun
        self._renewal.set()
        self._renewal = asyncio.Event()
        created = parse_time(made["metadata"].get("creationTimestamp", ""))
        age = int(created.timestamp()) if created is not None else 0
        self._epoch = age * TRANSITIONS + int(made["spec"]["leaseTransitions"])

    def _expired(self, found: dict[str, Any]) -> bool:
        version, now = found["metadata"]["resourceVersion"], time.monotonic()
        if version != self._seen[0]:
            self._seen = (version, now)
        return now - self._seen[1] > DURATION

    def _manifest(self, meta: dict[str, Any], transitions: int) -> dict[str, Any]:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        kept = {"resourceVersion": meta["resourceVersion"]} if meta else {}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": names.LEASE, "namespace": self._namespace, **kept},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "renewTime": stamp,
                "leaseTransitions": transitions,
            },
        }
