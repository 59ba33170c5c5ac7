"""NIfTI and DICOM as nibabel and pydicom read them: values, geometry, and what goes into metadata."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from io import BytesIO
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels import apply_rescale

from blueno.data.decode import Examined, decode, examine
from blueno.data.imaging.series import pack
from tests.fakes.volumes import AXIAL, PERSONAL, SYNTAXES, dicom, enhanced, nifti, patched, ramp, series

TYPES = ("u1", "i1", "<u2", "<i2", ">i2", "<u4", "<i4", "<f4", ">f8", "<i8", "<u8")
AXES = list(itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)))


def facts(data: bytes) -> dict[str, Any]:
    return dict(examined(data).facts or {})


def examined(data: bytes) -> Examined:
    return examine(data, 0, lambda _: nullcontext())


def affine_of(data: bytes) -> np.ndarray:
    return np.array([*facts(data)["affine"], [0, 0, 0, 1]])


def along(order: tuple[int, ...], signs: tuple[float, ...]) -> np.ndarray:
    """An affine whose axes go along the body's, 1, 2 and 3 mm apart."""
    found = np.eye(4)
    found[:3, :3] = 0
    for axis in range(3):
        found[order[axis], axis] = signs[axis] * (axis + 1)
    found[:3, 3] = (10, -20, 30)
    return found


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_of_nifti_keeps_its_values(dtype: str, version: int) -> None:
    array = ramp((7, 6, 5), dtype, 0)
    for packed in (False, True):
        kind, found = decode(nifti(array, packed=packed, version=version))
        assert (kind, found.dtype.str) == ("nifti", np.dtype(dtype).newbyteorder("<").str)
        assert np.array_equal(found, array.transpose(2, 1, 0)[:, ::-1, ::-1])


@pytest.mark.parametrize(("order", "signs"), AXES)
def test_volumes_are_turned_to_one_orientation(order: tuple[int, ...], signs: tuple[float, ...]) -> None:
    """As nibabel's closest canonical one, with front and left where radiologists have them."""
    array, affine = ramp((5, 6, 7)), along(order, signs)
    data = nifti(array, affine)
    _, found = decode(data)
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, affine))
    assert np.array_equal(found, np.asarray(canonical.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1])
    turned = affine_of(data)
    assert nibabel.aff2axcodes(turned) == tuple(facts(data)["orientation"]) == ("L", "P", "S")
    for place in ((0, 0, 0), (4, 5, 6), (1, 2, 3)):
        x, y, z = np.rint(np.linalg.inv(turned) @ affine @ (*place, 1))[:3].astype(int)
        assert found[z, y, x] == array[place]
    assert facts(data)["spacing"] == np.abs(affine[:3, :3]).max(axis=1)[::-1].tolist()


@given(angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3), scales=st.tuples(*[st.floats(0.2, 5)] * 3))
def test_oblique_volumes_keep_every_voxel_in_its_place(angles: tuple[float, ...], scales: tuple[float, ...]) -> None:
    a, b, c = angles
    turns = [
        np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]),
        np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]),
        np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]]),
    ]
    affine = np.eye(4)
    affine[:3, :3] = turns[0] @ turns[1] @ turns[2] * np.array(scales)
    array = ramp((5, 6, 7))
    data = nifti(array, affine)
    _, found = decode(data)
    turned = affine_of(data)
    for place in ((0, 0, 0), (4, 5, 6), (2, 3, 1)):
        x, y, z = np.rint(np.linalg.solve(turned, affine @ (*place, 1)))[:3].astype(int)
        assert found[z, y, x] == array[place]
    assert sorted(facts(data)["spacing"]) == pytest.approx(sorted(scales), abs=1e-4)


def test_a_quaternion_counts_where_there_is_no_matrix() -> None:
    affine = along((1, 0, 2), (1.0, -1.0, 1.0))

    def change(header: Any) -> None:
        header.set_qform(affine, 1)
        header.set_sform(None, 0)

    data = nifti(ramp((5, 6, 7)), affine, change=change)
    assert sorted(facts(data)["spacing"]) == [1.0, 2.0, 3.0]
    x, y, z = np.rint(np.linalg.solve(affine_of(data), affine @ (1, 2, 3, 1)))[:3].astype(int)
    assert decode(data)[1][z, y, x] == ramp((5, 6, 7))[1, 2, 3]


def test_a_volume_that_says_nothing_of_its_place_stays_as_it_is() -> None:
    data = nifti(ramp((5, 6, 7)), np.diag([0.5, 0.75, 3.0, 1.0]))
    for code in (252, 254):  # of the quaternion, of the matrix
        data = patched(data, code, "<h", 0)
    assert np.array_equal(decode(data)[1], ramp((5, 6, 7)).transpose(2, 1, 0))
    assert facts(data) == {"spacing": [3.0, 0.75, 0.5]}


def test_lengths_are_millimetres_whatever_the_unit() -> None:
    for unit, factor in (("mm", 1.0), ("meter", 1000.0), ("micron", 0.001)):
        data = nifti(ramp((5, 6, 7)), np.diag([2.0, 2, 2, 1]), change=lambda h, u=unit: h.set_xyzt_units(xyz=u))
        assert facts(data)["spacing"] == [2 * factor] * 3


@pytest.mark.parametrize(
    ("slope", "intercept", "stored", "dtype"),
    [(1, -1024, "u1", "<i2"), (2, 5, "<i2", "<i4"), (0.5, 0, "<i2", "<f4"), (3, 0.25, "<f4", "<f4"),
     (0.5, 0, "<i4", "<f8"), (2, 0, "<f8", "<f8"), (1, 2**31, "u1", "<f4"), (-1, 0, "u1", "<i2")],
)  # fmt: skip
def test_slope_and_intercept_are_applied_and_told(slope: float, intercept: float, stored: str, dtype: str) -> None:
    array = ramp((5, 6, 7), stored, 0)
    data = nifti(array, change=lambda header: header.set_slope_inter(slope, intercept))
    _, found = decode(data)
    assert found.dtype.str == examined(data).dtype == dtype
    wanted = nibabel.Nifti1Image.from_bytes(data).get_fdata().transpose(2, 1, 0)[:, ::-1, ::-1]
    assert np.allclose(found, wanted, rtol=1e-6)
    assert (facts(data)["slope"], facts(data)["intercept"]) == (slope, intercept)


def test_time_vectors_and_colours_are_channels() -> None:
    moments = ramp((7, 6, 5, 4))
    assert np.array_equal(decode(nifti(moments))[1], moments.transpose(2, 1, 0, 3)[:, ::-1, ::-1])
    vectors = ramp((7, 6, 5, 1, 3), "<f4")
    assert np.array_equal(decode(nifti(vectors))[1], vectors[:, :, :, 0].transpose(2, 1, 0, 3)[:, ::-1, ::-1])
    film = ramp((7, 6, 1, 9))
    assert np.array_equal(decode(nifti(film))[1], film[:, :, 0].transpose(2, 1, 0))
    colours = ramp((7, 6, 5, 3), "u1", 0)
    as_rgb = np.ascontiguousarray(colours).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    assert np.array_equal(decode(nifti(as_rgb))[1], colours.transpose(2, 1, 0, 3)[:, ::-1, ::-1])


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("dtype", ["u1", "<u2", "<i2", "<u4"])
def test_dicom_images_are_as_pydicom_reads_them(syntax: str, dtype: str) -> None:
    data = dicom(ramp((5, 6), dtype, 3), syntax=syntax, RescaleSlope=2, RescaleIntercept=-7)
    kind, found = decode(data)
    read = pydicom.dcmread(BytesIO(data))
    assert np.array_equal(found[:, :, 0], apply_rescale(read.pixel_array, read))
    assert (kind, found.shape) == ("dicom", (5, 6, 1))
    colour = ramp((5, 6, 3), "u1", 0)
    planar = dicom(colour.transpose(2, 0, 1).reshape(5, 6, 3), syntax=syntax, PlanarConfiguration=1)
    assert np.array_equal(decode(planar)[1], pydicom.dcmread(BytesIO(planar)).pixel_array)


@pytest.mark.parametrize(("bits", "signed", "dtype"), [(12, False, "<i2"), (12, True, "<i2"), (16, False, "<i4")])
def test_hounsfield_units_stay_integers(bits: int, signed: bool, dtype: str) -> None:
    pixels = ramp((5, 6), "<i2" if signed else "<u2", -9 if signed else 0)
    data = dicom(pixels, BitsStored=bits, HighBit=bits - 1, RescaleSlope=1, RescaleIntercept=-1024)
    _, found = decode(data)
    assert (found.dtype.str, facts(data)["unit"]) == (dtype, "HU")
    assert np.array_equal(found[:, :, 0], pixels.astype(int) - 1024)


DIRECTIONS = {"axial": AXIAL, "coronal": (1, 0, 0, 0, 0, -1), "sagittal": (0, 1, 0, 0, 0, -1)}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_series_is_a_volume_whose_voxels_lie_where_dicom_says(name: str) -> None:
    volume, spacing = ramp((5, 6, 8)), (2.5, 0.7, 0.9)
    files = series(volume, spacing=spacing, directions=DIRECTIONS[name])
    data = pack((f"{number}.dcm", files[number]) for number in (3, 1, 4, 0, 2))
    kind, found = decode(data)
    assert kind == "dicom-series"
    inverse = np.linalg.inv(affine_of(data))
    row, column = np.array(DIRECTIONS[name][:3]), np.array(DIRECTIONS[name][3:])
    for slice_, y, x in ((0, 0, 0), (4, 5, 7), (2, 1, 3)):
        place = np.array(pydicom.dcmread(BytesIO(files[slice_])).ImagePositionPatient, float)
        left, back, up = place + row * x * spacing[2] + column * y * spacing[1]
        i, j, k = np.rint(inverse @ (-left, -back, up, 1))[:3].astype(int)
        assert found[k, j, i] == volume[slice_, y, x]
    if name == "axial":
        assert np.array_equal(found, volume), "as it is read by everyone"
        assert facts(data)["spacing"] == [2.5, 0.7, 0.9]


def test_slices_of_different_slopes_have_their_own() -> None:
    volume = ramp((4, 6, 8), first=0)
    slopes = (1.5, 2.25, 0.5, 1.0)
    places = [[0.0, 0.0, 3.0 * number] for number in range(4)]
    files = [
        dicom(plane, Modality="PT", RescaleSlope=slope, RescaleIntercept=0, ImagePositionPatient=place,
              ImageOrientationPatient=list(map(float, AXIAL)), PixelSpacing=[1, 1])
        for plane, slope, place in zip(volume, slopes, places, strict=True)
    ]  # fmt: skip
    data = pack((f"{number}", file) for number, file in enumerate(files))
    _, found = decode(data)
    assert np.array_equal(found, (volume * np.array(slopes)[:, None, None]).astype("<f4"))
    assert (facts(data)["perSlice"], facts(data)["modality"]) == (True, "PT")
    assert "slope" not in facts(data)


def test_many_frames_say_where_they_lie() -> None:
    volume = ramp((4, 6, 8))
    data = enhanced(volume, rescale=(2, -5))
    assert np.array_equal(decode(data)[1], volume.astype(int) * 2 - 5)
    assert (facts(data)["spacing"], facts(data)["orientation"]) == ([2.5, 0.7, 0.7], "LPS")


def test_gaps_are_told() -> None:
    files = series(ramp((6, 6, 8)))
    whole, some = (pack((f"{n}", files[n]) for n in numbers) for numbers in (range(6), (0, 1, 2, 4, 5)))
    assert "uneven" not in facts(whole)
    assert facts(some)["uneven"] is True


def test_metadata_hold_words_of_closed_lists_only() -> None:
    said = facts(dicom(ramp((5, 6)), Modality="DOE", RescaleType="JANE", RescaleSlope=2, RescaleIntercept=0))
    assert said == {"slope": 2.0, "intercept": 0.0}
    everything = str(facts(pack((f"{n}", data) for n, data in enumerate(series(ramp((3, 6, 8)))))))
    assert not [word for word in PERSONAL if word in everything]


def test_equal_slices_make_equal_bytes() -> None:
    files = [(f"{number}.dcm", data) for number, data in enumerate(series(ramp((3, 6, 8))))]
    assert pack(files) == pack(reversed(files))


def test_narrow_volumes_do_not_look_like_images() -> None:
    assert decode(nifti(ramp((3, 6, 7))))[1].shape == (7, 6, 3, 1)
    assert decode(nifti(ramp((5, 6, 7))))[1].shape == (7, 6, 5)
