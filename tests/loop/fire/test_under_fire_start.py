"""A start that fails is said, leaves nothing behind, and succeeds as soon as what was missing is there."""

from __future__ import annotations

import pytest

from controllers.source import WATCHED
from tests.fakes.job_controller import JobController
from tests.loop.conftest import a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.sound import sound
from tests.proxies.rules import Answer

pytestmark = pytest.mark.timeout(120)


async def test_a_right_that_is_missing_at_the_start(
    world: UnderFire, prep: PrepController, jobs: JobController
) -> None:
    def watches() -> int:
        return sum(1 for request in world.api.requests if request.verb == "WATCH")

    with world.proxy.fault(Answer(403), "LIST", kinds=("jobs",)) as refused:
        operator = await world.start()
        await world.until(lambda: refused.fired >= 2, "it has tried again", 60)
    log = operator.log.read_text()
    assert "the operator cannot start yet: " in log
    assert "address already in use" not in log
    assert watches() == 0
    await world.until(lambda: watches() >= len(WATCHED), "the operator watches", 60)
    assert watches() == len(WATCHED), "one of each kind, however often it was started"
    world.api.put(a_dataset_manifest())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "it works")
    assert operator.process.returncode is None
    await sound(world)
