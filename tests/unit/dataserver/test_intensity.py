"""Windows: for all numbers there are, 8 bits come out, in order, without a warning."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from blueno.dataserver import png
from blueno.dataserver.intensity import Window, finite, shown, to_8bit, window_of

ANY = arrays.arrays(
    st.sampled_from(["u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "?"]),
    arrays.array_shapes(min_dims=1, max_dims=3, max_side=8),
)


@given(values=ANY)
def test_any_array_can_be_shown(values: np.ndarray[Any, Any]) -> None:
    window = window_of(values)
    assert np.isfinite([window.low, window.high]).all()
    assert window.low <= window.high
    found = to_8bit(values, window)
    assert (found.dtype, found.shape) == (np.dtype("u1"), values.shape)
    whole = finite(values)
    if not whole.size:
        assert not found[np.isnan(values)].any()
    elif whole.min() == whole.max():
        assert set(found[np.isfinite(values)].tolist()) <= {128}


@given(values=arrays.arrays("f8", 30, elements=st.floats(allow_nan=False)), low=st.floats(-1e300, 1e300))
def test_order_is_kept(values: np.ndarray[Any, Any], low: float) -> None:
    found = to_8bit(np.sort(values), Window(low, low / 2 + 1e300))
    assert (np.diff(found.astype(int)) >= 0).all()


def test_rare_values_are_seen_where_nearly_all_are_alike() -> None:
    values = np.zeros((100, 100), "<f4")
    values[0, 0] = 9
    found = to_8bit(values, window_of(values))
    assert (found[0, 0], found[1, 1]) == (255, 0)


def test_bytes_and_booleans_are_shown_as_they_are() -> None:
    values = np.arange(256, dtype="u1")
    assert np.array_equal(shown(values, None), values)
    assert shown(np.array([True, False]), None).tolist() == [255, 0]
    assert shown(np.array([2, 0], "u1").view(bool), None).tolist() == [255, 0], "a file may hold any byte"


@given(
    picture=st.integers(1, 4).flatmap(
        lambda channels: arrays.arrays("u1", st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(channels)))
    )
)
def test_pngs_are_read_back_by_others(picture: np.ndarray[Any, Any]) -> None:
    image = Image.open(io.BytesIO(png.encode(picture)))
    assert image.mode == ["L", "LA", "RGB", "RGBA"][picture.shape[2] - 1]
    assert np.array_equal(np.asarray(image).reshape(picture.shape), picture)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_larger_than_one_piece(channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1500, 1100, channels), np.uint8)
    found = np.asarray(Image.open(io.BytesIO(png.encode(picture))))
    assert np.array_equal(found.reshape(picture.shape), picture)
