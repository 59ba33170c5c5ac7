"""`source.claim`: files that lie on another claim, mounted read-only. Symbolic links are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSample, BadSampleCode
from blueno.data.layout import is_hidden
from blueno.prep.archives import MAX_DEPTH, safe_name
from blueno.prep.entries import MAX_FILES, Entry
from blueno.prep.failure import PrepFailure
from blueno.prep.local import below
from blueno.prep.samples import Context, Reading
from blueno.prep.tree import reading_of


def read(spec: Mapping[str, Any], context: Context) -> Reading:
    """Lists the files below the path. Raises InvalidSpec, PrepFailure."""
    inner = str(spec.get("path") or "/")
    top = below(context.config.source, inner)
    if not top.is_dir():
        raise PrepFailure("SourceNotFound", f"there is no directory {inner} on the claim {spec.get('name')}")
    entries: dict[str, Entry] = {}
    bad: list[tuple[str, BadSampleCode]] = []
    try:
        for name, entry in _walk(top, ""):
            if entry is None:
                bad.append((name, BadSampleCode.NOT_A_FILE))
            elif not safe_name(name):
                bad.append((name.encode("utf-8", "replace").decode(), BadSampleCode.UNSAFE_NAME))
            elif len(entries) >= MAX_FILES:
                raise PrepFailure("SourceNotAllowed", f"{inner} has more than {MAX_FILES} files")
            else:
                entries[name] = entry
    except PermissionError as error:
        raise PrepFailure(
            "VolumePermissionDenied", f"uid {os.geteuid()} may not read {error.filename}: make it readable for everyone"
        ) from error
    reading = reading_of(entries, bad, context.work.layout, {"claim": {"name": spec.get("name"), "path": inner}})
    if not entries:
        raise PrepFailure("SourceNotFound", f"{inner} on the claim {spec.get('name')} holds no files")
    return reading


def _walk(top: Path, prefix: str, depth: int = 0) -> Iterator[tuple[str, Entry | None]]:
    """(name below the top, Entry), or None for what is no regular file, in the order of names."""
    with os.scandir(top) as found:
        listed = sorted(found, key=lambda e: e.name)
    for item in listed:
        name = f"{prefix}{item.name}"
        if item.is_dir(follow_symlinks=False):
            if depth < MAX_DEPTH and not is_hidden(item.name):
                yield from _walk(Path(item.path), f"{name}/", depth + 1)
        elif item.is_file(follow_symlinks=False):
            stat = item.stat(follow_symlinks=False)
            reader = _Reader(item.path)
            yield name, Entry(stat.st_size, f"{stat.st_mtime_ns}:{stat.st_ino}", reader, reader.part)
        else:
            yield name, None


class _Reader:
    """Reads one file, if it still is one."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self) -> bytes:
        with self._opened() as file:
            if os.fstat(file.fileno()).st_size > MAX_SAMPLE_BYTES:
                raise BadSample(BadSampleCode.TOO_LARGE)
            return file.read(MAX_SAMPLE_BYTES + 1)

    def part(self, offset: int, length: int) -> bytes:
        """Some of its bytes, fewer at its end."""
        with self._opened() as file:
            file.seek(offset)
            return file.read(length)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if isinstance(error, (FileNotFoundError, PermissionError)):
                raise
            raise BadSample(BadSampleCode.NOT_A_FILE, str(error.strerror)) from error
        with os.fdopen(handle, "rb") as file:
            # A folder on the way may have become a link since it was listed: what was opened must lie where it did.
            if Path(f"/proc/self/fd/{handle}").readlink() != Path(self._path):
                raise BadSample(BadSampleCode.NOT_A_FILE, "lies elsewhere than it did")
            yield file
