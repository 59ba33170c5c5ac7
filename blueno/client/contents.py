"""From what a person names (a directory, paths, NewSamples) to samples, and from a sample to its bytes.

Called by samples.py and bundles.py.

Files are read once, as they are when they are read: one that grew or shrank since it was listed is taken as it is now.
What cannot be read fails alone.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from blueno.client.sample_values import NewSample
from blueno.client.words import plain
from blueno.data.bundle import LARGE
from blueno.data.layout import SPLITS, is_hidden
from blueno.errors import InvalidSpec

Source = str | Path | Iterable[NewSample | str | Path] | Mapping[str, bytes | str | Path | BinaryIO]
Describe = Callable[[str], Mapping[str, Any] | None]
STEP = 1 << 20  # bytes that are read at once of what is too large to be held
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ |= getattr(os, "O_NONBLOCK", 0)  # or opening a pipe would wait for somebody who writes


class Unreadable(Exception):
    """A content that cannot be sent. `code` is one of Refused's."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class LargeContent:
    """A content that is not held: `open` gives it from its beginning. `identity` is the same when it is sent again."""

    open: Callable[[], BinaryIO]
    bytes: int
    identity: str
    close: Callable[[], object] = lambda: None


def by_folders(layout: str) -> Describe:
    """A `describe`: "classFolders" is label/…, "splitClassFolders" is split/label/…; others are left out."""
    depth = {"classFolders": 1, "splitClassFolders": 2}.get(layout)
    if depth is None:
        raise InvalidSpec("layout", f"{plain(layout, 40)!r} is neither classFolders nor splitClassFolders")

    def describe(key: str) -> Mapping[str, Any] | None:
        parts = key.split("/")
        if len(parts) <= depth:
            return None
        label = {"label": parts[depth - 1]}
        return label if depth == 1 else {**label, "split": SPLITS.get(parts[0].lower(), parts[0])}

    return describe


def samples_of(source: Source, describe: Describe | None, replacing: bool) -> Iterator[NewSample]:
    """Samples in the order of the source. Raises InvalidSpec for a source that is none."""
    for sample in _samples(source):
        said = {} if describe is None else describe(sample.key)
        if said is None:
            continue
        if said or (replacing and not sample.replace):
            sample = replace(sample, **{"replace": replacing or sample.replace, **said})
        yield sample


def size_of(source: Source, describe: Describe | None) -> tuple[int, int] | None:
    """How many files and bytes a directory holds; None for what cannot be counted without being used up."""
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return None
    files = total = 0
    for key, path in _walk(os.fspath(source), ""):
        if describe is None or describe(key) is not None:
            files += 1
            try:
                total += Path(path).stat().st_size
            except OSError:
                continue
    return files, total


def read(content: bytes | str | Path | BinaryIO) -> bytes | LargeContent:
    """The content, or how to get at it when it is larger than 32 MiB. Raises Unreadable."""
    try:
        if isinstance(content, bytes | bytearray | memoryview):
            held = bytes(content)
            return held if len(held) <= LARGE else _held(held)
        if isinstance(content, str | os.PathLike):
            return _read_file(os.fspath(content))
        return _read_stream(content)
    except OSError as error:
        raise Unreadable("unreadable", f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a zero byte, a file that is closed
        raise Unreadable("unreadable", f"it cannot be read: {error}") from error


def _samples(source: Source) -> Iterator[NewSample]:
    if isinstance(source, str | Path):
        if not Path(source).is_dir():
            yield NewSample(PurePath(source).name, source)
            return
        for key, path in _walk(os.fspath(source), ""):
            yield NewSample(key, path)
    elif isinstance(source, Mapping):
        for key, content in source.items():
            yield NewSample(key, content)
    else:
        for item in source:
            yield item if isinstance(item, NewSample) else NewSample(_key_of(item), item)


def _key_of(item: Any) -> str:
    if not isinstance(item, str | os.PathLike):
        raise InvalidSpec("source", f"must give paths or NewSamples, not {type(item).__name__}")
    parts = [part for part in PurePath(item).parts if part not in (PurePath(item).anchor, "..", ".")]
    return "/".join(parts)


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    """(key, path) of every file below, in the order of names; links to directories are not followed."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in found
                if not (entry.is_symlink() and entry.is_dir())
            )
    except OSError as error:
        raise InvalidSpec("source", f"{plain(folder, 200)} cannot be listed: {error.strerror}") from None
    for name, is_folder in entries:
        if is_hidden(name):
            continue
        path = f"{folder}{os.sep}{name}"
        if is_folder:
            yield from _walk(path, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", path


def _read_file(path: str) -> bytes | LargeContent:
    descriptor = os.open(path, _READ)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("unreadable", "it is no file")
        if found.st_size <= LARGE:
            content = os.read(descriptor, found.st_size + 1)
            if len(content) == found.st_size:
                return content
            while len(content) <= LARGE and (more := os.read(descriptor, STEP)):
                content += more
            if len(content) <= LARGE:
                return content
            found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    identity = f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
    return LargeContent(lambda: Path(path).open("rb"), found.st_size, identity)


def _read_stream(stream: BinaryIO) -> bytes | LargeContent:
    if not hasattr(stream, "read"):
        raise Unreadable("unreadable", "it is neither bytes nor a path nor an open file")
    head = stream.read(LARGE + 1)
    if not isinstance(head, bytes):
        raise Unreadable("unreadable", "it is open for text: open it with mode 'rb'")
    if len(head) <= LARGE:
        return head
    spooled = tempfile.TemporaryFile()  # noqa: SIM115  # LargeContent.close
    total, summed = 0, hashlib.sha256()
    block = head
    while block:
        spooled.write(block)
        summed.update(block)
        total += len(block)
        block = stream.read(STEP)

    def opened() -> BinaryIO:
        spooled.flush()
        copy = os.fdopen(os.dup(spooled.fileno()), "rb")
        copy.seek(0)
        return copy

    return LargeContent(opened, total, summed.hexdigest(), spooled.close)


def _held(content: bytes) -> LargeContent:
    return LargeContent(lambda: io.BytesIO(content), len(content), hashlib.sha256(content).hexdigest())
