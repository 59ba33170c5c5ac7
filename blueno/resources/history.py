"""What the history of an object is made of. Made by controllers/pending.py, stored by blueno/db/mirror.py. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from blueno import names

DELETED: Final = "Deleted"  # condition and reason of an object's last turn
# Kind → the condition that says where an object stands: its turns are the object's history.
TOLD: Final[Mapping[str, str]] = MappingProxyType(
    {names.DATASET_KIND: "Ready", names.TRAINING_RUN_KIND: "Succeeded", names.SAMPLE_KIND: "Ready"}
)


@dataclass(frozen=True)
class Turn:
    """A condition got this status and reason. `derived`: read off the object, not seen happen."""

    at: datetime
    condition: str  # the kind's in TOLD, or DELETED
    status: str
    reason: str
    message: str
    derived: bool = False

    @property
    def says(self) -> tuple[str, str, str]:
        """What makes two turns different."""
        return self.condition, self.status, self.reason
