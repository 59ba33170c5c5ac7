"""Hashes of build inputs: what is keyed by them is built once. Used by gobuild.py, rootfs.py and imagebuild.py."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

# The front end's sources are no input of an image: what Vite made of them is.
_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", "node_modules", "frontend"}


def of_texts(*texts: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def of_paths(paths: Iterable[Path], *texts: str) -> str:
    """Hash of names and contents below the paths; a missing path counts as empty."""
    total = hashlib.sha256("\0".join(texts).encode())
    for path in paths:
        for file in _files(path):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            total.update(f"{path.name}/{file.relative_to(path)}\0{content}\0".encode())
    return total.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not _IGNORED.intersection(file.parts):
            yield file
