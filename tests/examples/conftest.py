"""A Python with jax, as in the examples' image: from the same lock file, made once and kept in the cache of builds.

Measured: 3 s with the packages in uv's cache, 20 s and 90 MB without. It is no part of the developer's environment.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.examples import EXAMPLES, digits_version, volumes_version
from tests.fakes.preparation import TOP

sys.path.insert(0, str(TOP / "hack"))

from clusterlib.layout import cache_dir
from clusterlib.locks import locked

LOCK = EXAMPLES / "images" / "jax" / "requirements.lock"


@pytest.fixture(scope="session")
def jax_python() -> str:
    """Path of the interpreter."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(LOCK.read_bytes() + version.encode()).hexdigest()[:16]
    place = cache_dir() / "examples" / f"jax-{key}"
    python, complete = place / "bin" / "python", place / "complete"
    with locked(cache_dir() / "examples" / "jax.lock"):
        if not complete.exists():
            uv = [sys.executable, "-m", "uv", "-q"]
            subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, place], check=True)
            install = ["pip", "install", "--python", python, "--require-hashes", "-r", LOCK]
            subprocess.run([*uv, *install], check=True)
            complete.touch()
    return str(python)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sealed version of examples/01-digits."""
    return digits_version(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sealed version of examples/14-volume-segmentation."""
    return volumes_version(tmp_path_factory.mktemp("volumes"))
