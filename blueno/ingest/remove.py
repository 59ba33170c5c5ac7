"""Takes what Samples brought out of the working set again. Called by lanes.py and manifest_put.py.

Only what the same Sample has put there: a key that somebody else has written since is left alone.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from blueno import names
from blueno.ingest.server import DataServer
from blueno.resources.ingest import Result, Task
from blueno.resources.sample_reasons import SampleReason as Reason

TOGETHER = 5000  # keys in one removal


def remove_singles(server: DataServer, tasks: Sequence[Task]) -> list[Result]:
    """Many at a time: one removal for all of them, or two when some are to be purged. Raises as DataServer does."""
    for purge in (False, True):
        keys = [key for task in tasks if task.purge is purge for key in _own_keys(server, task)]
        remove_keys(server, keys, purge)
    return [removed(task) for task in tasks]


def remove_manifest(server: DataServer, task: Task, scratch: Path) -> Result:
    """Everything that one manifest brought, whatever it lists by now."""
    with own_keys(server, task, scratch) as keys:
        remove_keys(server, keys, task.purge)
    return removed(task)


@contextmanager
def own_keys(server: DataServer, task: Task, scratch: Path) -> Iterator[Iterator[str]]:
    """The keys that a Sample has now: those whose latest line is its own. They may be a million: they lie on disk."""
    author = names.sample_author(task.uid)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="keys-") as folder, closing(on_disk(folder)) as known:
        for line in server.changes():
            mine = line.get("op") == "put" and line.get("by") == author
            statement = "INSERT OR IGNORE INTO keys VALUES (?)" if mine else "DELETE FROM keys WHERE key = ?"
            known.execute(statement, (str(line["key"]),))
        yield (key for (key,) in known.execute("SELECT key FROM keys ORDER BY key"))


def on_disk(folder: str | Path) -> sqlite3.Connection:
    """A set of keys, for one process and thrown away afterwards: nothing of it has to survive a crash."""
    known = sqlite3.connect(Path(folder) / "keys.db", isolation_level=None)
    known.execute("PRAGMA journal_mode = OFF")
    known.execute("PRAGMA synchronous = OFF")
    known.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
    known.execute("BEGIN")
    return known


def leave(server: DataServer, task: Task) -> None:
    """The key under which a Sample went in before, when its spec now names another one."""
    if task.known_key and task.known_key != task.key:
        old = server.sample(task.known_key)
        if old is not None and old.get("by") == names.sample_author(task.uid):
            server.remove([task.known_key], purge=False)


def removed(task: Task) -> Result:
    """What lets the object go."""
    return Result(task.uid, task.generation, Reason.REMOVING, request=task.request)


def _own_keys(server: DataServer, task: Task) -> list[str]:
    author, found = names.sample_author(task.uid), []
    for key in dict.fromkeys((task.known_key, task.key)):
        record = server.sample(key) if key else None
        if record is not None and record.get("by") == author:
            found.append(key)
    return found


def remove_keys(server: DataServer, keys: Iterable[str], purge: bool) -> None:
    some: list[str] = []
    for key in keys:
        some.append(key)
        if len(some) >= TOGETHER:
            server.remove(some, purge)
            some = []
    if some:
        server.remove(some, purge)
