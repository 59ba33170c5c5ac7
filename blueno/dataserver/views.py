"""What is drawn: thumbnails, single images, slices and montages, as 8-bit pictures. Called by sheet.py and app.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from blueno.data import decode
from blueno.dataserver.intensity import CT, Window, to_8bit, window_of
from blueno.dataserver.png import Picture
from blueno.dataserver.problems import wrong
from blueno.dataserver.samples import ArraySample, Context, EncodedSample, Sample, open_sample, place_of
from blueno.dataserver.stacks import StackSample

AXES: Final = {"axial": 0, "coronal": 1, "sagittal": 2}
MOST = 2048  # pixels: the longer side of the largest picture that is made; originals can be had as they are
_LARGE = 16 << 20  # pixels from which arrays are thinned out before they are scaled down


@dataclass(frozen=True)
class View:
    """How one sample is to be shown. `size`: longest side at most; `slice` None: the middle one."""

    size: int = MOST
    axis: str = "axial"
    slice: int | None = None
    window: Window | None = None


@dataclass(frozen=True)
class Drawn:
    """A picture of a sample, and how large the sample's own plane is, its elements as far apart as in the body."""

    picture: Picture
    height: int
    width: int


def draw(context: Context, row: int, view: View) -> Drawn:
    """One sample, never enlarged. Raises Problem."""
    return _drawn(context, open_sample(context, row), view)


def thumbnail(context: Context, row: int, view: View) -> Drawn:
    """As `draw`. Those of volumes are remembered: a sheet of them that took too long goes on when it is asked again."""
    place = place_of(context, row)
    kept = context.budget.scratch.pictures
    found: Drawn | None = kept.get((place.key, view)) if place is not None else None
    if found is not None:
        return found
    sample = open_sample(context, row)
    drawn = _drawn(context, sample, view)
    if place is not None and isinstance(sample, StackSample):
        kept.put((place.key, view), drawn, drawn.picture.nbytes)
    return drawn


def _drawn(context: Context, sample: Sample, view: View) -> Drawn:
    if isinstance(sample, EncodedSample):
        if view.axis != "axial":
            wrong("axis", "this sample is an image: it has no axes; only `axial` is accepted")
        if view.slice not in (None, 0):
            wrong("slice", "this sample is an image: its only slice is 0")
        return _draw_encoded(context, sample, view)
    axis = AXES[view.axis]
    if sample.depth is None and axis:
        wrong("axis", "this sample is an image: it has no axes; only `axial` is accepted")
    slices = 1 if sample.depth is None else sample.shape[axis]
    at = slices // 2 if view.slice is None else view.slice
    if not 0 <= at < slices:
        wrong("slice", f"{at}: there are {slices} slices along this axis, numbered from 0")
    return _draw_plane(context, sample, at, View(view.size, view.axis, at, window_for(context, sample, view.window)))


def montage(context: Context, row: int, count: int, view: View) -> Picture:
    """`count` slices of a volume (fewer when it has fewer), evenly spaced, as a grid; an image is its only slice."""
    sample = open_sample(context, row)
    if isinstance(sample, EncodedSample) or sample.depth is None:
        return draw(context, row, view).picture
    slices = sample.shape[AXES[view.axis]]
    count = min(count, slices)
    window = window_for(context, sample, view.window)
    places = [round((number + 0.5) * slices / count - 0.5) for number in range(count)]
    pictures = [_draw_plane(context, sample, at, View(view.size, view.axis, at, window)).picture for at in places]
    columns = math.ceil(math.sqrt(count))
    height, width, channels = pictures[0].shape
    grid = np.zeros((math.ceil(count / columns) * height, columns * width, channels), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * height, number % columns * width
        grid[top : top + height, left : left + width] = picture
    return grid


def window_for(context: Context, sample: Sample, asked: Window | None) -> Window | None:
    """The window asked for; None where bytes are shown as they are; else that of the version, else the sample's own.

    Never that of one slice: slices of a volume can be compared.
    """
    if asked is not None:
        return asked
    if isinstance(sample, EncodedSample):
        return None  # 8-bit ones; 16-bit ones are looked at once they are decoded
    if sample.dtype.kind == "b" or sample.dtype == np.uint8:
        return None
    if isinstance(sample, StackSample):
        return _stack_window(sample, context)
    return version_window(context, sample.dtype) or window_of(sample.some(context))


def _stack_window(sample: StackSample, context: Context) -> Window:
    """Soft tissue for CT, else what the file recommends; its own where that would show nothing."""
    look, own = sample.look, window_of(sample.some(context))
    is_ct = look.modality == "CT" and sample.stack.facts.get("unit") == "HU"
    usual = CT if is_ct else Window(*look.window) if look.window is not None else own
    return usual if usual.low < own.high and own.low < usual.high else own


def version_window(context: Context, dtype: np.dtype[Any]) -> Window | None:
    """Mean ± 3 deviations of a dense version that has them, within what the type can hold."""
    found = context.version.deviations
    if found is None or dtype.kind not in "iu":
        return None
    limits = np.iinfo(dtype)
    low, high = max(found[0], float(limits.min)), min(found[1], float(limits.max))
    return Window(low, high) if low < high else None


def _draw_plane(context: Context, sample: ArraySample | StackSample, at: int, view: View) -> Drawn:
    axis = AXES[view.axis]
    with context.budget.reserve(5 * sample.values_in_plane(axis), context.job):  # four more while it is scaled
        plane = _pictured(sample.plane(context, axis, at, view.window), sample)
        height, width = _stretched(plane, sample.aspect(axis))
        return Drawn(shrunk(plane, view.size, (height, width)), height, width)


def _stretched(plane: Picture, aspect: float) -> tuple[int, int]:
    """(height, width) at which its elements are as high and wide as they are: none becomes smaller."""
    height, width = plane.shape[:2]
    return (round(height * aspect), width) if aspect > 1 else (height, round(width / aspect))


def _pictured(plane: Picture, sample: ArraySample | StackSample) -> Picture:
    """With one to four channels."""
    channels = plane.shape[2]
    if channels == 2 and sample.dtype != np.uint8:
        plane = plane[:, :, :1]  # two measurements, not grey and alpha
    elif channels > 4:
        plane = plane[:, :, :1]
    elif channels == 4 and sample.dtype != np.uint8:
        plane = plane[:, :, :3]
    return plane


def _draw_encoded(context: Context, sample: EncodedSample, view: View) -> Drawn:
    with sample.image(context, view.size) as (image, (width, height)):
        if image.mode.startswith("I"):
            values = decode.pixels(image)
            window = view.window or version_window(context, values.dtype) or window_of(thinned(values))
            return Drawn(shrunk(to_8bit(values, window), view.size), height, width)
        if image.mode != (mode := decode.shown_mode(image)):
            image = image.convert(mode)
        picture = decode.pixels(_fitted(image, view.size, (width, height)))
        if view.window is not None:
            picture = _windowed(picture, view.window)
        return Drawn(picture, height, width)


def _windowed(picture: Picture, window: Window) -> Picture:
    """Colours through the window, alpha as it is."""
    found = to_8bit(picture, window)
    if picture.shape[2] in (2, 4):
        found[:, :, -1] = picture[:, :, -1]
    return found


def thinned(values: Any) -> Any:
    """Every k-th row and column, so that some million values are left."""
    step = max(1, math.isqrt(values.size // _LARGE) + 1) if values.size > _LARGE else 1
    return values[::step, ::step]


def shrunk(picture: Picture, size: int, true: tuple[int, int] | None = None) -> Picture:
    """Scaled down so that no side is longer than `size`; returned as it is when none was.

    `true`: the height and width it is to have at its full size, when they are not those of the picture.
    """
    height, width, channels = picture.shape
    true_height, true_width = true or (height, width)
    if max(true_height, true_width) <= size and (height, width) == (true_height, true_width):
        return np.ascontiguousarray(picture)
    from PIL import Image

    step = max(height, width) // size if height * width > _LARGE else 1
    picture = np.ascontiguousarray(picture[::step, ::step])
    image = Image.fromarray(picture[:, :, 0] if channels == 1 else picture)
    return decode.pixels(_fitted(image, size, (true_width, true_height)))


def _fitted(image: Any, size: int, true: tuple[int, int]) -> Any:
    """A Pillow image scaled down so that no side of what is `true` (width, height) is longer than `size`.

    It may have been thinned out or decoded at a fraction, which rounds its own sides, or have to be stretched.
    """
    from PIL import Image

    longest = max(true)
    if longest <= size and image.size == true:
        return image
    target = tuple(max(1, round(side * min(1.0, size / longest))) for side in true)
    return image.resize(target, Image.Resampling.BILINEAR, reducing_gap=3.0)
