"""Is a copy of a data set whole? Reads every file of every version and compares all sums.

Called by blueno/cli/dataset.py; survey.py has looked at what there is, digest.py says what makes two versions the same.
Nothing is parsed whose sum is not that of the manifest.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blueno.data.digest import RowsDigest, layout_digest
from blueno.data.manifest import DataFile, Manifest
from blueno.data.survey import Found, Problem, ProblemCode, Survey, Wrong, open_regular
from blueno.names import MANIFEST_FILE

_BLOCK = 1 << 20
_COLUMNS = ("key", "split", "sha256", "label", "group", "metadata")


@dataclass(frozen=True)
class Verified:
    """A version's directory after its files were read."""

    found: Found
    problems: tuple[Problem, ...]
    extra: tuple[str, ...]  # names beside its files: readers never see them

    @property
    def intact(self) -> bool:
        return not self.problems


def verify(survey: Survey, read: Callable[[int], None]) -> Iterator[Verified]:
    """Each version in turn. `read` is told how many bytes more were read, after every MiB."""
    reader = _Reader(read)
    for found in survey.versions:
        yield _verified(survey, found, reader)


@dataclass(frozen=True)
class _Reader:
    """Sums of files; versions share unchanged shards as hard links, so each is read once."""

    read: Callable[[int], None]
    known: dict[tuple[int, int], str] = field(default_factory=dict)

    def compare(self, path: Path, file: DataFile) -> None:
        """Raises Wrong when `path` is not `file`."""
        handle, about = open_regular(path)
        with os.fdopen(handle, "rb", buffering=0) as stream:
            if about.st_size != file.bytes:
                raise Wrong(ProblemCode.WRONG_SIZE, f"has {about.st_size} bytes, not {file.bytes}")
            same = (about.st_dev, about.st_ino)
            digest = self.known.get(same)
            if digest is not None:
                self.read(about.st_size)
            else:
                digest = self.known[same] = self._sum(stream)
        if digest != file.sha256:
            raise Wrong(ProblemCode.CHANGED, "has been changed since it was sealed: its sha256 differs")

    def _sum(self, stream: io.RawIOBase) -> str:
        hasher = hashlib.sha256()
        try:
            while block := stream.read(_BLOCK):
                hasher.update(block)
                self.read(len(block))
        except OSError as error:
            raise Wrong(ProblemCode.UNREADABLE, f"cannot be read: {error.strerror}") from error
        return hasher.hexdigest()


def _verified(survey: Survey, found: Found, reader: _Reader) -> Verified:
    problems = [] if found.problem is None else [found.problem]
    manifest = found.manifest
    if manifest is None:
        return Verified(found, tuple(problems), ())
    for file in manifest.files:
        try:
            reader.compare(found.folder / file.name, file)
        except Wrong as wrong:
            problems.append(Problem(survey.place(found.folder / file.name), wrong.code, wrong.message))
    place = survey.place(found.folder / MANIFEST_FILE)
    if layout_digest([(f.name, f.bytes, f.sha256) for f in manifest.files]) != manifest.layout_digest:
        problems.append(Problem(place, ProblemCode.BAD_MANIFEST, "its layoutDigest is not that of its files"))
    index = survey.place(found.folder / manifest.index.name)
    if index not in {problem.path for problem in problems}:  # what fails its sum is not parsed
        try:
            _compare_rows(found.folder / manifest.index.name, manifest)
        except Wrong as wrong:
            problems.append(Problem(index, wrong.code, wrong.message))
    return Verified(found, tuple(problems), _extra(found.folder, manifest))


def _compare_rows(path: Path, manifest: Manifest) -> None:
    """The rows of the index against the digest. For a moment all rows are Python objects."""
    import pyarrow as pa

    from blueno.data import index

    try:
        rows = index.read(path)
        rows.validate(full=True)
        columns = {name: rows[name].to_pylist() for name in _COLUMNS}
        if rows.num_rows != manifest.samples:
            raise Wrong(ProblemCode.BAD_INDEX, f"has {rows.num_rows} rows, the manifest {manifest.samples} samples")
        digest = RowsDigest.of(columns)
    except (pa.ArrowException, KeyError, ValueError, TypeError, AttributeError, OSError) as error:
        raise Wrong(ProblemCode.BAD_INDEX, f"is no index: {str(error)[:200]}") from error
    if digest != manifest.digest:
        raise Wrong(ProblemCode.WRONG_DIGEST, f"its rows have the digest {digest}, the manifest says another")


def _extra(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    known = {MANIFEST_FILE, *(file.name for file in manifest.files)}
    try:
        return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name not in known))
    except OSError:
        return ()
