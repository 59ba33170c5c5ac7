"""A disk of a few megabytes that fills and gets room again, for a database of its own; and a server that is read-only.

Needs root, to mount a tmpfs.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blueno.db.config import DatabaseConfig
from tests import pg


class SmallDisk:
    """`fired` and `healed` count how often it became full, and got room again."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"
        self.fired, self.healed = 0, 0

    def fill(self) -> None:
        """Not one block is left."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                self.fired += 1

    def free(self) -> None:
        """As much as there was before."""
        self._ballast.unlink()
        self.healed += 1


@contextmanager
def database_on_a_small_disk(server: pg.Server, size: str = "64m") -> Iterator[tuple[DatabaseConfig, SmallDisk]]:
    """A fresh database whose tables are on a disk of their own; the log of the server's writes is elsewhere."""
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a small tmpfs")
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode:
        folder.rmdir()
        pytest.skip("tmpfs cannot be mounted here")
    try:
        tables = folder / "tables"
        tables.mkdir()
        os.chown(tables, pwd.getpwnam(pg.UNPRIVILEGED).pw_uid, -1)
        server.admin(f"CREATE TABLESPACE small LOCATION '{tables}'")
        with server.database(tablespace="small") as database:
            yield database, SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(folder)


@contextmanager
def read_only(server: pg.Server) -> Iterator[None]:
    """As managed servers make themselves before their disk is full."""
    server.admin("ALTER SYSTEM SET default_transaction_read_only = on")
    server.admin("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.admin("ALTER SYSTEM RESET default_transaction_read_only")
        server.admin("SELECT pg_reload_conf()")
