"""What the history of an object is made of. Made by controllers/pending.py, stored by blueno/db/mirror.py. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Turn:
    """A condition got this status and reason. `derived`: read off the object, not seen happen."""

    at: datetime
    condition: str  # Ready, or Deleted
    status: str
    reason: str
    message: str
    derived: bool = False

    @property
    def says(self) -> tuple[str, str, str]:
        """What makes two turns different."""
        return self.condition, self.status, self.reason
