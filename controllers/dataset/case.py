"""Everything a rule of decide.py may look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno.resources.conditions import find
from blueno.resources.dataset import Dataset
from blueno.resources.reasons import DatasetReason as Reason
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
    def next_look(self) -> float | None:
        """When to look again at the end of a work: at once if a request has waited for it, which nothing else tells."""
        return 0 if self.dataset.requested_at not in (None, self.wanted.handled_request) else None

    @property
    def may_begin_anew(self) -> bool:
        """Whether an empty volume may take the place of one that is lost: somebody has asked for it.

        Where nobody could make the data again, that counts only from one who was told of the loss: a seal that was
        asked for before meant something else.
        """
        before = find(self.dataset.conditions, "Ready")
        told = before is not None and before.reason == Reason.VOLUME_LOST
        return self.asked and (told or self.dataset.source_kind != "upload")

    @property
    def heard(self) -> Mapping[str, Any]:
        """Of the status that tells of a loss: a request from before is answered with it."""
        return {"lastHandledRequest": self.dataset.requested_at} if self.asked else {}

    @property
    def data_is_gone(self) -> bool:
        """Whether version and added samples lay on another claim than the one that has its name now."""
        holder, held = self.seen.holder, (self.dataset.status.get("volume") or {}).get("claimUID")
        return self.dataset.holds_data and None not in (holder, held) and holder != held
