"""kopf, told to be nothing but an event source: no annotations, no finalizers, no events, endless patience.

Called by controllers/lifecycle.py. Each setting has its reason in docs/adr/0001-kopf-as-event-source.md.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import kopf

from blueno import names

_CAP = 15.0  # seconds between two tries


class EndlessBackoffs:
    """0.2 s doubling to `cap`, with jitter, for ever: kopf's own list ends after 54 s and the work is lost."""

    def __init__(self, cap: float = _CAP) -> None:
        self._cap = cap

    def __iter__(self) -> Iterator[float]:
        delay = 0.2
        while True:
            yield delay * (0.5 + random.random() / 2)  # noqa: S311
            delay = min(self._cap, delay * 2)


class NoDiffBase(kopf.DiffBaseStorage):
    """Only legal while no change handler exists in this process: nothing is remembered on the object."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Nothing."""


class NoProgress(kopf.ProgressStorage):
    """Event handlers have no progress to keep."""

    def fetch(self, *, key: Any, body: Any) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        """Nothing."""

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        """Nothing."""

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        """Nothing."""

    def clear(self, *, essence: Any) -> Any:
        return essence


def configure(settings: kopf.OperatorSettings) -> None:
    """Settings for a process that has event handlers only."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # a line for every event says nothing
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.2
    settings.persistence.finalizer = names.KOPF_UNUSED_FINALIZER
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.networking.enforce_retry_after = True
