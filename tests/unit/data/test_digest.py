"""The digest of a version depends on its samples and on nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.data.digest import RowsDigest, array_content_sha256, canonical_json, layout_digest
from blueno.prep.verify import hash_arrays

text = st.text(st.characters(codec="utf-8"), max_size=6)
labels = st.one_of(st.none(), text.map(canonical_json), st.integers().map(canonical_json))
row = st.tuples(
    text, st.sampled_from(["train", "test", "ü"]), st.binary(max_size=4), labels, st.one_of(st.none(), text)
)
rows = st.lists(row, max_size=12, unique_by=lambda r: (r[0], r[1]))


def digest(found: list[Any]) -> str:
    return RowsDigest.of(
        {
            "key": [r[0] for r in found],
            "split": [r[1] for r in found],
            "sha256": [hashlib.sha256(r[2]).digest() for r in found],
            "label": [r[3] for r in found],
            "group": [r[4] for r in found],
            "metadata": [None for _ in found],
        }
    )


@given(rows, st.randoms(use_true_random=False))
def test_order_does_not_matter(found: list[Any], random: Any) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert digest(shuffled) == digest(found)


@given(rows, rows)
def test_different_rows_have_different_digests(one: list[Any], other: list[Any]) -> None:
    def plain(found: list[Any]) -> set[Any]:
        return {(*r[:4], r[4] or None) for r in found}

    assert (digest(one) == digest(other)) == (plain(one) == plain(other))


def test_moving_a_sample_to_another_split_changes_the_digest() -> None:
    a = ("a", "train", b"1", '"x"', None)
    assert digest([a]) != digest([("a", "test", *a[2:])])


def test_fields_cannot_run_into_each_other() -> None:
    assert digest([("ab", "train", b"", None, "c")]) != digest([("ab", "train", b"", "c", None)])
    assert digest([("a", "btrain", b"", None, None)]) != digest([("ab", "train", b"", None, None)])


def test_an_array_is_its_bytes_shape_and_type_whatever_its_order_in_memory() -> None:
    a = np.arange(24, dtype="<u2").reshape(2, 3, 4)
    assert (
        array_content_sha256(a) == array_content_sha256(np.asfortranarray(a)) == array_content_sha256(a.astype(">u2"))
    )
    others = [a.reshape(3, 2, 4), a.view("<i2"), a + 1]
    assert len({array_content_sha256(x) for x in (a, *others)}) == 4


def test_hashing_in_bulk_gives_the_same_sums() -> None:
    a = np.random.default_rng(0).integers(0, 255, (7, 5, 4, 1), dtype=np.uint8)
    assert hash_arrays(a) == [array_content_sha256(x) for x in a]


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": 1, "a": ["é"]}) == '{"a":["é"],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_the_layout_digest_sees_names_and_sums() -> None:
    assert layout_digest([("a", 1, "x")]) != layout_digest([("b", 1, "x")]) != layout_digest([("b", 1, "y")])
