"""Random faults: whatever is killed, every Dataset ends Ready with the digest it always gets, and every TrainingRun
completes in its first attempt.

Twenty faults, each kind at least once, in `make test`; `make soak` for BLUENO_SOAK_MINUTES (default 30), again and
again: every part has a seed of its own and adds its ledger to bench/results/soak. The seed is printed;
BLUENO_SOAK_SEED draws the same faults again.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.kube import Kube
from tests.e2e.ledger import TOP, Ledger
from tests.e2e.mirror import Mirror
from tests.e2e.storm import Storm

SEED = int(os.environ.get("BLUENO_SOAK_SEED") or random.SystemRandom().randrange(10**9))
MINUTES = float(os.environ.get("BLUENO_SOAK_MINUTES") or 30)
FAULTS = 20  # each kind at least once
LEDGERS = TOP / "bench" / "results" / "soak"


def storm(kube: Kube, mirror: Mirror, folder: Path | None, goes_on: Callable[[Ledger], bool]) -> Ledger:
    """Faults as long as `goes_on`, then calm, then all has to be right."""
    print(f"BLUENO_SOAK_SEED={SEED}")
    ledger = Ledger(SEED, folder)
    try:
        blows = Storm(kube, mirror, ledger)
        while goes_on(ledger):
            blows.round()
        blows.calm()
    except BaseException as error:
        ledger.write(f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
        raise
    ledger.write("sound")
    assert ledger.faults, "no fault fired: the test proved nothing"
    return ledger


@pytest.mark.e2e
@pytest.mark.timeout(3600)
def test_random_faults(space: Kube, mirror: Mirror) -> None:
    storm(space, mirror, None, lambda ledger: len(ledger.faults) < FAULTS)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_random_faults_for_long(space: Kube, mirror: Mirror) -> None:
    end = time.monotonic() + MINUTES * 60
    storm(space, mirror, LEDGERS, lambda _: time.monotonic() < end)
