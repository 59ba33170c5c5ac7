"""A prepared volume, and one small archive for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.preparation import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty volume."""
    return Place(tmp_path)
