"""Takes what Samples brought out of the working set again. Called by lanes.py.

Only what the same Sample has put there: a key that somebody else has written since is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blueno import names
from blueno.ingest.server import DataServer
from blueno.resources.ingest import Result, Task
from blueno.resources.sample_reasons import SampleReason as Reason

TOGETHER = 5000  # keys in one removal


def remove_singles(server: DataServer, tasks: Sequence[Task]) -> list[Result]:
    """Many at a time: one removal for all of them, or two when some are to be purged. Raises as DataServer does."""
    for purge in (False, True):
        keys = [key for task in tasks if task.purge is purge for key in _own_keys(server, task)]
        _remove(server, keys, purge)
    return [removed(task) for task in tasks]


def remove_manifest(server: DataServer, task: Task) -> Result:
    """Everything that one manifest brought, whatever it lists by now."""
    author = names.sample_author(task.uid)
    _remove(server, (str(line["key"]) for line in server.changes() if _is_by(line, author)), task.purge)
    return removed(task)


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


def _remove(server: DataServer, keys: Iterable[str], purge: bool) -> None:
    some: list[str] = []
    for key in keys:
        some.append(key)
        if len(some) >= TOGETHER:
            server.remove(some, purge)
            some = []
    if some:
        server.remove(some, purge)


def _is_by(line: Mapping[str, Any], author: str) -> bool:
    return line.get("op") == "put" and line.get("by") == author
