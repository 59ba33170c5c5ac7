"""The Dataset kind as the engine sees it: body in, Step and status out. Called by controllers/engine.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.api import DATASETS
from blueno.resources.dataset import Dataset
from blueno.resources.reasons import DatasetReason as Reason
from controllers.cache import Body, Cache, tenant_namespace
from controllers.dataset import words
from controllers.dataset.build import grow_claim
from controllers.dataset.case import Case
from controllers.dataset.decide import decide
from controllers.dataset.deletion import Farewell, decide_farewell
from controllers.dataset.managed import tend
from controllers.dataset.nfs import wants_server
from controllers.dataset.observe import Observed, observe
from controllers.dataset.serving import rest, serve
from controllers.dataset.status import project_status
from controllers.dataset.users import find_users, mark, used_by, waits_for_node
from controllers.dataset.work import wanted_work
from controllers.diff import difference
from controllers.heard import NOTHING, Heard
from controllers.holds import Holds
from controllers.queue import Key
from controllers.servers import view_server
from controllers.step import Step
from controllers.world import World


class DatasetKind:
    """Pure but for the cache it reads."""

    resource = DATASETS

    def __init__(self, world: World, cache: Cache, holds: Holds | None = None) -> None:
        self._world = world
        self._cache = cache
        self._holds = holds or Holds()

    def plan(self, body: Body, heard: Heard, now: datetime, told: str = "") -> tuple[Step, Mapping[str, Any]]:
        """The next Step for `body` and the status changes that go with it; `told` answers what it asked before."""
        try:
            dataset = Dataset.parse(body)
        except InvalidSpec as error:
            return self._invalid(body, error, heard, now)
        seen = self._observe(dataset, heard, now)
        if dataset.deleting_since is not None:
            return self._farewell(dataset, seen, now, told)
        wanted = wanted_work(dataset, seen.jobs)
        if dataset.wants_erase != (names.ERASE_FINALIZER in dataset.finalizers):
            # Before anything is made that the finalizer has to guard.
            return Step(Reason.PENDING, "", finalizer=dataset.wants_erase, again_in=0), {}
        case = Case(dataset, seen, wanted, self._world, now)
        step = decide(case)
        deeds, look = serve(case, step, heard.serve_until)
        in_use, release = mark(dataset, seen.users, now)
        tended, grown = tend(case)
        again_in = _soonest(step.again_in, look, release, grown, used_by(dataset, seen.users, now)[1])
        step = replace(step, wish=(*grow_claim(dataset, seen), *tended), serve=deeds, in_use=in_use, again_in=again_in)
        if step.ask is not None and told:
            step = words.told(step, told)
        status = project_status(dataset, seen, wanted, step, now)
        return step, difference(dataset.status, status)

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]:
        """Status changes when a name we need is taken by somebody else."""
        return self._explain(body, Step(Reason.NAME_CONFLICT, message, stalled=True), now)

    def refused(self, body: Body, step: Step, message: str, now: datetime) -> Mapping[str, Any]:
        """Status changes when the API server does not accept what `step` wants made: a quota, a policy."""
        text = f"the API server refuses what has to be made: {message}"
        return self._explain(body, Step(step.reason, text, reconciling=True), now)

    def _explain(self, body: Body, step: Step, now: datetime) -> Mapping[str, Any]:
        dataset = Dataset.parse(body)
        seen = self._observe(dataset, NOTHING, now)
        return difference(dataset.status, project_status(dataset, seen, None, step, now))

    def interested(self, kind: str, body: Body) -> Iterable[Key]:
        """Datasets that this object matters to without being theirs: a user's claim, a run, their NFS server."""
        tenant, config = tenant_namespace(body), self._world.config
        if tenant is not None and body["metadata"].get("namespace") == config.storage_namespace:
            for dataset in self._cache.datasets_in(tenant):
                if wants_server(dataset, config):
                    yield names.DATASET_KIND, dataset["metadata"]["uid"]
        if kind == names.TRAINING_RUN_KIND:
            for entry in body["spec"].get("datasets") or ():
                read = self._cache.named(names.DATASET_KIND, body["metadata"]["namespace"], str(entry.get("name")))
                if read is not None:
                    yield names.DATASET_KIND, read["metadata"]["uid"]
        if kind != "PersistentVolumeClaim":
            return
        meta = body["metadata"]
        for dataset in self._cache.all(names.DATASET_KIND):
            spec = dataset["spec"]
            named = {
                ((spec.get("storage") or {}).get("existingClaim") or {}).get("name"),
                ((spec.get("source") or {}).get("claim") or {}).get("name"),
                names.claim_name(dataset["metadata"]["name"], dataset["metadata"]["uid"]),  # if somebody took it
            }
            if dataset["metadata"]["namespace"] == meta.get("namespace") and meta["name"] in named:
                yield names.DATASET_KIND, dataset["metadata"]["uid"]

    def _observe(self, dataset: Dataset, heard: Heard, now: datetime) -> Observed:
        seen = observe(self._cache, dataset, self._world.config, heard)
        alone = seen.claim is not None and not seen.claim.shared
        waits = alone and waits_for_node(self._cache, dataset)
        return replace(seen, users=find_users(self._cache, self._holds, dataset, now), run_waits=waits)

    def _farewell(
        self, dataset: Dataset, seen: Observed, now: datetime, told: str = ""
    ) -> tuple[Step, Mapping[str, Any]]:
        if not {names.ERASE_FINALIZER, names.IN_USE_FINALIZER} & set(dataset.finalizers):
            # Somebody else's finalizer holds it; nothing of ours to do but to let go of the volume.
            return Step(Reason.ERASING, "", serve=rest(dataset, seen.server)), {}
        step = decide_farewell(Farewell(dataset, seen, self._world, now))
        if step.finalizer is False or step.in_use is False:
            return step, {}  # the object goes with this write; a status after it would find nothing
        if step.ask is not None and told:
            step = replace(step, message=f"{step.message}: {told}")
        later = used_by(dataset, seen.users, now)[1]
        step = replace(step, again_in=_soonest(step.again_in, later))
        return step, difference(dataset.status, project_status(dataset, seen, None, step, now))

    def _invalid(self, body: Body, error: InvalidSpec, heard: Heard, now: datetime) -> tuple[Step, Mapping[str, Any]]:
        readable = {**body, "spec": {"source": {"claim": {"name": "?"}}}}
        dataset = Dataset.parse(readable)
        if dataset.deleting_since is not None and names.IN_USE_FINALIZER in dataset.finalizers:
            return self._farewell(dataset, self._observe(dataset, heard, now), now)  # till no run uses it
        released = dataset.deleting_since is not None and names.ERASE_FINALIZER in dataset.finalizers
        server = view_server(self._cache, dataset.uid)
        deeds = rest(dataset, server) if heard.serve_until is None else ()
        step = Step(Reason.INVALID_SPEC, str(error), stalled=True, finalizer=False if released else None, serve=deeds)
        if dataset.deleting_since is not None:
            kept = ("DataKept", f"nothing was erased, the spec cannot be understood: {error}")
            return (replace(step, warning=kept) if released else step), {}
        return step, difference(dataset.status, project_status(dataset, None, None, step, now))


def _soonest(*times: float | None) -> float | None:
    return min((seconds for seconds in times if seconds is not None), default=None)
