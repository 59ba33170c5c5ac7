"""Reads volumes: every byte of every version, by json, numpy and pyarrow alone, as docs/format.md describes them.

Called by tests and __main__.py. What cannot be read becomes a problem of its version, never an exception.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from blueno import names
from tests.checker.snapshot import Directory, Row, Stored, Version

_KNOWN = {names.OWNER_FILE, names.WORKS_DIR, names.VERSIONS_DIR, names.STAGING_DIR}
_MARKS = {names.WORKS_DIR, names.VERSIONS_DIR, names.STAGING_DIR}
_COLUMNS = ("key", "split", "label", "group", "metadata", "shard", "row", "bytes", "sha256", "format")
_DECODED = 50  # images of each shard whose dense pixels are compared with their file
DEPTH = 8  # directories between a volume's root and a data set's


def gather_volume(volume: Path) -> tuple[Directory, ...]:
    """Every data set's directory on a volume."""
    return tuple(gather_directory(root, volume) for root in sorted(find_roots(volume)))


def find_roots(volume: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Directories that a preparation has begun in; what is not ours is passed over."""
    try:
        entries = [entry for entry in volume.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return
    held = {entry.name for entry in entries}
    if (volume / names.OWNER_FILE).is_file() or held >= _MARKS:
        yield volume
    elif depth:
        for entry in entries:
            yield from find_roots(entry, depth - 1)


def gather_reservations(volume: Path) -> tuple[str, ...]:
    """uids of those that say what room they still need."""
    return tuple(path.stem for path in _sorted(volume / ".blueno" / "reservations") if path.suffix == ".json")


def gather_directory(root: Path, volume: Path | None = None) -> Directory:
    """One data set's directory."""
    unknown = [] if not root.is_symlink() else ["the directory itself is a symbolic link"]
    owner = _json(root / names.OWNER_FILE, unknown)
    pointers = {}
    for path in _sorted(root / names.WORKS_DIR):
        if path.name.startswith("."):
            continue  # what an attempt that was killed had begun
        body = _json(path, unknown)
        if body is not None and _is_pointer(body):
            pointers[path.stem] = body
        else:
            unknown.append(f"works/{path.name} is no pointer")
    versions = tuple(gather_version(path) for path in _sorted(root / names.VERSIONS_DIR))
    staging = {path.name: sum(1 for _ in _below(path)) for path in _sorted(root / names.STAGING_DIR)}
    unknown += [path.name for path in _sorted(root) if path.name not in _KNOWN and not path.name.startswith(".")]
    unknown += [f"{path.relative_to(root)} is a link" for path in _below(root) if path.is_symlink()]
    place = str(root.relative_to(volume)) if volume is not None else root.name
    return Directory(place, owner, pointers, versions, staging, tuple(unknown))


def gather_version(folder: Path) -> Version:
    """A version with the sum of every file and of every sample's content, as they are now."""
    problems: list[str] = []
    manifest = _json(folder / names.MANIFEST_FILE, problems)
    files = {path.name: _stored(path, problems) for path in _sorted(folder) if path.name != names.MANIFEST_FILE}
    rows: tuple[Row, ...] = ()
    try:
        rows = tuple(_index(folder / names.INDEX_FILE))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        problems.append(f"index.arrow cannot be read: {error}"[:300])
    if manifest is not None and rows:
        rows = _with_contents(folder, manifest, rows, problems)
    mode = stat.S_IMODE(folder.stat().st_mode)
    return Version(folder.name, manifest, files, rows, tuple(problems), mode)


def _stored(path: Path, problems: list[str]) -> Stored:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            problems.append(f"{path.name} is no plain file")
            return Stored(path.name, about.st_size, "", stat.S_IMODE(about.st_mode))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stored(path.name, about.st_size, digest, stat.S_IMODE(about.st_mode))
    except OSError as error:
        problems.append(f"{path.name} cannot be read: {error.strerror}")
        return Stored(path.name, -1, "", 0)


def _index(path: Path) -> Iterator[Row]:
    with pa.memory_map(str(path), "r") as source:
        table = pa.ipc.open_file(source).read_all()
    columns = {name: table[name].to_pylist() for name in _COLUMNS}
    for values in zip(*(columns[name] for name in _COLUMNS), strict=True):
        found = dict(zip(_COLUMNS, values, strict=True))
        yield Row(**{**found, "sha256": found["sha256"].hex()})


def _with_contents(
    folder: Path, manifest: Mapping[str, Any], rows: tuple[Row, ...], problems: list[str]
) -> tuple[Row, ...]:
    by_shard: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_shard.setdefault(row.shard, []).append(place)
    made = list(rows)
    for number, places in by_shard.items():
        try:
            contents = _contents(folder, manifest["shards"][number], problems)
            for place in places:
                digest, length = contents(rows[place])
                made[place] = replace(rows[place], found=digest, length=length)
        except (OSError, pa.ArrowException, LookupError, ValueError, TypeError) as error:
            problems.append(f"shard {number} cannot be read: {type(error).__name__}: {error}"[:300])
    return tuple(made)


def _contents(folder: Path, shard: Mapping[str, Any], problems: list[str]) -> Callable[[Row], tuple[str, int]]:
    """(sum, bytes) of a row's content in this shard."""
    dense = None
    if shard.get("dense"):
        dense = np.load(folder / shard["dense"]["name"], mmap_mode="r", allow_pickle=False)
        if len(dense) != shard["samples"]:
            problems.append(f"{shard['dense']['name']} has {len(dense)} rows, not {shard['samples']}")
    if not shard.get("raw"):
        assert dense is not None, "a shard without files"
        return lambda row: _of_array(dense[row.row])
    with pa.memory_map(str(folder / shard["raw"]["name"]), "r") as source:
        table = pa.ipc.open_file(source).read_all()
    keys, contents = table["key"].to_pylist(), table["bytes"]

    def of(row: Row) -> tuple[str, int]:
        if keys[row.row] != row.key:
            problems.append(f"row {row.row} of {shard['raw']['name']} is {keys[row.row]!r}, not {row.key!r}")
        data = contents[row.row].as_py()
        if row.format == "array":
            return _of_array(np.load(BytesIO(data), allow_pickle=False))
        if dense is not None and row.row < _DECODED and _differs(data, dense[row.row]):
            problems.append(f"the pixels of {row.key!r} in {shard['dense']['name']} are not those of its file")
        return hashlib.sha256(data).hexdigest(), len(data)

    return of


def _of_array(array: Any) -> tuple[str, int]:
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = f"{plain.dtype.str};{'x'.join(str(n) for n in plain.shape)}\n"
    return hashlib.sha256(head.encode() + plain.tobytes()).hexdigest(), plain.nbytes


def _differs(data: bytes, pixels: Any) -> bool:
    """Whether a file decodes to other pixels, or to none. Modes that we bring into another form are not compared."""
    try:
        if data[:6] == b"\x93NUMPY":
            return not np.array_equal(np.load(BytesIO(data), allow_pickle=False).reshape(pixels.shape), pixels)
        with Image.open(BytesIO(data)) as image:
            if image.mode not in ("L", "RGB", "RGBA") or pixels.dtype != np.uint8:
                return False
            return not np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    except (OSError, ValueError, SyntaxError):  # all of them say of Pillow: no picture
        return True


def _json(path: Path, problems: list[str]) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read: {error}"[:200])
        return None
    return body if isinstance(body, dict) else None


def _is_pointer(body: Mapping[str, Any]) -> bool:
    texts = isinstance(body.get("digest"), str) and isinstance(body.get("sealedAt"), str)
    return texts and isinstance(body.get("sequence"), int)


def _below(folder: Path) -> Iterator[Path]:
    """Everything below it; what goes while it is looked at is passed over, which Path.rglob does not."""
    for top, folders, files in os.walk(folder):
        yield from (Path(top, name) for name in (*folders, *files))


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
