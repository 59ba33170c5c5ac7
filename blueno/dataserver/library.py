"""Which versions there are, and the few that are open. Called by app.py, in worker threads."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueno.data.volume import Pointer
from blueno.dataserver.files import Folder
from blueno.dataserver.problems import Damaged, Gone, Problem, Unreadable
from blueno.dataserver.version import Version
from blueno.names import OWNER_FILE, VERSIONS_DIR, WORKS_DIR

OPEN_WEIGHT = 16 << 20  # bytes of all open versions together; the newest stays whatever it weighs
OPEN_VERSIONS = 16
POINTERS = 10_000
POINTER_BYTES = 4096
_POINTER = re.compile(r"([0-9a-f]{1,64})\.json")
_NAME = re.compile(r"[0-9a-f]{16}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Listed:
    """A version that can be read."""

    pointer: Pointer
    samples: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "digest": self.pointer.digest,
            "sequence": self.pointer.sequence,
            "sealedAt": self.pointer.sealed_at,
            "samples": self.samples,
            "bytes": self.bytes,
        }


class Library:
    """The data set's directory. Thread-safe."""

    def __init__(self, mount: Path, root: Path, dataset_uid: str) -> None:
        self._mount, self._root, self._uid = mount, root, dataset_uid
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Version] = OrderedDict()
        self._sizes: dict[str, tuple[Any, int, int]] = {}  # digest: identity of the manifest, samples, bytes

    def check(self) -> None:
        """Raises Problem unless the directory is there, readable and this Dataset's."""
        self.folder()

    def versions(self) -> list[Listed]:
        """All that can be read, newest first, each digest once. Raises Unreadable rather than leave one out."""
        root = self.folder()
        newest: dict[str, Pointer] = {}
        for pointer in _pointers(root):
            before = newest.get(pointer.digest)
            if before is None or before.sequence < pointer.sequence:
                newest[pointer.digest] = pointer
        try:
            versions = root.folder(VERSIONS_DIR)
        except Gone:
            return []
        found = [listed for pointer in newest.values() if (listed := self._listed(versions, pointer)) is not None]
        return sorted(found, key=lambda listed: (-listed.pointer.sequence, listed.pointer.digest))

    def version(self, name: str) -> Version:
        """An open version by the first 16 digits of its digest.

        Raises Problem 404 when there is none, 410 when there was one a moment ago, 409 when it is damaged.
        """
        if not _NAME.fullmatch(name):
            raise Problem(404, "version_not_found", f"{name!r:.80} is not the first 16 digits of a digest")
        with self._lock:
            known = self._open.get(name)
            if known is not None:
                self._open.move_to_end(name)
        if known is not None:
            if known.is_there():
                return known
            with self._lock:
                self._open.pop(name, None)
        try:
            opened = Version(self.folder().folder(VERSIONS_DIR).folder(name), name)
        except Gone as error:
            if known is not None:
                raise Gone(f"version {name}") from error
            raise Problem(404, "version_not_found", f"there is no version {name} of this data set") from error
        with self._lock:
            self._open[name] = opened
            while len(self._open) > 1 and (
                len(self._open) > OPEN_VERSIONS or sum(v.weight for v in self._open.values()) > OPEN_WEIGHT
            ):
                self._open.popitem(last=False)
        return opened

    def folder(self) -> Folder:
        """The directory, opened anew. Raises Unreadable unless it is there and this Dataset's."""
        try:
            folder = Folder.below(self._mount, self._root)
            owner = json.loads(folder.text(OWNER_FILE, POINTER_BYTES))
            uid = owner["datasetUid"]
        except Gone as error:
            raise Unreadable("the data set's directory is not there: is its volume mounted?") from error
        except (Damaged, ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unreadable(f"{OWNER_FILE} does not say whose directory this is") from error
        if uid != self._uid:
            raise Unreadable("the directory belongs to another Dataset")
        return folder

    def _listed(self, versions: Folder, pointer: Pointer) -> Listed | None:
        """None when the version was removed or cannot be read as one."""
        try:
            folder = versions.folder(pointer.digest[:16])
            known = self._sizes.get(pointer.digest)
            if known is None or known[0] != folder.identity_of("manifest.json"):
                version = Version(folder, pointer.digest[:16])
                if version.digest != pointer.digest:
                    return None
                known = self._sizes[pointer.digest] = (version.identity, version.samples, version.bytes)
        except (Gone, Damaged):
            self._sizes.pop(pointer.digest, None)
            return None
        return Listed(pointer, known[1], known[2])


def _pointers(root: Folder) -> list[Pointer]:
    """The sealed works. Files that are no pointers are passed over; raises Unreadable when one cannot be read now."""
    try:
        works = root.folder(WORKS_DIR)
    except Gone:
        return []
    found = []
    for name in works.names()[:POINTERS]:
        match = _POINTER.fullmatch(name)
        if match is None:
            continue
        try:
            pointer = Pointer.from_json(match[1], works.text(name, POINTER_BYTES))
        except (ValueError, RecursionError, Damaged, Gone):
            continue
        if _HEX64.fullmatch(pointer.digest) and 0 < pointer.sequence < 2**31:
            found.append(pointer)
    return found
