"""A data set with two versions to copy and to damage, and what `blueno dataset verify` says of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blueno.cli.shell import Exit
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, png, tar
from tests.unit.cli.conftest import Blueno

PACK = {"shardBytes": 65536}  # several shards, so that two versions share some


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with two versions, the second with one sample more."""
    place = Place(tmp_path_factory.mktemp("prepared"))
    for name, files in (("a", class_folders(150)), ("b", class_folders(150) | {"cat/new.png": png(9)})):
        place.sealed(archive_work(place.put(f"{name}.tar", tar(files, "")), pack=PACK))
    return place.root


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Place:
    """A copy of it, hard links and all."""
    place = Place(tmp_path)
    place.root.parent.mkdir()
    subprocess.run(["cp", "-a", str(prepared), str(place.root)], check=True)
    return place


@pytest.fixture
def current(place: Place) -> Path:
    (found,) = [
        f for f in (place.root / "versions").iterdir() if json.loads((f / "manifest.json").read_text())["samples"] > 300
    ]
    return found


def body_of(blueno: Blueno, path: Path, *more: str) -> dict[str, Any]:
    done = blueno("dataset", "verify", str(path), "-o", "json", *more)
    body: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (Exit.DONE if body["intact"] else Exit.DAMAGED)
    return body


def problems(body: dict[str, Any]) -> list[tuple[str, str]]:
    """(path, code) of all, the data set's own first."""
    found = [*body["problems"], *(p for v in body["versions"] for p in v["problems"])]
    return [(p["path"], p["code"]) for p in found]


def change(path: Path, data: bytes | None = None) -> None:
    """One bit of a sealed file, or all of it."""
    if data is None:
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        data = bytes(raw)
    path.unlink()  # another version may have it as a hard link
    path.write_bytes(data)
