"""Kueue's Workload of a Job that is held, read when somebody wants to know why.

Called by controllers/engine.py; calls blueno/kube.py. No watch and no cache of Workloads: see
docs/adr/0017-kueue-is-asked.md. A cluster without Kueue is asked again after ABSENT_SECONDS.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from blueno import names
from blueno.errors import BluenoError, NotFound
from blueno.kube import Cluster
from blueno.resources.api import WORKLOADS
from blueno.resources.conditions import shorten
from blueno.resources.workload import Admission, Workload
from controllers.step import Ref

ABSENT_SECONDS = 5.0  # until a cluster that had no Kueue is asked anew
ASKS_PER_SECOND = 50.0  # with more held Jobs than these allow, each is asked for more rarely
BELIEVED_SECONDS = 2.0  # an answer serves whoever asks within so long
FORGOTTEN_SECONDS = 60.0  # a Job that nobody has asked about is held no more
_TROUBLE_WORDS = 200


class Workloads:
    """Answers about Jobs by their uid. Any number of held Jobs costs the API server at most ASKS_PER_SECOND."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._absent_until = float("-inf")
        self._answers: OrderedDict[str, tuple[float, Admission]] = OrderedDict()  # oldest first

    async def of(self, job: Ref) -> Admission:
        """What Kueue says of this Job; never fails, so that a run whose Workload cannot be read is told that."""
        now, uid = self._clock(), job.uid or ""
        while self._answers and now - next(iter(self._answers.values()))[0] > FORGOTTEN_SECONDS:
            self._answers.popitem(last=False)
        if now < self._absent_until:
            return Admission(installed=False)
        at, known = self._answers.get(uid, (float("-inf"), None))
        if known is not None and now - at < max(BELIEVED_SECONDS, len(self._answers) / ASKS_PER_SECOND):
            return known
        answer = await self._ask(job.namespace, uid)
        self._answers[uid] = (now, answer)
        self._answers.move_to_end(uid)
        return answer

    async def _ask(self, namespace: str | None, uid: str) -> Admission:
        selector = f"{names.KUEUE_JOB_LABEL}={uid}"
        for resource in WORKLOADS:  # an older Kueue serves only the older of the two
            try:
                found = [body async for body in self._cluster.list(resource, selector, namespace=namespace)]
            except NotFound:
                continue
            except BluenoError as error:
                return Admission(None, trouble=shorten(str(error), _TROUBLE_WORDS))
            # A Job has one; the newest, should Kueue be about to replace it.
            found.sort(key=lambda body: str(body["metadata"].get("creationTimestamp") or ""))
            return Admission(True, Workload.parse(found[-1]) if found else None)
        self._absent_until = self._clock() + ABSENT_SECONDS
        return Admission(installed=False)
