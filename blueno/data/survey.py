"""What lies at a path that may be a copy of a data set: its versions, its pointers, its owner. Reads small files only.

Called by blueno/data/verify.py and blueno/cli/dataset.py. A copy comes from a backup, a disk or a stranger: names in
its manifests lead nowhere else, links and pipes are not opened.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from blueno.data.manifest import Manifest
from blueno.data.volume import Pointer, Volume, is_known_manifest
from blueno.errors import BluenoError, NotFound
from blueno.names import MANIFEST_FILE, version_dir

LARGEST_JSON = 256 << 20  # bytes of a manifest: more than a million shards need
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SUM = re.compile(r"[0-9a-f]{64}")
_VERSION_NAME = re.compile(r"[0-9a-f]{16}")


class ProblemCode(StrEnum):
    """What can be wrong with a copy. Programs read these words: they are never renamed."""

    MISSING = "Missing"
    NOT_A_FILE = "NotAFile"
    WRONG_SIZE = "WrongSize"
    CHANGED = "Changed"
    UNREADABLE = "Unreadable"
    BAD_MANIFEST = "BadManifest"
    BAD_INDEX = "BadIndex"
    WRONG_DIGEST = "WrongDigest"
    BAD_POINTER = "BadPointer"
    NO_OWNER = "NoOwner"


@dataclass(frozen=True)
class Problem:
    """`path` is relative to the directory that was verified."""

    path: str
    code: ProblemCode
    message: str


@dataclass(frozen=True)
class Found:
    """A version's directory before its files are read. `manifest` is None when it is no manifest."""

    folder: Path
    manifest: Manifest | None
    problem: Problem | None = None


@dataclass(frozen=True)
class Survey:
    """One version, or a data set's directory with all of its versions."""

    root: Path
    versions: tuple[Found, ...]
    current: str | None = None  # digest
    problems: tuple[Problem, ...] = ()  # of the data set's directory itself

    @property
    def bytes(self) -> int:
        """That will be read, by what the manifests say."""
        return sum(f.manifest.bytes for f in self.versions if f.manifest is not None)

    def place(self, path: Path) -> str:
        """`path` as problems name it: relative to the directory that was looked at."""
        return path.relative_to(self.root).as_posix()


class Wrong(Exception):
    """A file is not as it must be. Becomes a Problem."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def survey(path: Path) -> Survey:
    """Looks at what there is; reads the manifests only.

    `path`: a data set's directory, a version's directory or a manifest.json. Raises NotFound when no version is there,
    BluenoError when it cannot be looked at.
    """
    folder = path.parent if path.name == MANIFEST_FILE else path
    try:
        if os.path.lexists(folder / MANIFEST_FILE):
            found = _find(folder, folder)
            return Survey(folder, (found,), found.manifest.digest if found.manifest is not None else None)
        names = sorted(entry.name for entry in Volume(folder).versions.iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "has neither a manifest.json nor a directory versions" if folder.is_dir() else "no such directory"
        raise NotFound(f"{path}: {what}; name a data set's directory, or one of a version") from error
    except OSError as error:
        raise BluenoError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    volume = Volume(folder)
    versions = tuple(_find(volume.versions / name, folder) for name in names if _VERSION_NAME.fullmatch(name))
    pointers, problems = _pointers(volume, versions)
    versions = tuple(_known(found, pointers, folder) for found in versions)
    if not versions and not problems:
        raise NotFound(f"{path} holds no sealed version")
    newest = max(pointers, key=lambda p: (p.sequence, p.sealed_at, p.work), default=None)
    return Survey(folder, versions, newest.digest if newest else None, (*problems, *_owner(volume)))


def _find(folder: Path, root: Path) -> Found:
    place = _relative(folder / MANIFEST_FILE, root)
    try:
        if folder != root and not stat.S_ISDIR(folder.lstat().st_mode):
            raise Wrong(ProblemCode.NOT_A_FILE, "a version must be a directory, not a link to one")
        manifest = Manifest.from_json(_text(folder / MANIFEST_FILE))
        _check(manifest)
    except Wrong as wrong:
        return Found(folder, None, Problem(place, wrong.code, wrong.message))
    except ValueError as error:
        return Found(
            folder, None, Problem(place, ProblemCode.BAD_MANIFEST, f"cannot be understood: {str(error)[:200]}")
        )
    problem = None
    if folder != root and folder.name != version_dir(manifest.digest):
        text = f"lies in {folder.name} but is of the digest {manifest.digest[:64]}"
        problem = Problem(place, ProblemCode.WRONG_DIGEST, text)
    return Found(folder, manifest, problem)


def _check(manifest: Manifest) -> None:
    """Raises ValueError when a manifest of strangers says what no manifest of ours does."""
    files = manifest.files
    if not all(_FILE_NAME.fullmatch(file.name) and file.name != MANIFEST_FILE for file in files):
        raise ValueError("it names files that no version has")
    if len({file.name for file in files}) < len(files):
        raise ValueError("it names a file twice")
    if not all(_SUM.fullmatch(text) for text in (manifest.digest, *(file.sha256 for file in files))):
        raise ValueError("a digest in it is none")
    if any(file.bytes < 0 for file in files):
        raise ValueError("a size in it is negative")


def _pointers(volume: Volume, versions: tuple[Found, ...]) -> tuple[list[Pointer], list[Problem]]:
    """The pointers in works/ whose version is there, and what is wrong with the others."""
    digests = {found.manifest.digest for found in versions if found.manifest is not None}
    broken = {found.folder.name for found in versions if found.manifest is None}  # said already
    good, problems = [], []
    try:
        files = sorted(volume.works.glob("[0-9a-f]*.json"))
    except OSError:
        files = []
    for file in files:
        place = _relative(file, volume.root)
        try:
            pointer = Pointer.from_json(file.stem, _text(file))
        except (Wrong, ValueError) as error:
            problems.append(Problem(place, ProblemCode.BAD_POINTER, f"cannot be understood: {str(error)[:200]}"))
            continue
        if pointer.digest in digests:
            good.append(pointer)
        elif pointer.digest[:16] not in broken:
            text = f"names the version {pointer.digest[:64]}, which is not here"
            problems.append(Problem(place, ProblemCode.MISSING, text))
    if versions and not files:
        problems.append(
            Problem(volume.works.name, ProblemCode.MISSING, "no pointer: no Dataset would find the version")
        )
    return good, problems


def _known(found: Found, pointers: list[Pointer], root: Path) -> Found:
    """`found`, with a problem when no pointer was written for the manifest that is there now."""
    if found.manifest is None or found.problem is not None:
        return found
    path = found.folder / MANIFEST_FILE
    if is_known_manifest(pointers, found.manifest.digest, _text(path).encode()):
        return found
    text = "has been changed since it was sealed: its sha256 is not that in works/"
    return replace(found, problem=Problem(_relative(path, root), ProblemCode.CHANGED, text))


def _owner(volume: Volume) -> list[Problem]:
    """A Dataset takes a directory over only when owner.json says whose it was."""
    place = volume.owner_file.name
    try:
        body = json.loads(_text(volume.owner_file))
        if isinstance(body, dict) and isinstance(body.get("datasetUid"), str):
            return []
        return [Problem(place, ProblemCode.NO_OWNER, "does not say whose directory it is")]
    except (Wrong, ValueError, RecursionError) as error:
        return [Problem(place, ProblemCode.NO_OWNER, f"{str(error)[:200]}; no Dataset would take the directory over")]


def open_regular(path: Path) -> tuple[int, os.stat_result]:
    """A regular file, opened; links are not followed and pipes not waited for. Raises Wrong."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Wrong(ProblemCode.MISSING, "is missing") from error
    except OSError as error:
        code = ProblemCode.NOT_A_FILE if path.is_symlink() else ProblemCode.UNREADABLE
        raise Wrong(code, "is a link" if path.is_symlink() else f"cannot be read: {error.strerror}") from error
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise Wrong(ProblemCode.NOT_A_FILE, "is no regular file")
    return handle, about


def _text(path: Path) -> str:
    """Raises Wrong, UnicodeDecodeError."""
    handle, about = open_regular(path)
    with os.fdopen(handle, "rb") as stream:
        if about.st_size > LARGEST_JSON:
            raise Wrong(ProblemCode.BAD_MANIFEST, f"has {about.st_size} bytes: too many to be one of ours")
        try:
            return stream.read().decode()
        except OSError as error:
            raise Wrong(ProblemCode.UNREADABLE, f"cannot be read: {error.strerror}") from error


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
