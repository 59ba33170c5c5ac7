"""Where the database is and how patient we are with it. Read from the environment by entry points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blueno.errors import InvalidSpec

URL_FILE = "BLUENO_DATABASE_URL_FILE"
POOL = "BLUENO_DATABASE_POOL"


@dataclass(frozen=True)
class DatabaseConfig:
    """`url_file` holds a libpq URL. It is read at every connect, so that a changed Secret needs no restart."""

    url_file: Path  # BLUENO_DATABASE_URL_FILE
    pool_size: int = 4  # BLUENO_DATABASE_POOL
    statement_timeout_ms: int = 5000

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> DatabaseConfig:
        """Raises InvalidSpec naming the variable that is missing or cannot be understood."""
        path = env.get(URL_FILE, "")
        if not path:
            raise InvalidSpec(URL_FILE, "must name a file that holds a PostgreSQL URL")
        size = env.get(POOL, str(cls.pool_size))
        if not (size.isascii() and size.isdecimal()) or not 1 <= int(size[:6]) <= 1000:
            raise InvalidSpec(POOL, f"must be a whole number from 1 to 1000, not {size[:40]!r}")
        return cls(Path(path), int(size))
