"""A small volume, and what comes out on a large one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.full_volume import ARCHIVE, PACK
from tests.fakes.preparation import Place, archive_work


@pytest.fixture
def small(place: Place) -> Iterator[Callable[[str], None]]:
    """Mounts a tmpfs of the size asked for as the volume."""
    mounted: list[Path] = []

    def mount(size: str) -> None:
        if os.getuid() != 0:
            pytest.skip("needs root, to mount a small tmpfs")
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.fspath(place.volume)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("tmpfs cannot be mounted here")
        mounted.append(place.volume)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What comes out where there is room."""
    place = Place(tmp_path_factory.mktemp("roomy"))
    return place.sealed(archive_work(place.put("a.tar", ARCHIVE), pack=PACK)).digest
