"""Boundaries of shards follow from content: bounded, and stable when a sample comes or goes."""

from __future__ import annotations

import statistics

from hypothesis import given, settings
from hypothesis import strategies as st

from blueno.data.cuts import MAX_SHARD_SAMPLES, Cutter
from tests.fuzz import scaled


def cut(samples: list[tuple[str, int]], target: int) -> list[list[str]]:
    cutter, shards, shard = Cutter(target), [], []
    for key, size in samples:
        shard.append(key)
        if cutter.full(key, size):
            shards.append(shard)
            shard = []
    return [*shards, shard] if shard else shards


def numbered(count: int, size: int = 784) -> list[tuple[str, int]]:
    return [(f"train/{i:08d}", size) for i in range(count)]


def test_shards_keep_their_bounds_and_are_about_as_large_as_asked() -> None:
    target = 200_000
    sizes = [len(s) * 784 for s in cut(numbered(40_000), target)]
    assert min(sizes[:-1]) >= target // 4
    assert max(sizes) <= 2 * target + 784
    assert 0.6 * target < statistics.mean(sizes) < 1.4 * target


@settings(max_examples=scaled(50))
@given(st.integers(0, 3000), st.booleans())
def test_one_sample_more_or_less_changes_few_shards(place: int, add: bool) -> None:
    samples = numbered(3000)
    changed = list(samples)
    if add:
        changed.insert(place, (f"train/{place:08d}-new", 784))
    else:
        del changed[min(place, 2999)]
    before, after = cut(samples, 60_000), cut(changed, 60_000)
    lost = {tuple(s) for s in before} - {tuple(s) for s in after}
    assert len(lost) <= 6 < len(before)


def test_most_single_insertions_change_one_or_two_shards() -> None:
    samples = numbered(8_000)
    before = {tuple(s) for s in cut(samples, 60_000)}
    lost = []
    for place in range(0, 8_000, 400):
        changed = list(samples)
        changed.insert(place, (f"train/{place:08d}-new", 784))
        lost.append(len(before - {tuple(s) for s in cut(changed, 60_000)}))
    assert statistics.median(lost) <= 1


def test_a_huge_sample_is_a_shard_of_its_own_and_empty_ones_are_bounded_by_number() -> None:
    assert cut([("a", 1 << 40), ("b", 1)], 1 << 20) == [["a"], ["b"]]
    assert len(cut([(str(i), 0) for i in range(MAX_SHARD_SAMPLES + 1)], 1 << 20)) == 2
