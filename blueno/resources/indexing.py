"""What the recorder tells the operator about the rows of a sealed version: one IndexReport per change.

Posted by blueno/recorder to the report endpoint (controllers/reports.py), folded into `status.index` and the condition
`Indexed` by controllers/dataset/indexed.py. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

STATES = ("Indexed", "Indexing", "Failed")
MESSAGE_LIMIT = 512  # characters
_DIGEST = re.compile(r"[0-9a-f]{64}")


class IndexReason(StrEnum):
    """The reasons of the condition `Indexed`: additive, part of the interface."""

    INDEXED = "Indexed"
    INDEXING = "Indexing"
    WAITING = "Waiting"
    INDEX_FAILED = "IndexFailed"
    NO_VERSION = "NoVersion"


@dataclass(frozen=True)
class IndexReport:
    """How far the rows of version `digest` of a Dataset are."""

    dataset: str  # uid
    digest: str  # 64 hexadecimal digits
    state: str  # one of STATES
    rows: int = 0
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "digest": self.digest,
            "state": self.state,
            "rows": self.rows,
            "message": self.message,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> IndexReport:
        """Raises ValueError on anything that is not a report."""
        rows, message = body.get("rows", 0), body.get("message", "")
        if isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows < 1 << 60:
            raise ValueError("rows must be a whole number")
        if not isinstance(message, str) or len(message) > MESSAGE_LIMIT:
            raise ValueError(f"message must be a text of at most {MESSAGE_LIMIT} characters")
        digest = body.get("digest")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError("digest must be 64 lower-case hexadecimal digits")
        state = body.get("state")
        if state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}")
        return cls(dataset_of(body), digest, state, rows, message)


def dataset_of(body: Mapping[str, Any]) -> str:
    """The field `dataset`, a uid. Raises ValueError when it is none."""
    uid = body.get("dataset")
    if not isinstance(uid, str) or not 0 < len(uid) <= 64:
        raise ValueError("dataset must be the uid of a Dataset")
    return uid
