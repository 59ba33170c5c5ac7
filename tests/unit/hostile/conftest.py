"""The process that forks for hostile items, and a place whose surroundings are looked at before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.child import Hostiles
from tests.hostile.items import Item


@pytest.fixture(scope="session")
def hostiles() -> Iterator[Hostiles]:
    with Hostiles() as running:
        yield running


class Around:
    """A directory for one item, with canaries around it that nothing may touch."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "outer" / "pod"
        self.folder.mkdir(parents=True)
        self._top = top
        for name in ("evil.png", "canary", "outer/evil.png", "outer/canary"):
            (top / name).write_text(f"canary {name}")
        (top / "outer" / "link").symlink_to(top / "canary")
        self._before = self._seen()

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def _seen(self) -> dict[str, tuple[object, ...]]:
        """Everything but the pod's own directory: kind, mode, size, times, content."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self._top.rglob("*")):
            if path == self.folder or path.is_relative_to(self.folder):
                continue
            about = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else None
            if content is None and path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            times = () if path == self.folder.parent else (about.st_mtime_ns, about.st_size)
            found[str(path.relative_to(self._top))] = (about.st_mode, *times, content)
        return found

    def check(self) -> None:
        """Fails when anything was written outside the data set's own directory, or lies in it as a link or device."""
        assert self._seen() == self._before
        inside = [p for p in self.folder.rglob("*") if not p.is_relative_to(self.folder / "volume" / "ns" / "set")]
        expected = {"volume", "volume/ns", *(f"volume/{p.name}" for p in (self.folder / "volume").glob("*.bin"))}
        assert {str(p.relative_to(self.folder)) for p in inside} <= expected
        for path in self.folder.rglob("*"):
            assert path.is_dir() or path.is_file(), path
            assert not path.is_symlink(), path


@pytest.fixture
def around(tmp_path: Path) -> Around:
    return Around(tmp_path)


def judge(item: Item, said: dict[str, object]) -> None:
    """Compares what a preparation said with what the corpus says must become of the item."""
    if item.fails:
        assert (said["sealed"], said["code"], said["permanent"]) == (False, item.fails, True), said
        assert item.says in str(said["message"])
        return
    assert said["sealed"], said
    assert (said["codes"], said["samples"]) == (item.codes, item.samples), said
