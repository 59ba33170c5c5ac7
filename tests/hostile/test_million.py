"""An archive of a million members, for `make soak`: honest work that takes longer than any hang is allowed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.archives import MILLION
from tests.hostile.child import Hostiles


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MILLION)
def test_a_million_members_keep_within_the_memory(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.bin").write_bytes(MILLION[name].make())
    with Hostiles() as hostiles:
        done = hostiles.run(
            "tests.hostile.runs:prepare_archives",
            cpu=300, wall=580, folder=str(tmp_path), names=["a.bin"], layout={}, look=False,
        )  # fmt: skip
    assert done.must()["samples"] == 2
