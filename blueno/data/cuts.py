"""Where one shard ends and the next begins. Called by blueno/prep/pack.py. Pure.

Boundaries are defined by content, not by counting: a sample closes its shard when the hash of its key falls below a
limit proportional to its own size. So one inserted sample moves no boundary but those of its own shard.
"""

from __future__ import annotations

import hashlib

DEFAULT_SHARD_BYTES = 16 << 20
MIN_SHARD_BYTES = 64 << 10
MAX_SHARD_BYTES = 1 << 30
MAX_SHARD_SAMPLES = 65_536
_SPAN = float(1 << 64)


class Cutter:
    """Tells after which sample to cut. Shards hold about `target` bytes: a quarter at least, twice at most."""

    def __init__(self, target: int = DEFAULT_SHARD_BYTES) -> None:
        self.least = target // 4
        self.most = target * 2
        self._scale = _SPAN / max(1, target - self.least)
        self._filled = 0
        self._samples = 0

    def full(self, key: str, size: int) -> bool:
        """Counts a sample of `size` bytes in; True when the shard ends with it (the next call begins a new one)."""
        self._filled += size
        self._samples += 1
        if self._filled < self.most and self._samples < MAX_SHARD_SAMPLES:
            if self._filled < self.least:
                return False
            hashed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
            if hashed >= size * self._scale:
                return False
        self.restart()
        return True

    def restart(self) -> None:
        """Begins a new shard, for example because another split begins."""
        self._filled = self._samples = 0
