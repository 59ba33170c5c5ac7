"""tests/deadline.py: what CI has no time for is skipped with a reason, and nothing is skipped elsewhere."""

from __future__ import annotations

import time

import pytest

from tests import deadline


def test_nothing_is_skipped_where_no_end_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(deadline.UNTIL, raising=False)
    deadline.skip_if_passed()
    monkeypatch.setenv(deadline.UNTIL, "")
    deadline.skip_if_passed()


def test_a_test_begins_before_the_end_and_not_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(deadline.UNTIL, str(int(time.time()) + 600))
    deadline.skip_if_passed()
    monkeypatch.setenv(deadline.UNTIL, str(int(time.time()) - 1))
    with pytest.raises(pytest.skip.Exception, match="no time left"):
        deadline.skip_if_passed()
