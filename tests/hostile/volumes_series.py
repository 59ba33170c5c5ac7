"""Hostile and odd DICOM series, each a tar of its slices. Used by tests/unit/hostile."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from blueno.data.imaging.series import MAX_SLICES, pack
from tests.fakes import volumes as fake
from tests.fakes.sources import png
from tests.fakes.volumes import PERSONAL, dicom, patched, ramp, series
from tests.hostile.items import bad, corpus_of, fine
from tests.hostile.volumes_dicom import IMAGE, compressed

SLICES = series(ramp((5, 6, 8)))


def packed(files: list[bytes]) -> bytes:
    """A tar of slices, named by their numbers."""
    return pack((f"{number:05}.dcm", data) for number, data in enumerate(files))


def _with_link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("IM1.dcm")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


def _folder_only() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        folder = tarfile.TarInfo("series")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return out.getvalue()


def _moved(number: int, **elements: Any) -> bytes:
    """A slice that differs from its neighbours."""
    said: dict[str, Any] = {
        "SeriesInstanceUID": f"{PERSONAL[5]}.3", "ImagePositionPatient": [-10.0, -20.0, -30.0 + 2.5 * number],
        "ImageOrientationPatient": list(map(float, fake.AXIAL)), "PixelSpacing": [0.7, 0.7],
    }  # fmt: skip
    return dicom(IMAGE, **{**said, **elements})


SERIES = corpus_of(
    bad("tar of pictures", "no slices", packed([png(1), png(2)]), "UnknownFormat"),
    bad("tar of a link", "leads out", _with_link(), "NotAFile"),
    bad("tar of a folder", "no slices", _folder_only(), "NoPixels"),
    bad("tar that is cut", "ends early", packed(SLICES)[:6000], "Corrupt"),
    bad("tar with a broken sum", "damaged", patched(packed(SLICES), 1, "2s", b"zz"), "Corrupt"),
    bad("a slice that is cut", "ends early", packed([*SLICES[:2], SLICES[2][:-10]]), "Truncated"),
    bad("a slice that is compressed", "no decoder for it", packed([*SLICES, compressed("1.2.840.10008.1.2.4.70")]),
         "UnsupportedCompression"),
    bad("a slice without pixels", "a report", packed([*SLICES, dicom(IMAGE, keep_pixels=False)]), "NoPixels"),
    bad("two series", "two volumes", packed([*SLICES, _moved(9, SeriesInstanceUID="1.2.3")]), "UnsupportedShape"),
    bad("a larger slice", "no volume", packed([*SLICES, dicom(ramp((7, 8)))]), "UnsupportedShape"),
    bad("a slice of frames", "no volume", packed([dicom(ramp((2, 6, 8))), *SLICES]), "UnsupportedShape"),
    bad("two slices in one place", "time, or a copy", packed([*SLICES, _moved(2)]), "UnsupportedShape"),
    bad("a slice across the others", "no volume", packed([*SLICES, _moved(
        9, ImageOrientationPatient=[0.0, 1, 0, 0, 0, -1])]), "UnsupportedShape"),
    bad("rows without a direction", "divides by zero", packed([_moved(n, ImageOrientationPatient=[0.0] * 6)
                                                                for n in range(3)]), "Corrupt"),
    bad("slices at 10^300", "overflows", packed([_moved(n, ImagePositionPatient=[0.0, 0.0, n * 1e300])
                                                  for n in range(3)]), "Corrupt"),
    bad("too many slices", "each costs", lambda: packed([b"x"] * (MAX_SLICES + 1)), "UnknownFormat"),
    fine("in any order", "sorted by where they lie", packed([SLICES[n] for n in (3, 0, 4, 2, 1)]), (5, 6, 8), "<i2",
          (-1000, -999)),
    fine("a slice missing", "uneven", packed([SLICES[n] for n in (0, 1, 2, 4)]), (4, 6, 8), "<i2"),
    fine("one slice", "an image", packed(SLICES[:1]), (6, 8, 1), "<i2"),
    fine("no places", "sorted by number", packed([dicom(ramp((6, 8), first=n), InstanceNumber=9 - n,
                                                         SeriesInstanceUID="1.2") for n in range(3)]), (3, 6, 8), "<i2",
          (2, 3)),
)  # fmt: skip
