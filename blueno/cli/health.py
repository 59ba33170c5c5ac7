"""What is wrong with an installation, from what the API server holds. Pure; called by doctor.py.

Every finding says what was looked at and how it is; what is wrong says why, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from blueno import names
from blueno.resources.api import DATASETS, SAMPLES, TRAINING_RUNS, Resource
from blueno.resources.conditions import parse_time

Body = Mapping[str, Any]

CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
OURS = (DATASETS, SAMPLES, TRAINING_RUNS)
LATE = 60.0  # seconds without a sign of the operator, which gives one every five
APPLY = "install Blueno anew: kubectl apply --server-side -k deploy"


class State(StrEnum):
    """Of one check."""

    OK = "ok"
    WARNING = "warning"  # works, and will not for ever; or could not be seen whole
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One check. `fix` is what to do, "" when there is nothing to do."""

    check: str
    state: State
    said: str
    fix: str = ""


def of_crds(bodies: Iterable[Body]) -> Finding:
    """Whether the API server knows our kinds, in the version that we speak."""
    there = {str(_at(body, "metadata").get("name")): body for body in bodies}
    wrong = []
    for resource in OURS:
        body = there.get(f"{resource.plural}.{resource.group}")
        if body is None:
            wrong.append(f"{resource.plural}.{resource.group} is missing")
            continue
        versions = [one.get("name") for one in _at(body, "spec").get("versions") or () if one.get("served")]
        if resource.version not in versions:
            wrong.append(f"{resource.plural}.{resource.group} is not served in version {resource.version}")
        elif not _is_true(body, "Established"):
            wrong.append(f"{resource.plural}.{resource.group} is not established yet")
    if wrong:
        return Finding("kinds", State.FAILED, "; ".join(wrong), APPLY)
    kinds = ", ".join(resource.kind for resource in OURS)
    return Finding("kinds", State.OK, f"{kinds} ({names.API_VERSION})")


def of_deployment(check: str, body: Body | None, pods: Sequence[Body], place: str) -> Finding:
    """Whether one of our processes runs; when not, what its pods say."""
    if body is None:
        return Finding(check, State.FAILED, f"there is no {place}", APPLY)
    kind, name = place.split(" ")
    system, _, short = name.partition("/")
    wanted, ready = int(_at(body, "spec").get("replicas") or 0), int(_at(body, "status").get("readyReplicas") or 0)
    scale = f"kubectl scale -n {system} {kind.lower()} {short} --replicas=1"
    if wanted == 0:
        return Finding(check, State.FAILED, f"{place} is switched off: it has no pods", scale)
    if ready >= wanted:
        return Finding(check, State.OK, f"{place}: {ready} of {wanted} ready")
    why = "; ".join(_of_pod(pod) for pod in pods) or "no pod was made: see the events"
    look = f"kubectl describe -n {system} {kind.lower()} {short}; kubectl logs -n {system} {kind.lower()}/{short}"
    state = State.WARNING if ready else State.FAILED
    return Finding(check, state, f"{place}: {ready} of {wanted} ready ({why})", look)


def of_lease(body: Body | None, now: datetime, system: str = names.SYSTEM_NAMESPACE) -> Finding:
    """Whether an operator works, not only runs: it renews its Lease every few seconds."""
    check, logs = "operator works", f"kubectl logs -n {system} deploy/{names.OPERATOR}"
    if body is None:
        said = f"no operator has begun to work here: Lease {system}/{names.LEASE} is missing"
        return Finding(check, State.FAILED, said, logs)
    spec = _at(body, "spec")
    renewed = parse_time(str(spec.get("renewTime") or ""))
    holder = str(spec.get("holderIdentity") or "nobody")
    if renewed is None:
        return Finding(check, State.FAILED, "its Lease was given back: no operator works", logs)
    late = (now - renewed).total_seconds()
    if late > LATE:
        said = f"the last sign of {holder} is {late:.0f} s old"
        return Finding(check, State.FAILED, said, f"{logs}; or this machine's clock is wrong")
    return Finding(check, State.OK, f"{holder} gave a sign {max(late, 0):.0f} s ago")


def of_data_servers(bodies: Sequence[Body], pods: Sequence[Body]) -> Finding:
    """Data servers sleep until somebody looks; one that is wanted and does not come up is wrong."""
    wrong = []
    asleep = awake = 0
    for body in bodies:
        wanted, ready = int(_at(body, "spec").get("replicas") or 0), int(_at(body, "status").get("readyReplicas") or 0)
        if wanted == 0:
            asleep += 1
        elif ready >= wanted:
            awake += 1
        else:
            metadata = _at(body, "metadata")
            labels = _at(_at(_at(body, "spec"), "selector"), "matchLabels")
            mine = [pod for pod in pods if labels and labels.items() <= _at(_at(pod, "metadata"), "labels").items()]
            why = "; ".join(_of_pod(pod) for pod in mine) or "no pod yet"
            wrong.append(f"{metadata.get('namespace')}/{metadata.get('name')} is not ready ({why})")
    counted = f"{awake} awake, {asleep} asleep"
    if not wrong:
        return Finding("data servers", State.OK, counted if bodies else "none yet: one is made for each data set")
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    fix = "kubectl describe pods -n NAMESPACE says so when a claim is not bound or a volume cannot be mounted"
    return Finding("data servers", State.WARNING, f"{'; '.join(wrong[:3])}{more}; {counted}", fix)


def _of_pod(pod: Body) -> str:
    """Why a pod is not ready, in its own words."""
    name = str(_at(pod, "metadata").get("name"))
    status = _at(pod, "status")
    both = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in both:
        state = _at(container, "state")
        waiting, ended = _at(state, "waiting"), _at(state, "terminated")
        if waiting.get("reason") and waiting.get("reason") not in ("PodInitializing", "ContainerCreating"):
            words = f"{waiting['reason']}: {waiting['message']}" if waiting.get("message") else waiting["reason"]
            return f"{name}: {words}"
        if ended.get("exitCode"):
            return f"{name}: {container.get('name')} ended with {ended['exitCode']}"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{name}: {condition.get('reason')}: {condition.get('message')}"
    return f"{name}: {status.get('phase') or 'Pending'}, not ready yet"


def _is_true(body: Body, condition: str) -> bool:
    found = _at(body, "status").get("conditions") or ()
    return any(one.get("type") == condition and one.get("status") == "True" for one in found)


def _at(value: Body, key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
