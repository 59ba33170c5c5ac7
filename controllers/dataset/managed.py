"""The managed NFS server of a namespace: make it, mend it, let it grow, and say what is in its way. Pure.

`server_step` and `server_address` are called by storage.py, `tend` by kind.py, `mend` by deletion.py, `describe` by
status.py; what is the case comes from nfs.py, manifests from controllers/objects/nfs_server.py. The operator never
deletes any part of a server: `blueno storage rm` does. Why it is built like this: docs/adr/0015-managed-nfs-server.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import CLAIMS, PODS, STATEFUL_SETS
from blueno.resources.quantity import is_larger
from blueno.resources.reasons import DatasetReason as Reason
from controllers.dataset import server_words as say
from controllers.dataset import words
from controllers.dataset.case import Case
from controllers.dataset.nfs import NfsServerView, observe_server
from controllers.dataset.observe import Observed
from controllers.objects.nfs_server import (
    NfsServerShape,
    build_claim,
    build_service,
    build_stateful_set,
    patch_to,
    template_mark,
)
from controllers.step import Patch, Ref, Step

__all__ = ("NfsServerView", "describe", "mend", "observe_server", "server_address", "server_step", "tend")

CLAIM_PATIENCE = 60.0  # seconds its claim may take before its Events are asked
START_PATIENCE = 10.0  # seconds its pod may take
OUTAGE_PATIENCE = 60.0  # seconds without a server after which the data count as out of reach
GROWTH_SECONDS = 2.0
CONFLICT_SECONDS = 60.0  # whoever takes a foreign namesake away tells us nothing


def server_step(case: Case) -> Step | None:
    """What the namespace's server needs or waits for; None: it serves, and its address is known."""
    server = _view(case.seen)
    return next((step for rule in _RULES if (step := rule(case, server)) is not None), None)


def server_address(seen: Observed) -> str:
    """The address that volumes name: the Service's ClusterIP; "" while there is none."""
    return _view(seen).address


def tend(case: Case) -> tuple[tuple[Patch, ...], float | None]:
    """Patches that the cluster may refuse: a larger claim, and the pod's template after an upgrade of the operator.

    With them the seconds after which to look what became of a larger claim: our own write is no news to the queue.
    """
    server, config = case.seen.nfs_server, case.world.config
    if server is None or server.taken or not (config.allow_nfs_volumes and config.nfs_image):
        return (), None
    growth = _growth(case, server)
    return (*growth, *_upgrade(case, server)), GROWTH_SECONDS if growth else None


def mend(seen: Observed, tenant: str, config: OperatorConfig) -> tuple[dict[str, Any], ...]:
    """What of the server is missing beside its claim, so that data on it can be erased."""
    server = seen.nfs_server
    if server is None or server.taken or server.claim is None or not config.nfs_image:
        return ()
    return _missing(server, NfsServerShape.of(tenant, server.size, config))


def describe(server: NfsServerView) -> str:
    """The server's size for the condition VolumeReady, and what has become of a larger one that was asked for."""
    return say.size(server)


def _view(seen: Observed) -> NfsServerView:
    server = seen.nfs_server
    assert server is not None  # noqa: S101  # observe() makes one for every managedNFS Dataset
    return server


def _name_is_taken(_: Case, server: NfsServerView) -> Step | None:
    if not server.taken:
        return None
    text = f"{server.taken} in {server.namespace} exists and is no part of its NFS server: delete or rename it"
    return Step(Reason.NAME_CONFLICT, text, stalled=True, data_out_of_reach=True, again_in=CONFLICT_SECONDS)


def _data_are_lost(case: Case, server: NfsServerView) -> Step | None:
    """Never an empty claim in the place of one that held data, unless somebody asks for just that."""
    claim, sealed_here = server.claim, case.dataset.holds_data
    if claim is not None and claim.phase != "Lost":
        return None
    if claim is None and (not server.sealed or (sealed_here and case.may_begin_anew)):
        return None
    if sealed_here:
        upload = case.dataset.source_kind == "upload"
        text = say.lost(server, upload)
        return Step(Reason.VOLUME_LOST, text, stalled=True, data_out_of_reach=True, status=case.heard if upload else {})
    return Step(Reason.WAITING_FOR_VOLUME, say.lost_by_others(server), reconciling=True)


def _data_are_going(case: Case, server: NfsServerView) -> Step | None:
    """Kubernetes keeps a claim that is being deleted as long as the pod uses it: time to save data."""
    if server.claim is None or not server.claim.deleting:
        return None
    if case.dataset.holds_data:
        return Step(Reason.VOLUME_LOST, say.going(server), stalled=True, data_out_of_reach=not server.ready)
    return Step(Reason.WAITING_FOR_VOLUME, say.going(server), reconciling=True)


def _parts_are_missing(case: Case, server: NfsServerView) -> Step | None:
    shape = NfsServerShape.of(case.dataset.namespace, server.size, case.world.config)
    made = _missing(server, shape)
    anew = server.claim is None and case.dataset.holds_data
    if server.claim is None:
        made = (build_claim(shape), *made)
    if not made:
        return None
    status = words.NO_VERSION if anew else {}
    text = f"making its {server}"
    return Step(
        Reason.PROVISIONING, text, reconciling=True, data_out_of_reach=anew, apply=made, status=status, again_in=0
    )


def _parts_are_going(_: Case, server: NfsServerView) -> Step | None:
    if server.runner is None or not server.runner.deleting:
        return None
    return Step(Reason.PROVISIONING, f"its {server} is being deleted, and made again then", reconciling=True)


def _address_is_another(_: Case, server: NfsServerView) -> Step | None:
    """Somebody has made the Service anew: a volume cannot be told another address."""
    if not server.own_address or not server.address or server.own_address == server.address:
        return None
    return Step(Reason.WAITING_FOR_VOLUME, say.moved(server), reconciling=True, data_out_of_reach=True)


def _has_no_address(_: Case, server: NfsServerView) -> Step | None:
    """No volume without one: it would name nothing for ever. Who watches may hear of the pod before the Service."""
    if server.address or server.own_address:
        return None
    return Step(Reason.WAITING_FOR_VOLUME, say.without_address(server), reconciling=True)


def _is_away(case: Case, server: NfsServerView) -> Step | None:
    """Pods that have the volume mounted wait for it by themselves, so what they have done comes first."""
    if server.ready or case.dataset.suspend or case.wanted.outcome == "Failed" or _has_news(case):
        return None
    return _why(case, server)


def _has_news(case: Case) -> bool:
    job = case.job
    return not case.wanted.outcome and job is not None and (job.state != "active" or job.outcome is not None)


def _why(case: Case, server: NfsServerView) -> Step:
    """The first of its troubles; none: it starts."""
    runner, pod, claim = server.runner, server.pod, server.claim
    assert runner is not None  # noqa: S101  # _parts_are_missing comes before
    view = pod.view if pod is not None else None
    trouble = view.trouble if view is not None else ""
    detail = view.detail if view is not None else ""
    if runner.replicas == 0:
        return _trouble(Reason.WAITING_FOR_VOLUME, say.scaled_down(server))
    if trouble == "image":
        return _trouble(Reason.IMAGE_PULL_FAILED, say.no_image(server, case.world.config.nfs_image, detail))
    if claim is not None and claim.phase == "Pending" and (trouble != "unschedulable" or words.is_about_claim(detail)):
        return _claim_is_pending(server, _age(claim.created, case.now))
    if trouble == "unschedulable":
        return _trouble(Reason.UNSCHEDULABLE, say.unschedulable(server, detail))
    if trouble == "container":
        return _trouble(Reason.WAITING_FOR_VOLUME, say.cannot_start(server, detail))
    if pod is not None and pod.crash:
        return _trouble(Reason.WAITING_FOR_VOLUME, say.crashed(server, pod.crash))
    if view is not None and view.deleted is not None and not view.may_write(case.now):
        return _trouble(Reason.WAITING_FOR_VOLUME, say.stuck(server, view.node))
    return _starting(case, server)


def _trouble(reason: Reason, text: str) -> Step:
    return Step(reason, text, reconciling=True, data_out_of_reach=True)


def _claim_is_pending(server: NfsServerView, age: float) -> Step:
    if age < CLAIM_PATIENCE:
        text = f"claim {server.name} of its {server} is being provisioned"
        return Step(Reason.PROVISIONING, text, reconciling=True, again_in=CLAIM_PATIENCE - age + 1)
    step = _trouble(Reason.WAITING_FOR_VOLUME, say.claim_pending(server))
    return replace(step, ask=Ref(CLAIMS, server.namespace, server.name), again_in=CLAIM_PATIENCE)


def _starting(case: Case, server: NfsServerView) -> Step:
    """Events say why a pod does not come, does not mount its disk, or is not ready (the probe's own words)."""
    pod, runner = server.pod, server.runner
    since = (pod.unready_since or pod.created) if pod is not None else runner.created if runner is not None else None
    age = _age(since, case.now)
    step = Step(
        Reason.PROVISIONING,
        f"its {server} is starting",
        reconciling=True,
        data_out_of_reach=age > OUTAGE_PATIENCE,
        again_in=START_PATIENCE - age,
    )
    if age < START_PATIENCE:
        return step
    silent = Ref(PODS, server.namespace, f"{server.name}-0")
    if pod is None:
        silent = Ref(STATEFUL_SETS, server.namespace, server.name)
    return replace(step, ask=silent, again_in=2 * START_PATIENCE)


def _age(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since is not None else 0.0


def _missing(server: NfsServerView, shape: NfsServerShape) -> tuple[dict[str, Any], ...]:
    """Service and StatefulSet as far as they are not there. A Service gets the address that volumes name already."""
    service = () if server.service_made else (build_service(shape, server.known_address),)
    runner = () if server.runner is not None else (build_stateful_set(shape),)
    return (*service, *runner)


def _growth(case: Case, server: NfsServerView) -> tuple[Patch, ...]:
    """Ask once for each larger size, and again when a Dataset's spec changes: a refusal would be told each time.

    The claim's label remembers what was asked for, so that every Dataset can say that it was refused.
    """
    claim, dataset = server.claim, case.dataset
    if claim is None or claim.phase != "Bound" or claim.deleting or not is_larger(server.size, claim.requested):
        return ()
    edited = dataset.observed_generation != dataset.generation and dataset.observed_generation > 0
    if claim.asked == say.label(server.size) and not edited:
        return ()
    ref = Ref(CLAIMS, server.namespace, server.name, claim.uid)
    noted = Patch(ref, {"metadata": {"labels": {names.ASKED_SIZE: say.label(server.size)}}})
    return noted, Patch(ref, {"spec": {"resources": {"requests": {"storage": server.size}}}})


def _upgrade(case: Case, server: NfsServerView) -> tuple[Patch, ...]:
    shape = NfsServerShape.of(case.dataset.namespace, server.size, case.world.config)
    runner = server.runner
    if runner is None or runner.deleting or runner.template == template_mark(shape):
        return ()
    return (Patch(Ref(STATEFUL_SETS, server.namespace, server.name, runner.uid), patch_to(shape)),)


_RULES: tuple[Callable[[Case, NfsServerView], Step | None], ...] = (
    _name_is_taken,
    _data_are_lost,
    _data_are_going,
    _parts_are_missing,
    _parts_are_going,
    _address_is_another,
    _is_away,
    _has_no_address,
)
