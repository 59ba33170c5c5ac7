"""What may be seen on a data set's volume at any moment, and what may be left when a preparation is done.

Pure looking, by the words of docs/format.md; used by tests after every injected fault. A file is visible unless its
name begins with a dot or says that it is a part: those are nobody's to read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import blueno
from blueno.data.files import file_sha256
from blueno.data.manifest import DataFile, Manifest
from blueno.data.volume import Pointer, Volume
from blueno.errors import BluenoError, NotFound
from blueno.prep.record import Record


def torn(root: Path) -> list[str]:
    """What is visible below `root` and not whole; [] for a volume on which nobody sees half of anything."""
    volume, found = Volume(root), []
    for file in (root / "owner.json", *volume.works.glob("*.json"), *volume.staging.glob("*/download/*.json")):
        if file.exists() and not file.name.startswith("."):
            found += _bad_json(file)
    for folder in _folders(volume.versions):
        found += _bad_version(folder)
    for file in _files(volume.works):
        found += _bad_pointer(volume, file)
    for shards in volume.staging.glob("*/shards"):
        found += _bad_records(shards)
    return found + _bad_reading(root)


def leftovers(volume: Path, keep: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Files below a mounted volume that belong to no sealed version; `keep`: names at its top that are not ours."""
    found = []
    for path in sorted(volume.rglob("*")):
        inner = path.relative_to(volume)
        if inner.parts[0] in keep or path.is_dir():
            continue
        if inner.name.startswith(".") or "staging" in inner.parts or ".blueno" in inner.parts:
            found.append(str(inner))
    return found


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if not p.name.startswith(".")) if path.is_dir() else []


def _bad_json(file: Path) -> list[str]:
    try:
        body: Any = json.loads(file.read_text())
    except ValueError:
        return [f"{file} is no JSON: {file.read_bytes()[:60]!r}"]
    if "sha256" in body and "path" in body:  # a finished download
        path = file.with_name(body["path"])
        if path.stat().st_size != body["bytes"] or file_sha256(path) != body["sha256"]:
            return [f"{path} is not what {file.name} says"]
    return []


def _bad_version(folder: Path) -> list[str]:
    try:
        manifest = Manifest.from_json((folder / "manifest.json").read_text())
        wrong = [f.name for f in manifest.files if file_sha256(folder / f.name) != f.sha256]
    except (OSError, ValueError) as error:
        return [f"{folder}: {error}"]
    names = {"manifest.json", *(f.name for f in manifest.files)}
    extra = [p.name for p in folder.iterdir() if p.name not in names]
    return [f"{folder / name} is torn" for name in wrong] + [f"{folder / name} is nobody's" for name in extra]


def _bad_pointer(volume: Volume, file: Path) -> list[str]:
    try:
        pointer = Pointer.from_json(file.stem, file.read_text())
    except ValueError as error:
        return [f"{file}: {error}"]
    return [] if volume.manifest(pointer.digest).exists() else [f"{file} names a version that is not there"]


def _bad_records(shards: Path) -> list[str]:
    found = []
    for file in shards.glob("*.record"):
        record = Record.read(shards, file.stem)
        if record is None:
            found.append(f"{file} cannot be read, or its files have not their length")
            continue
        files = [f for f in (record.raw, record.dense) if f is not None]
        found += [f"{shards / f.name} is not what {file.name} says" for f in files if _differs(shards / f.name, f)]
    return found


def _differs(path: Path, file: DataFile) -> bool:
    return path.stat().st_size != file.bytes or file_sha256(path) != file.sha256


def _bad_reading(root: Path) -> list[str]:
    """Readers find nothing, or something whole."""
    try:
        blueno.open_dataset(root, verify=True)
    except NotFound:
        pass
    except BluenoError as error:
        return [f"a reader: {error}"]
    return []
