"""Damaged volumes: the recorder says what is wrong, loads what can be loaded, and heals when the volume does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from blueno.db.config import DatabaseConfig
from blueno.recorder import decide
from tests.db.mirroring import uid_of
from tests.db.recording import World, a_world, done, until
from tests.unit.dataserver.conftest import folder

A = uid_of(1)

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def world(database: DatabaseConfig, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged volumes are looked at again soon."""
    monkeypatch.setattr(decide, "DAMAGED_FIRST", 0.3)
    monkeypatch.setattr(decide, "DAMAGED_LONGEST", 0.6)


def failures(world: World) -> list[str]:
    """What was said to be wrong, oldest first; in between it says that it tries again."""
    return [report.message for report in world.operator.reports if report.state == "Failed"]


async def test_a_truncated_index_is_told_and_loaded_when_it_is_whole_again(world: World, quick_retries: None) -> None:
    place = world.dataset(A)
    digest = world.seal(A, 30)
    file = folder(place) / "index.arrow"
    whole = file.read_bytes()
    file.chmod(0o644)
    swapped = whole[:-500] + bytes(500)
    for spoilt, wanted in ((whole[: len(whole) // 2], "bytes"), (swapped, "sha256 differs")):
        before = len(failures(world))  # it may have tried more than once
        file.write_bytes(spoilt)
        async with world.recorder():
            await until(lambda n=before: len(failures(world)) > n)  # type: ignore[misc]
            assert wanted in failures(world)[-1]
            assert world.loaded(A) == []
    file.write_bytes(whole)
    async with world.recorder():
        await done(world, A, digest)
    assert world.operator.states(A)[-1] == "Indexed"


async def test_a_damaged_older_version_does_not_stop_the_others(world: World) -> None:
    place = world.dataset(A)
    first, second, third = (world.seal(A, size) for size in (3, 4, 5))
    index = place.root / "versions" / second[:16] / "index.arrow"
    index.chmod(0o644)
    index.write_bytes(b"x" * index.stat().st_size)
    async with world.recorder() as recorder:
        await done(world, A, third)
        assert [digest for digest, *_ in world.loaded(A)] == [first, third]
        assert recorder.metrics.failures.labels("version")._value.get() >= 1  # on a busy machine it has tried again
        assert "Failed" not in world.operator.states(A)


async def test_a_version_that_is_not_on_the_volume(world: World, quick_retries: None) -> None:
    world.dataset(A)
    world.seal(A, 3)
    world.put(A, version={"digest": "ef" * 32, "sequence": 2})
    await until(lambda: world.read("SELECT 1 FROM projection.dataset WHERE version_digest = %s", "ef" * 32))
    async with world.recorder():
        await until(lambda: failures(world))
        assert "is not on the volume" in failures(world)[-1]
        assert world.loaded(A) == []
