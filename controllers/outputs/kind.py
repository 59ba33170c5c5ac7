"""Claims that training runs write to, as the engine sees them: only their data server is ours to make.

Called by controllers/engine.py. The claim itself is never written; its keys come from looks (controllers/reports.py),
from its own events, and, when one node has it at a time, from those of the runs that write to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.api import CLAIMS, DEPLOYMENTS, JOBS, PODS
from controllers.cache import Body, Cache, owner_kind, owner_uid
from controllers.heard import Heard
from controllers.outputs.observe import claim_of, is_shared, observe
from controllers.outputs.serving import serve
from controllers.queue import Key
from controllers.step import Step
from controllers.world import World


class OutputsKind:
    """Pure but for the cache it reads."""

    resource = CLAIMS

    def __init__(self, world: World, cache: Cache) -> None:
        self._world = world
        self._cache = cache

    def plan(
        self,
        body: Body,
        heard: Heard,
        now: datetime,
        told: str = "",  # noqa: ARG002
    ) -> tuple[Step, Mapping[str, Any]]:
        """The next Step for the claim's data server; never a change of the claim."""
        deeds, again_in = serve(observe(self._cache, body, now), self._world, heard.serve_until, now)
        return Step("", "", serve=deeds, again_in=again_in), {}

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing: the engine's Event says it."""
        return {}

    def refused(self, body: Body, step: Step, message: str, now: datetime) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing: the engine's Event says it."""
        return {}

    def interested(self, kind: str, body: Body) -> Iterable[Key]:
        """The claim itself when it has a server; and such a claim when a run that has it alone begins or ends."""
        if kind == CLAIMS.kind:
            claim: Body | None = body
        else:
            run = self._run(kind, body)
            claim = claim_of(self._cache, run) if run is not None else None
            if claim is None or is_shared(claim):
                return
        if claim is not None and self._cache.children(DEPLOYMENTS.kind, claim["metadata"]["uid"]):
            yield CLAIMS.kind, claim["metadata"]["uid"]

    def _run(self, kind: str, body: Body) -> Body | None:
        if kind == names.TRAINING_RUN_KIND:
            return body
        if kind in (JOBS.kind, PODS.kind) and owner_kind(body) == names.TRAINING_RUN_KIND:
            return self._cache.get(names.TRAINING_RUN_KIND, owner_uid(body) or "")
        return None
