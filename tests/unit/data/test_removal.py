"""blueno/data/removal.py: as many keys in a request as it may have."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from blueno.data.removal import REMOVALS, REMOVALS_BYTES, in_requests


def test_short_keys_go_by_number() -> None:
    keys = [f"{n}.png" for n in range(2 * REMOVALS + 1)]
    assert [len(some) for some in in_requests(keys)] == [REMOVALS, REMOVALS, 1]
    assert [*in_requests([])] == []


def test_long_keys_go_by_size() -> None:
    keys = [f"{n:04}" + "\N{PILE OF POO}" * 1000 for n in range(1000)]
    found = [*in_requests(iter(keys))]
    sizes = [len(json.dumps({"keys": some, "purge": False})) for some in found]
    assert [key for some in found for key in some] == keys
    assert max(sizes) <= REMOVALS_BYTES and min(sizes[:-1]) > REMOVALS_BYTES - 20_000


@given(st.lists(st.text(min_size=1, max_size=1024)))
def test_no_key_is_lost(keys: list[str]) -> None:
    assert [key for some in in_requests(keys) for key in some] == keys
