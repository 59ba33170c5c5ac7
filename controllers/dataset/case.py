"""Everything a rule of decide.py may look at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno.resources.dataset import Dataset
from controllers.dataset.observe import JobView, Observed
from controllers.dataset.work import Wanted
from controllers.world import World


@dataclass(frozen=True)
class Case:
    """One Dataset with everything a rule may look at."""

    dataset: Dataset
    seen: Observed
    wanted: Wanted
    world: World
    now: datetime

    @property
    def job(self) -> JobView | None:
        """The Job of the current attempt."""
        mine = (j for j in self.seen.jobs if j.work == self.wanted.hash and j.attempt == self.wanted.attempt)
        return next(mine, None)

    @property
    def asked(self) -> bool:
        """Whether `blueno.dev/requested-at` holds a request that was not acted on yet."""
        return self.dataset.requested_at not in (None, self.dataset.last_handled_request)

    @property
    def data_is_gone(self) -> bool:
        """Whether version and added samples lay on another claim than the one that has its name now."""
        holder, held = self.seen.holder, (self.dataset.status.get("volume") or {}).get("claimUID")
        return self.dataset.holds_data and None not in (holder, held) and holder != held
