"""The checker: walks custom resources, Jobs, volumes and PostgreSQL and says which invariants do not hold.

`assert_sound(snapshot)` is called by tests after a fault; `python -m tests.checker` by people. gather/* makes a
snapshot, judge/* are pure functions over it. Nothing here uses the code it judges to read or to compute anything: of
blueno it imports spellings (names, the lists of reasons and codes) only. tests/unit/checker plants bugs into the real
code and shows that each is found.
"""

from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Canary, Objects, Rows, Snapshot, Text
from tests.checker.sound import assert_sound, judge

__all__ = ("Canary", "Finding", "Invariant", "Objects", "Rows", "Snapshot", "Text", "assert_sound", "judge")
