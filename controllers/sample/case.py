"""Everything a rule of decide.py may look at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno.resources.ingest import Result
from blueno.resources.sample import Sample
from blueno.resources.sample_reasons import SampleReason as Reason
from controllers.sample.observe import Observed
from controllers.world import World


@dataclass(frozen=True)
class Case:
    """One Sample with everything a rule may look at."""

    sample: Sample
    seen: Observed
    result: Result | None  # what a pod has told of this very generation
    world: World
    now: datetime

    @property
    def is_removed(self) -> bool:
        """Whether the pod has said that nothing of it is in the working set any more."""
        return self.sample.deleting and self.result is not None and self.result.reason == Reason.REMOVING


def of_now(sample: Sample, result: Result | None) -> Result | None:
    """`result` if it is about the Sample as it is."""
    if result is None or result.generation != sample.generation or result.request != (sample.requested_at or ""):
        return None
    return result
