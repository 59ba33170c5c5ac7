"""No early truth, against a power cut: nothing gets its name before what it stands for is durable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from blueno import names
from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Snapshot
from tests.checker.steps import Named, Node, Synced, Told

Durable = dict[int, object]  # inode → what of it would survive
_SHARDS = "shards"


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Replays the trace."""
    if snapshot.trace is None:
        return
    durable: Durable = {node.inode: node.state for node in snapshot.trace.begin.walk()}
    for step in snapshot.trace.steps:
        if isinstance(step, Synced):
            durable[step.node.inode] = step.node.state
            path = PurePosixPath(step.path)
            if step.node.entries is None and _counts(path):
                yield _early(step.path, "is written under its own name: a kill leaves a part of it there")
        elif isinstance(step, Named):
            yield from _named(step, durable)
        else:
            yield from _told(step, durable)


def _named(step: Named, durable: Durable) -> Iterator[Finding]:
    path = PurePosixPath(step.path)
    node = step.volume.at(step.path)
    if node is None or not _counts(path):
        return
    for lost in _lost(node, path, durable):
        yield _early(step.path, f"is named before {lost} is durable")
    if path.parent.name == names.WORKS_DIR:
        yield from _grounds_of_pointer(step, path, node, durable)
    elif path.suffix == ".record":
        folder = step.volume.at(str(path.parent))
        for name, other in ((folder.entries if folder is not None else None) or {}).items():
            if PurePosixPath(name).stem == path.stem and name != path.name:
                for lost in _lost(other, path.parent / name, durable):
                    yield _early(step.path, f"speaks of a shard before {lost} is durable")
                if not _is_durable(folder, name, durable):
                    yield _early(step.path, f"speaks of a shard before the name {name} is durable")


def _grounds_of_pointer(step: Named, path: PurePosixPath, node: Node, durable: Durable) -> Iterator[Finding]:
    """What a pointer points at."""
    root = path.parent.parent
    try:
        folder = f"{names.VERSIONS_DIR}/{json.loads(node.text)['digest'][:16]}"
    except (ValueError, KeyError, TypeError):
        yield _early(step.path, "is named without being a pointer")
        return
    version = step.volume.at(str(root / folder))
    if version is None:
        yield _early(step.path, f"points to {folder}, which is not there")
        return
    for lost in _lost(version, root / folder, durable):
        yield _early(step.path, f"points to a version of which {lost} is not durable")
    if not _is_durable(step.volume.at(str(root / names.VERSIONS_DIR)), folder.rpartition("/")[2], durable):
        yield _early(step.path, f"points to {folder} before that name is durable")


def _told(step: Told, durable: Durable) -> Iterator[Finding]:
    """From the volume's root down to the pointer and its version every name has to survive."""
    pointer = step.volume.at(f"{step.root}/{names.WORKS_DIR}/{step.work}.json")
    if pointer is None:
        yield _early(step.root, "is told to be sealed and has no pointer")
        return
    digest = str(json.loads(pointer.text)["digest"])
    for path in (f"{names.WORKS_DIR}/{step.work}.json", f"{names.VERSIONS_DIR}/{digest[:16]}", names.OWNER_FILE):
        folder: Node | None = step.volume
        for part in f"{step.root}/{path}".split("/"):
            if not _is_durable(folder, part, durable):
                yield _early(step.root, f"is told to be sealed before the name {part} (of {path}) is durable")
            folder = (folder.entries or {}).get(part) if folder is not None else None


def _counts(path: PurePosixPath) -> bool:
    """Names that others rely on: pointers, versions, owners, finished shards."""
    if path.name.startswith("."):
        return False
    return path.name == names.OWNER_FILE or path.parent.name in (names.WORKS_DIR, names.VERSIONS_DIR, _SHARDS)


def _lost(node: Node, path: PurePosixPath, durable: Durable) -> Iterator[str]:
    """What of a file, or of a directory and everything in it, would not survive."""
    if durable.get(node.inode) != node.state:
        yield f"what {path} holds"
    for name, inner in (node.entries or {}).items():
        yield from _lost(inner, path / name, durable)


def _is_durable(folder: Node | None, name: str, durable: Durable) -> bool:
    """Whether a name in a directory would survive."""
    node = (folder.entries or {}).get(name) if folder is not None else None
    known = durable.get(folder.inode) if folder is not None else None
    return node is not None and isinstance(known, dict) and known.get(name) == node.inode


def _early(about: str, sentence: str) -> Finding:
    return Finding(Invariant.EARLY_TRUTH, about, sentence)
