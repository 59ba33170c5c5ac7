"""Takes what Samples brought out of the working set again. Called by lanes.py and manifest_put.py.

Only what the same Sample has put there: a key that somebody else has written since is left alone.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from blueno import names
from blueno.data.removal import in_requests
from blueno.ingest.server import DataServer
from blueno.resources.ingest import Result, Task
from blueno.resources.sample_reasons import SampleReason as Reason


def remove_singles(server: DataServer, tasks: Sequence[Task], scratch: Path) -> list[Result]:
    """Many at a time: one removal for all of them, or two when some are to be purged. Raises as DataServer does."""
    for purge in (False, True):
        some = [task for task in tasks if task.purge is purge]
        keys = [key for task in some for key in _told_keys(server, task)]
        remove_keys(server, keys, purge)
        remove_strays(server, some, scratch, purge=purge)
    return [removed(task) for task in tasks]


def remove_strays(
    server: DataServer, tasks: Sequence[Task], scratch: Path, *, kept: Collection[str] = (), purge: bool = False
) -> None:
    """What those of them that strayed have anywhere but under the keys that are `kept`. Raises as DataServer does."""
    strayed = [task for task in tasks if task.strayed]
    if strayed:
        with own_keys(server, strayed, scratch) as keys:
            remove_keys(server, (key for key in keys if key not in kept), purge)


def remove_manifest(server: DataServer, task: Task, scratch: Path) -> Result:
    """Everything that one manifest brought, whatever it lists by now."""
    with own_keys(server, [task], scratch) as keys:
        remove_keys(server, keys, task.purge)
    return removed(task)


@contextmanager
def own_keys(server: DataServer, tasks: Iterable[Task], scratch: Path) -> Iterator[Iterator[str]]:
    """The keys that Samples have now: those whose latest line is theirs. They may be a million: they lie on disk."""
    authors = {names.sample_author(task.uid) for task in tasks}
    with tempfile.TemporaryDirectory(dir=scratch, prefix="keys-") as folder, closing(on_disk(folder)) as known:
        for line in server.changes():
            mine = line.get("op") == "put" and line.get("by") in authors
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


def _told_keys(server: DataServer, task: Task) -> list[str]:
    author, found = names.sample_author(task.uid), []
    for key in dict.fromkeys((task.known_key, task.key)):
        record = server.sample(key) if key else None
        if record is not None and record.get("by") == author:
            found.append(key)
    return found


def remove_keys(server: DataServer, keys: Iterable[str], purge: bool) -> None:
    for some in in_requests(keys):
        server.remove(some, purge)
