"""Whether a Dataset's data server is to run now, and what has to be done about it. Pure; called by kind.py.

It is added to whatever Step was decided and never changes a condition: a Dataset is Ready without a data server.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.api import DEPLOYMENTS
from blueno.resources.dataset import Dataset
from controllers.dataset.build import build_data_server
from controllers.dataset.case import Case
from controllers.dataset.observe import Observed, ServerView
from controllers.objects.server import patch_to
from controllers.step import Patch, Ref, Step

LOOK_AGAIN = 1.0  # seconds after a Deployment was made: one that was there already may be another than we want

Deed = Mapping[str, Any] | Patch


def serve(case: Case, step: Step, until: datetime | None) -> tuple[tuple[Deed, ...], float | None]:
    """What to make or patch, and the seconds after which to look again (None: something will tell).

    `until` is when the last wish for a data server ends.
    """
    server = case.seen.server
    if until is None or until <= case.now or not _can_serve(case, step):
        return rest(case.dataset, server), None
    ends_in = (until - case.now).total_seconds()
    deployment, service = build_data_server(case.dataset, case.seen, case.world)
    deeds: list[Deed] = [] if case.seen.service_made else [service]
    if server is None:
        return (deployment, *deeds), min(ends_in, LOOK_AGAIN)
    if server.deleting:  # its end will tell
        return tuple(deeds), ends_in
    if server.template != deployment["metadata"]["labels"][names.TEMPLATE_LABEL]:
        deeds.insert(0, Patch(_ref(case.dataset, server), patch_to(deployment)))
    elif server.replicas != 1:
        deeds.insert(0, Patch(_ref(case.dataset, server), {"spec": {"replicas": 1}}))
    return tuple(deeds), ends_in


def rest(dataset: Dataset, server: ServerView | None) -> tuple[Deed, ...]:
    """Nobody wants it: to zero, kept for the next time."""
    if server is None or server.deleting or server.replicas == 0:
        return ()
    return (Patch(_ref(dataset, server), {"spec": {"replicas": 0}}),)


def _can_serve(case: Case, step: Step) -> bool:
    claim = case.seen.claim
    if claim is None or claim.phase != "Bound" or claim.deleting or case.data_is_gone:
        return False
    return case.dataset.version is not None and not step.data_out_of_reach and not _in_the_way(case.seen, case.now)


def _in_the_way(seen: Observed, now: datetime) -> bool:
    """A claim that one node has at a time: a data server on another node would keep preparation or run from its volume.

    When they have a node, the data server comes back, to the same one.
    """
    if seen.claim is None or seen.claim.shared:
        return False
    return (
        seen.run_waits
        or any(job.state == "active" and not job.suspended for job in seen.jobs)
        or any(pod.may_write(now) for pod in seen.pods())
    )


def _ref(dataset: Dataset, server: ServerView) -> Ref:
    return Ref(DEPLOYMENTS, dataset.namespace, server.name, server.uid)
