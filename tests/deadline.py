"""No test begins that could not end: where a run is cut off at a fixed time, as in CI, the rest is skipped and says so.

Set by .ci/run (BLUENO_TESTS_UNTIL, seconds since 1970); asked by tests/conftest.py before each test, and by the storm
of tests/e2e/test_soak.py before each round. Nothing is skipped where it is not set; hack/runtests lists what is.
"""

from __future__ import annotations

import os
import time

import pytest

UNTIL = "BLUENO_TESTS_UNTIL"
REASON = "no time left: this machine is too slow today, and CI would be cut off"


def passed() -> bool:
    """Whether no test may begin any more."""
    until = os.environ.get(UNTIL)
    return bool(until) and time.time() > float(until or 0)


def skip_if_passed() -> None:
    """Skips the test that calls it when there is no time left."""
    if passed():
        pytest.skip(REASON)
