"""The header of a NIfTI file (.nii, .nii.gz; versions 1 and 2) → Stack. Called by formats.py.

Sizes are checked here; nibabel is asked what the numbers mean: the affine, slope and intercept. Its loaders are not
used, and extensions and texts of the header, where names of people may stand, are never read.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging import inflate
from blueno.data.imaging.content import Content, start_of
from blueno.data.imaging.geometry import ORIENTATION, Affine, Turn, described, rounded, spacing_of, turn_of
from blueno.data.imaging.stack import Scaling, Stack, scaling_of

HEAD: Final = 544  # bytes that hold any header
_SIZES: Final = {348: 1, 540: 2}  # bytes of a header → version
_MAGICS: Final = {1: (344, b"n+1\0"), 2: (4, b"n+2\0\r\n\x1a\n")}
_PAIRS: Final = {1: (344, b"ni1\0"), 2: (4, b"ni2\0\r\n\x1a\n")}  # of a header whose pixels lie in another file
_FIRST: Final = {1: 352, 2: 544}  # where pixels may begin
_TYPES: Final = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
    128: "u1", 2304: "u1",
}  # fmt: skip
_COLOURS: Final = {128: 3, 2304: 4}  # data types of several bytes a pixel
_MILLIMETRES: Final = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # codes of the unit of length


def version_of(start: bytes) -> tuple[int, str] | None:
    """(version, byte order) by a file's first bytes; None when they are no NIfTI. Raises BadSample when cut."""
    for order, name in (("<", "little"), (">", "big")):
        version = _SIZES.get(int.from_bytes(start[:4], name))  # type: ignore[arg-type]
        if version is None:
            continue
        place, magic = _MAGICS[version]
        found = start[place : place + len(magic)]
        if found == magic:
            return version, order
        if found == _PAIRS[version][1]:
            raise BadSample(BadSampleCode.UNKNOWN_FORMAT, "a NIfTI header whose pixels are in another file")
        if len(found) < len(magic) and magic.startswith(found):
            raise BadSample(BadSampleCode.TRUNCATED, "shorter than a NIfTI header")
    return None


def head_of(start: bytes) -> bytes:
    """The first bytes of what `start` begins, unpacked if need be."""
    return inflate.head(start, HEAD) if start.startswith(inflate.MAGIC) else start[:HEAD]


def stack_of(content: Content) -> Stack:
    """Where its pixels lie, checked. Compressed content is checked once it is unpacked. Raises BadSample."""
    start = start_of(content, 1 << 16)
    is_compressed = start.startswith(inflate.MAGIC)
    header, fields, version = _header(head_of(start))
    size, channels, step = _dimensions(fields)
    code = int(fields["datatype"])
    if code not in _TYPES:
        raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"NIfTI data type {code}")
    stored = np.dtype(_TYPES[code]).newbyteorder(header.endianness)
    if int(fields["bitpix"]) != 8 * stored.itemsize * _COLOURS.get(code, 1):
        raise BadSample(BadSampleCode.CORRUPT, f"NIfTI data type {code} of {int(fields['bitpix'])} bits")
    if code in _COLOURS:
        if channels > 1:
            raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, "colours that change over time")
        channels, step = _COLOURS[code], 0
    first = _first(float(fields["vox_offset"]), version)
    planes, rows, columns = size
    plane = rows * columns * stored.itemsize * (1 if step else channels)
    turn, spacing, facts = _placed(header, fields, size)
    scaling, said = _scaling(header, stored, code)
    stack = Stack(
        stored, size, range(first, first + planes * plane, plane), {**facts, **said}, channels,
        code in _COLOURS, step * stored.itemsize,
        scaling=scaling, turn=turn, spacing=spacing, oriented="affine" in facts, is_volume=planes > 1,
        is_compressed=is_compressed,
    ).check()  # fmt: skip
    if not is_compressed and content.size != stack.end:
        code_ = BadSampleCode.TRUNCATED if content.size < stack.end else BadSampleCode.CORRUPT
        raise BadSample(code_, f"{content.size} bytes where the header says {stack.end}"[:120])
    return stack


def _header(head: bytes) -> tuple[Any, Any, int]:
    """(nibabel's header, its fields, version)."""
    found = version_of(head)
    if found is None:
        raise BadSample(BadSampleCode.UNKNOWN_FORMAT, "not NIfTI")
    version, order = found
    if len(head) < _FIRST[version] - 4:
        raise BadSample(BadSampleCode.TRUNCATED, "shorter than a NIfTI header")
    make = _nifti().Nifti1Header if version == 1 else _nifti().Nifti2Header
    header = make(head[: _FIRST[version] - 4], order, check=False)
    return header, header.structarr, version


def _dimensions(fields: Any) -> tuple[tuple[int, int, int], int, int]:
    """((planes, rows, columns), channels, elements from one channel to the next)."""
    count, *dims = (int(n) for n in fields["dim"])
    if not 1 <= count <= 7 or any(n < 0 for n in dims[:count]):
        raise BadSample(BadSampleCode.CORRUPT, f"dimensions {[count, *dims]}"[:120])
    if count < 2 or 0 in dims[:count]:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, f"dimensions {dims[:count]}"[:120])
    x, y, z, *more = [*dims[:count], *[1] * (7 - count)]
    several = [n for n in more if n > 1]
    if len(several) > 1:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, f"dimensions {dims[:count]}"[:120])
    channels = several[0] if several else 1
    if z == 1 and channels > 4:  # a film of one plane: its moments are the planes
        return (channels, y, x), 1, 0
    return (z, y, x), channels, x * y * z if channels > 1 else 0


def _first(offset: float, version: int) -> int:
    """Where the pixels begin."""
    if not math.isfinite(offset) or not offset.is_integer() or not _FIRST[version] <= offset < 1 << 40:
        raise BadSample(BadSampleCode.CORRUPT, f"pixels that begin at byte {offset:g}")
    return int(offset)


def _placed(
    header: Any, fields: Any, size: tuple[int, int, int]
) -> tuple[Turn, tuple[float, float, float] | None, dict[str, Any]]:
    """How it is turned, its spacing, and what metadata say of both."""
    scale = _MILLIMETRES.get(int(fields["xyzt_units"]) & 7, 1.0)
    is_placed = int(fields["sform_code"]) != 0 or int(fields["qform_code"]) != 0
    is_film = int(fields["dim"][3]) == 1 or int(fields["dim"][0]) < 3
    if is_placed and size[0] > 1 and not is_film:
        turn, affine = turn_of(_affine(header) * np.array([[scale]] * 3 + [[1.0]]), size)
        spacing = spacing_of(affine)
        facts = {"affine": described(affine), "orientation": ORIENTATION, "spacing": [rounded(s) for s in spacing]}
        return turn, spacing, facts
    x, y, z = (abs(float(n)) * scale for n in fields["pixdim"][1:4])
    if not all(map(math.isfinite, (x, y, z))):
        raise BadSample(BadSampleCode.CORRUPT, "distances that are no numbers")
    if x == 0 or y == 0 or (z == 0 and size[0] > 1):
        return Turn(), None, {}
    told = [z, y, x] if size[0] > 1 and not is_film else [y, x]
    return Turn(), (z or 1.0, y, x), {"spacing": [rounded(s) for s in told]}


def _affine(header: Any) -> Affine:
    """As nibabel takes it: sform, else qform. Raises BadSample."""
    try:
        with np.errstate(all="ignore"):
            found: Affine = np.asarray(header.get_best_affine(), np.float64)
            return found
    except Exception as error:  # a quaternion that is none, a header that is none
        raise BadSample(BadSampleCode.CORRUPT, "its affine cannot be computed") from error


def _scaling(header: Any, stored: np.dtype[Any], code: int) -> tuple[Scaling | None, dict[str, Any]]:
    """(slope and intercept, what metadata say of them); colours have none."""
    if code in _COLOURS:
        return None, {}
    try:
        slope, intercept = header.get_slope_inter()
    except Exception as error:
        raise BadSample(BadSampleCode.CORRUPT, "its intercept is no number") from error
    if slope is None:
        return None, {}
    pair = (float(slope), float(intercept or 0.0))
    limits = (int(np.iinfo(stored).min), int(np.iinfo(stored).max)) if stored.kind in "iu" else None
    scaling = scaling_of([pair], stored, limits)
    return scaling, {} if scaling is None else {"slope": pair[0], "intercept": pair[1]}


@functools.cache
def _nifti() -> Any:
    import nibabel

    return nibabel
