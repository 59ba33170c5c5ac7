"""How many examples properties are tried with: few and always the same in `make test`, many and new ones in a soak.

`make soak` takes the profile "soak" and prints its seed; `pytest --hypothesis-profile=soak --hypothesis-seed=N` takes
both.
A property that fails prints its example, and the line that makes it again.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = 60
MANY = int(os.environ.get("BLUENO_FUZZ_EXAMPLES") or 2000)

# A property that fails on a slow machine says nothing: no deadlines, and the same examples on every run.
# A busy machine is no reason to fail: what is drawn is the same each time, however long it takes.
SLOW = [HealthCheck.too_slow]


def register() -> None:
    """Makes both profiles known and takes the small one."""
    settings.register_profile(
        "blueno", deadline=None, derandomize=True, max_examples=EXAMPLES, suppress_health_check=SLOW
    )
    settings.register_profile(
        "soak", deadline=None, derandomize=False, max_examples=MANY, suppress_health_check=SLOW, database=None,
        print_blob=True,
    )  # fmt: skip
    settings.load_profile("blueno")


def scaled(count: int) -> int:
    """For a property that wants another number of examples than all: as many times more in a soak as the others."""
    return max(1, count * settings().max_examples // EXAMPLES)
