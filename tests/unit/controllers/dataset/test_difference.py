"""controllers/dataset/status.py: `difference` is a merge patch, and none where nothing differs."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controllers.diff import difference
from tests.fakes.merge_patch import merge

Status = dict[str, Any]

values = st.recursive(
    st.booleans() | st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(bodies, bodies)
def test_applying_the_difference_to_old_gives_new(old: Status, new: Status) -> None:
    kept = copy.deepcopy((old, new))
    assert merge(old, difference(old, new)) == new
    assert (old, new) == kept


@given(bodies)
def test_no_difference_is_no_patch(body: Status) -> None:
    assert difference(body, copy.deepcopy(body)) == {}


@given(bodies, st.sampled_from("abcd"))
def test_a_field_that_is_none_and_missing_is_no_difference(body: Status, key: str) -> None:
    old = {"x": {k: v for k, v in body.items() if k != key}}
    assert difference(old, {"x": {**old["x"], key: None}}) == {}
