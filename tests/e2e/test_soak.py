"""Random faults: whatever is killed, every Dataset ends Ready with the digest it always gets, and every TrainingRun
completes in its first attempt.

Forty faults, each kind at least twice, in `make test`; `make soak` for BLUENO_SOAK_MINUTES (default 30), again and
again: every part has a seed of its own and adds its ledger to bench/results/soak. The seed is printed;
BLUENO_SOAK_SEED draws the same faults again, BLUENO_SOAK_KINDS ("operator SIGKILL,etcd SIGKILL") only these kinds.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import deadline
from tests.e2e.blows import FAULTS
from tests.e2e.kube import Kube
from tests.e2e.ledger import TOP, Ledger
from tests.e2e.mirror import Mirror
from tests.e2e.storm import Storm
from tests.e2e.web import Web

SEED = int(os.environ.get("BLUENO_SOAK_SEED") or random.SystemRandom().randrange(10**9))
MINUTES = float(os.environ.get("BLUENO_SOAK_MINUTES") or 30)
KINDS = [kind.strip() for kind in os.environ.get("BLUENO_SOAK_KINDS", "").split(",") if kind.strip()] or [*FAULTS]
MANY = 40  # each kind at least twice, which is asserted
LEDGERS = TOP / "bench" / "results" / "soak"


def storm(kube: Kube, web: Web, mirror: Mirror, folder: Path | None, goes_on: Callable[[Ledger], bool]) -> Ledger:
    """Faults as long as `goes_on`, then calm, then all has to be right."""
    print(f"BLUENO_SOAK_SEED={SEED}")
    assert FAULTS.keys() >= set(KINDS), f"BLUENO_SOAK_KINDS: there is {', '.join(FAULTS)}"
    ledger = Ledger(SEED, folder)
    try:
        blows = Storm(kube, web, mirror, ledger, KINDS)
        while goes_on(ledger):
            blows.round()
        assert ledger.faults, "no fault fired: the test proved nothing"
        missing = set(KINDS) - {each["fault"] for each in ledger.faults}
        assert not missing or len(ledger.faults) < len(KINDS), f"never fired: {sorted(missing)}"
        blows.calm()
    except KeyboardInterrupt:
        raise  # cut off: nothing was wrong
    except BaseException as error:
        ledger.end(f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
        raise
    ledger.end()
    return ledger


@pytest.mark.e2e
@pytest.mark.timeout(3600)
def test_random_faults(space: Kube, web: Web, mirror: Mirror) -> None:
    assert 2 * len(FAULTS) <= MANY

    def goes_on(ledger: Ledger) -> bool:
        return not ledger.faults or (len(ledger.faults) < MANY and not deadline.passed())

    ledger = storm(space, web, mirror, None, goes_on)
    if len(ledger.faults) < MANY:
        pytest.skip(f"{len(ledger.faults)} of {MANY} faults, all sound; {deadline.REASON}")


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_random_faults_for_long(space: Kube, web: Web, mirror: Mirror) -> None:
    end = time.monotonic() + MINUTES * 60
    storm(space, web, mirror, LEDGERS, lambda _: time.monotonic() < end)
