"""A file that stays open while something may read from it, and no longer. Used by archives.py and zips.py.

On NFS a file that is removed while it is open leaves its directory behind: staging could not be cleared away.
"""

from __future__ import annotations

import os
from pathlib import Path


class OpenFile:
    """Closed with the last member that is read through it. Raises OSError."""

    handle = -1

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
