"""Asks the operator for work and for permits, and tells it how work ended. Called by lanes.py and server.py.

The operator may be away for a while (restarted, upgraded): everything is asked again until `operator_seconds` are up.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from blueno import names
from blueno.errors import Unavailable
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Dismissed, Stale
from blueno.posting import Endpoint, post
from blueno.resources.ingest import Result, Task

log = logging.getLogger("blueno.ingest")

LAST_PAUSE = 5.0
ANSWER_BYTES = 32 << 20  # a page of Tasks is about 1 MiB; one alone may be larger
RENEW_BEFORE = 0.5  # of a permit's life


class OperatorClient:
    """One per lane. Not thread-safe but for `stop`."""

    def __init__(self, config: IngestConfig, stop: threading.Event) -> None:
        self._config, self._stop = config, stop
        self._grant, self._renew_at = "", 0.0
        self._held: tuple[str, int] = ("", 0)

    def work(self, lane: str, results: Sequence[Result]) -> tuple[list[Task], bool]:
        """The next Tasks, and whether more are about to come. Raises Dismissed, Unavailable."""
        needs = self._config.options.needs.to_dict()
        body = {"lane": lane, "needs": needs, "results": [result.to_dict() for result in results]}
        answer = self._ask(names.INGEST_WORK_PATH, body)
        return [Task.from_dict(task) for task in answer["tasks"]], bool(answer["more"])

    def hold(self, uid: str, generation: int) -> None:
        """From now on `permit` is asked for while this Sample is worked on; "" for many."""
        self._held, self._renew_at = (uid, generation), 0.0

    def permit(self) -> str:
        """A grant for the data server. Raises Stale when the Sample in hand has changed, Dismissed, Unavailable."""
        if time.monotonic() >= self._renew_at:
            uid, generation = self._held
            answer = self._ask(names.INGEST_GRANT_PATH, {"uid": uid, "generation": generation})
            if answer.get("stop"):
                raise Stale("the Sample was changed or deleted meanwhile")
            self._grant = str(answer["grant"])
            self._renew_at = time.monotonic() + RENEW_BEFORE * float(answer["seconds"])
        return self._grant

    def forget_permit(self) -> None:
        """The data server has refused it."""
        self._renew_at = 0.0

    def _ask(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        config, began, tries = self._config, time.monotonic(), 0
        endpoint = Endpoint(config.report_url.rstrip("/") + path, config.token_file, config.report_ca_file)
        while True:
            after = 0.0
            try:
                answer = post(endpoint, body, ANSWER_BYTES)
                if answer.status == 200:
                    found: Mapping[str, Any] = json.loads(answer.text)
                    return found
                after, said = answer.retry_after, f"HTTP {answer.status} {answer.text[:300]}"
                if answer.status == 409:
                    raise Dismissed(f"the operator says: {answer.text[:300]}")
                if answer.status in (400, 413):
                    raise ValueError(f"the operator does not understand this pod: {answer.text[:300]}")
            except (OSError, http.client.HTTPException) as error:
                said = f"{type(error).__name__}: {error}"
            pause = max(after, min(LAST_PAUSE, 0.2 * 2.0 ** min(tries, 8)) * random.uniform(0.75, 1.25))  # noqa: S311
            if time.monotonic() + pause - began > config.operator_seconds:
                raise Unavailable(f"the operator does not answer ({said})")
            if not tries:
                log.warning("the operator does not answer (%s); asked again", said)
            tries += 1
            if self._stop.wait(pause):
                raise Dismissed("this pod is to end")
