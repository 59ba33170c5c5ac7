"""Numbers about one sample, on its true intensities, whatever they are. Called by app.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from blueno.data import decode
from blueno.dataserver.intensity import CT_PRESETS, Window, finite, percentiles, window_of
from blueno.dataserver.samples import Context, EncodedSample, Sample, open_sample
from blueno.dataserver.stacks import PART, StackSample
from blueno.dataserver.views import version_window, window_for

BINS = 64


def about(context: Context, row: int) -> dict[str, Any]:
    """As GET …/about answers. `min` and `max` are exact; percentiles and histogram of large arrays are of a part."""
    sample = open_sample(context, row)
    if isinstance(sample, EncodedSample):
        with sample.image(context) as (image, _):
            return _of_picture(_strips(image, context), context)
    window = window_for(context, sample, None)
    spread = _spread(_extremes(sample.parts(context)), finite(sample.some(context)), window, sample.dtype)
    return {"shape": list(sample.shape), "dtype": sample.dtype.name, **spread, **_of_stack(sample)}


def _of_stack(sample: Sample) -> dict[str, Any]:
    """What NIfTI and DICOM say of their pixels, and the windows that people use for them."""
    if not isinstance(sample, StackSample):
        return {}
    presets = CT_PRESETS if sample.look.modality == "CT" else {}
    told = [{"name": name, "low": window.low, "high": window.high} for name, window in presets.items()]
    return {"imaging": dict(sample.stack.facts), "presets": told}


def _of_picture(strips: Iterator[npt.NDArray[Any]], context: Context) -> dict[str, Any]:
    """Of an encoded picture, by strips: never a second copy of the whole. Alpha is no intensity."""
    counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
    height, width, channels = 0, 0, 1
    dtype = np.dtype(np.uint8)
    for strip in strips:
        height, (width, channels), dtype = height + strip.shape[0], strip.shape[1:], strip.dtype.newbyteorder("=")
        plain = strip[:, :, :-1] if channels in (2, 4) else strip
        found = np.bincount(plain.reshape(-1), minlength=1 << (8 * dtype.itemsize))
        counts = found + counts if counts.size else found
    used = np.flatnonzero(counts)
    # A million values in the same proportions: percentiles and histogram need no more.
    share = max(1, int(counts.sum()) // PART)
    values = np.repeat(used, np.maximum(1, counts[used] // share)).astype(dtype)
    window = (version_window(context, dtype) or window_of(values)) if dtype.itemsize > 1 else None
    spread = _spread((int(used[0]), int(used[-1])), values, window, dtype)
    return {"shape": [height, width, channels], "dtype": dtype.name, **spread}


def _strips(image: Any, context: Context) -> Iterator[npt.NDArray[Any]]:
    """(rows, width, channels) at a time."""
    rows = max(1, PART // image.width)
    for top in range(0, image.height, rows):
        context.job.check()
        yield decode.pixels(image.crop((0, top, image.width, min(image.height, top + rows))))


def _extremes(parts: Iterator[npt.NDArray[Any]]) -> tuple[Any, Any] | None:
    """(least, greatest) of the finite values, as Python numbers; None when there are none."""
    ends = [(found.min().item(), found.max().item()) for part in parts if (found := finite(part)).size]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _spread(
    ends: tuple[Any, Any] | None, values: npt.NDArray[Any], window: Window | None, dtype: np.dtype[Any]
) -> dict[str, Any]:
    """`window` None: bytes are shown as they are."""
    if window is None:
        window = Window(0, 1 if dtype.kind == "b" else 255)
    shown = {"low": window.low, "high": window.high}
    if ends is None:
        nothing = {"edges": [0.0, 1.0], "counts": [0]}
        return {
            "min": None,
            "max": None,
            "percentiles": {"1": None, "99": None},
            "histogram": nothing,
            "window": shown,
        }
    first, last = percentiles(values, 1, 99) if values.size else (float(ends[0]), float(ends[1]))
    return {
        "min": ends[0],
        "max": ends[1],
        "percentiles": {"1": first, "99": last},
        "histogram": _histogram(values, float(ends[0]), float(ends[1])),
        "window": shown,
    }


def _histogram(values: npt.NDArray[Any], low: float, high: float) -> dict[str, list[Any]]:
    """Equal bins from `low` to `high`; a constant has one."""
    span = high / 2 - low / 2  # halves: the difference of two huge numbers is no number
    if span <= 0:
        return {"edges": [low, high], "counts": [int(values.size)]}
    with np.errstate(all="ignore"):
        places = (values.astype(np.float64) / 2 - low / 2) / span * BINS
    counts = np.bincount(np.clip(np.nan_to_num(places), 0, BINS - 1).astype(np.int64), minlength=BINS)
    return {
        "edges": [2 * (low / 2 + span * (number / BINS)) for number in range(BINS + 1)],
        "counts": counts.tolist(),
    }
