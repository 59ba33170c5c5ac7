"""A bug that is planted into the real code, and what the checker has to say of it. Used by test_planted_*.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.checker import Invariant, Snapshot, judge
from tests.checker.finding import report
from tests.checker.planting import plant


@dataclass(frozen=True)
class Bug:
    """`old` becomes `new` in the source of `where`; then `story` runs."""

    name: str
    story: Callable[..., Any]
    where: Any
    old: str
    new: str
    invariant: Invariant
    says: str  # in the finding's words

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        plant(patch, self.where, self.old, self.new)

    def assert_caught(self, snapshot: Snapshot) -> None:
        """By its own invariant, in words that are about it."""
        found = judge(snapshot)
        caught = [finding for finding in found if finding.invariant == self.invariant and self.says in str(finding)]
        assert caught, f"{self.name} is not caught as {self.invariant}; found was\n{report(found) or 'nothing'}"


def named(bugs: tuple[Bug, ...]) -> Any:
    """One test for each."""
    return pytest.mark.parametrize("bug", bugs, ids=[bug.name.replace(" ", "-") for bug in bugs])
