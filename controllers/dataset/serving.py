"""Whether a Dataset's data server is to run now, and what has to be done about it. Pure; called by kind.py.

It is added to whatever Step was decided and never changes a condition: a Dataset is Ready without a data server.
"""

from __future__ import annotations

from datetime import datetime

from blueno.resources.dataset import Dataset
from controllers import servers
from controllers.dataset.build import build_data_server
from controllers.dataset.case import Case
from controllers.dataset.observe import Observed
from controllers.servers import Deed, ServerView
from controllers.step import Step


def serve(case: Case, step: Step, until: datetime | None) -> tuple[tuple[Deed, ...], float | None]:
    """What to make or patch, and the seconds after which to look again (None: something will tell).

    `until` is when the last wish for a data server ends.
    """
    server = case.seen.server
    if until is None or until <= case.now or not _can_serve(case, step):
        return rest(case.dataset, server), None
    wanted = build_data_server(case.dataset, case.seen, case.world)
    return servers.wake(server, wanted, case.seen.service is not None, (until - case.now).total_seconds())


def rest(dataset: Dataset, server: ServerView | None) -> tuple[Deed, ...]:
    """Nobody wants it: to zero, kept for the next time."""
    return servers.rest(dataset.namespace, server)


def _can_serve(case: Case, step: Step) -> bool:
    claim = case.seen.claim
    if claim is None or claim.phase != "Bound" or claim.deleting or case.data_is_gone:
        return False
    return case.dataset.holds_data and not step.data_out_of_reach and not _in_the_way(case.seen)


def _in_the_way(seen: Observed) -> bool:
    """A claim that one node has at a time: a data server on another node would keep preparation or run from its volume.

    When they have a node, the data server comes back, to the same one. A preparation whose pod finds room beside it
    leaves it alone: samples may be on their way while they are sealed.
    """
    if seen.claim is None or seen.claim.shared:
        return False
    pods = (pod for job in seen.jobs if job.state == "active" and not job.suspended for pod in job.pods)
    return seen.run_waits or any(pod.trouble == "unschedulable" and not pod.node for pod in pods)
