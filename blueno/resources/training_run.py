"""A TrainingRun as a frozen value. `TrainingRun.parse(body)` is called by controllers/training_run/kind.py. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno.resources import run_parts as parts
from blueno.resources.conditions import Condition, find, parse_conditions, parse_time
from blueno.resources.spec_types import TRAINING_RUN, check_types


@dataclass(frozen=True)
class TrainingRun:
    """One TrainingRun: identity, spec and the part of the status that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int
    observed_generation: int  # -1 before the first status
    deleting: bool
    container: parts.Container
    datasets: tuple[parts.DatasetUse, ...]
    placement: parts.Placement
    team: parts.Team
    limits: parts.Limits
    keeping: parts.Keeping
    metrics: parts.Metrics
    suspend: bool
    cancel: bool
    attempt: int  # Jobs made so far
    failures: int  # attempts on several nodes that failed and were followed by another
    job_name: str | None  # status.jobRef: of the attempt that is under way
    pinned: Mapping[str, str]  # name of a data set → digest it was started with
    started: datetime | None
    completed: datetime | None
    conditions: tuple[Condition, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it has succeeded or failed for good."""
        succeeded = find(self.conditions, "Succeeded")
        return succeeded is not None and succeeded.status in ("True", "False")

    @property
    def reason(self) -> str:
        """What its Succeeded condition said last; "" before the first time."""
        succeeded = find(self.conditions, "Succeeded")
        return succeeded.reason if succeeded is not None else ""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> TrainingRun:
        """Raises InvalidSpec for what the schema cannot see or an older one let pass."""
        meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        check_types(spec, TRAINING_RUN)
        return cls(
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            generation=meta.get("generation", 1),
            observed_generation=status.get("observedGeneration", -1),
            deleting=bool(meta.get("deletionTimestamp")),
            container=parts.container(spec),
            datasets=parts.datasets(spec.get("datasets") or ()),
            placement=parts.placement(spec),
            team=parts.team(spec),
            limits=parts.limits(spec),
            keeping=parts.keeping(spec),
            metrics=parts.metrics(spec),
            suspend=bool(spec.get("suspend", False)),
            cancel=bool(spec.get("cancel", False)),
            attempt=status.get("attempt", 0),
            failures=status.get("failures", 0),
            job_name=(status.get("jobRef") or {}).get("name"),
            pinned={entry["name"]: entry["digest"] for entry in status.get("datasets") or ()},
            started=parse_time(status.get("startTime", "")),
            completed=parse_time(status.get("completionTime", "")),
            conditions=parse_conditions(status.get("conditions") or ()),
            status=status,
        )
