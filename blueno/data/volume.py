"""Where things lie below a data set's directory, and which version is current.

Called by blueno/prep, blueno/data/dataset.py and blueno/dataserver; reads small JSON files only, so that looking is
fast. See docs/format.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blueno.errors import InvalidSpec
from blueno.names import (
    ENV_ROOT,
    INDEX_FILE,
    MANIFEST_FILE,
    OWNER_FILE,
    STAGING_DIR,
    VERSIONS_DIR,
    WORKS_DIR,
    version_dir,
)

_POINTER = re.compile(r"[0-9a-f][^/]*\.json")


@dataclass(frozen=True)
class Added:
    """Up to where a version holds the samples that people have added to its data set's working set."""

    revision: int = 0  # number of the last change
    digest: str = ""  # 64 hexadecimal digits over all of them, when the version holds nothing else; or ""


NOTHING_ADDED = Added()


@dataclass(frozen=True)
class Pointer:
    """`works/<work>.json`: which version a work was sealed as."""

    work: str  # 16 hexadecimal digits
    digest: str  # 64 hexadecimal digits
    sequence: int  # 1 for the first version; the highest is the current one
    sealed_at: str  # RFC 3339, UTC
    base: str = ""  # 16 hexadecimal digits: the work as it is when nobody asked to read the source again; "" unknown
    manifest: str = (
        ""  # 64 hexadecimal digits: sum of manifest.json, which holds the sums of everything else; or unknown
    )
    added: Added = NOTHING_ADDED

    def to_json(self) -> str:
        body = {"digest": self.digest, "sealedAt": self.sealed_at, "sequence": self.sequence}
        if self.base:
            body["base"] = self.base
        if self.manifest:
            body["manifest"] = self.manifest
        if self.added.revision:
            body["working"] = {"digest": self.added.digest, "revision": self.added.revision}
        return json.dumps(body, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, work: str, text: str) -> Pointer:
        """Raises ValueError on anything that is no pointer."""
        try:
            body = json.loads(text)
            base, manifest = str(body.get("base", "")), str(body.get("manifest", ""))
            working = body.get("working") or {}
            added = Added(int(working.get("revision", 0)), str(working.get("digest", "")))
            return cls(work, str(body["digest"]), int(body["sequence"]), str(body["sealedAt"]), base, manifest, added)
        except (AttributeError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a pointer to a version: {text[:80]!r}") from error


@dataclass(frozen=True)
class Volume:
    """The paths below one data set's directory `root`."""

    root: Path

    @property
    def owner_file(self) -> Path:
        return self.root / OWNER_FILE

    @property
    def versions(self) -> Path:
        return self.root / VERSIONS_DIR

    @property
    def works(self) -> Path:
        return self.root / WORKS_DIR

    @property
    def staging(self) -> Path:
        return self.root / STAGING_DIR

    def version(self, digest: str) -> Path:
        """Directory of a version."""
        return self.versions / version_dir(digest)

    def manifest(self, digest: str) -> Path:
        return self.version(digest) / MANIFEST_FILE

    def index(self, digest: str) -> Path:
        return self.version(digest) / INDEX_FILE

    def pointer_file(self, work: str) -> Path:
        return self.works / f"{work}.json"

    def pointer(self, work: str) -> Pointer | None:
        """The sealed version of a work, or None. Raises ValueError on a damaged file."""
        try:
            return Pointer.from_json(work, self.pointer_file(work).read_text())
        except FileNotFoundError:
            return None

    def newest_of(self, base: str) -> Pointer | None:
        """The newest version that was sealed from one source and layout, however often that was read again."""
        return next((found for found in reversed(self.pointers()) if base in (found.base, found.work)), None)

    def sealed_with(self, base: str, added: Added) -> Pointer | None:
        """The newest version of one source and layout that holds these very samples, and nothing but what was added."""
        known = (p for p in reversed(self.pointers()) if base in (p.base, p.work))
        return next((p for p in known if p.added.digest and p.added.digest == added.digest), None)

    def pointers(self) -> list[Pointer]:
        """All sealed works, oldest first. Damaged files are passed over: each work's own pointer is judged alone.

        Raises OSError when one cannot be read now: without it, another one might be taken for the newest.
        """
        return self._judged()[0]

    def damaged_pointers(self) -> list[str]:
        """Names in works/ of pointers that cannot be understood: any may have been the newest. Raises OSError."""
        return self._judged()[1]

    def _judged(self) -> tuple[list[Pointer], list[str]]:
        found, damaged = [], []
        try:
            names = sorted(os.listdir(self.works))  # noqa: PTH208 - glob finds nothing where it may not look
        except FileNotFoundError:
            return [], []
        for name in names:
            if _POINTER.fullmatch(name):
                try:
                    pointer = self.pointer(name.removesuffix(".json"))
                    found += [pointer] if pointer is not None else []
                except ValueError:
                    damaged.append(name)
        return sorted(found, key=lambda p: (p.sequence, p.sealed_at, p.work)), damaged

    def is_sealed_manifest(self, digest: str, data: bytes) -> bool:
        """Whether `data` is a manifest.json that some pointer to this version was written for. Raises OSError."""
        return is_known_manifest(self.pointers(), digest, data)

    def current(self) -> Pointer | None:
        """The version readers get by default: that of the highest sequence. Raises OSError."""
        pointers = self.pointers()
        return pointers[-1] if pointers else None


def is_known_manifest(pointers: Iterable[Pointer], digest: str, data: bytes) -> bool:
    """Also where no pointer knows the sum. A version that was prepared again may have pointers to the one before."""
    known = {pointer.manifest for pointer in pointers if pointer.digest == digest and pointer.manifest}
    return not known or hashlib.sha256(data).hexdigest() in known


def root_below(mount: Path, root: str) -> Path:
    """`root` (relative, or absolute below `mount`) as a path. Raises InvalidSpec when it names anything outside."""
    inner = PurePosixPath(root)
    if inner.is_absolute():
        if not inner.is_relative_to(mount):
            raise InvalidSpec(ENV_ROOT, f"{root!r} does not lie below {mount}")
        inner = inner.relative_to(mount)
    if not inner.parts or ".." in inner.parts or "\0" in root:
        raise InvalidSpec(ENV_ROOT, f"{root!r} must name a directory below {mount}, without '..'")
    return mount / inner
