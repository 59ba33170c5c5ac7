"""NIfTI and DICOM through the data server: upright slices, true intensities, alike in working sets and versions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pyarrow as pa
import pytest
import pytest_asyncio

from blueno.data.imaging import inflate
from blueno.data.imaging.series import pack
from blueno.dataserver.intensity import CT_PRESETS
from tests.fakes.data_server import Served, serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import tar
from tests.fakes.volumes import PERSONAL, dicom, enhanced, nifti, ramp, series
from tests.fakes.working import entry, new_place, sha256, working_server

AXES = ("axial", "coronal", "sagittal")
SOFT_TISSUE = CT_PRESETS["soft tissue"]
# Axes of the array go along y, -x and z of the body, 1 mm each.
TURNED = np.array([[0, -1.0, 0, 3], [1, 0, 0, -7], [0, 0, 1, 11], [0, 0, 0, 1]])
HOUNSFIELD: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
SCAN = ramp((5, 24, 20), "<u2", 0)  # each slice brighter than the one before
SLICES = {f"scan/IM{number}": data for number, data in enumerate(series(SCAN, spacing=(2.5, 0.5, 0.5), **HOUNSFIELD))}
STRETCHED = ramp((12, 16), "u1", 0)

# What lies in one file each, by name; beside them SLICES, which become one sample.
FILES: dict[str, bytes] = {
    "a-turned.nii": nifti(ramp((7, 9, 8)), TURNED),
    "b-packed.nii.gz": nifti(ramp((7, 9, 8)), TURNED, packed=True),
    "c-big-endian.nii": nifti(ramp((6, 9, 8), ">i2")),
    "d-scaled.nii.gz": nifti(ramp((6, 9, 8)), packed=True, change=lambda header: header.set_slope_inter(0.25, 100)),
    "e-constant.nii.gz": nifti(np.full((6, 9, 8), 41, "<i2"), packed=True),
    "f-nothing-finite.nii": nifti(np.full((6, 9, 8), np.nan, "<f4")),
    "g-thick.nii": nifti(ramp((8, 9, 10)), np.diag([0.5, 0.5, 2.0, 1.0])),
    "h-bytes.nii": nifti(ramp((6, 9, 8), "u1", 0)),
    "i-over-time.nii": nifti(ramp((6, 9, 8, 3))),
    "j-one-plane.nii": nifti(ramp((9, 8, 1))),
    "k-frames.dcm": enhanced(ramp((6, 9, 8)), rescale=(2, -5)),
    "l-negative.dcm": dicom(ramp((9, 8), "<u2", 0), PhotometricInterpretation="MONOCHROME1"),
    "m-bytes.dcm": dicom(STRETCHED, PixelSpacing=[2, 1], PhotometricInterpretation="MONOCHROME1"),
    "n-colours.dcm": dicom(ramp((9, 8, 3), "u1", 0)),
    "o-window.dcm": dicom(ramp((9, 8), first=0), Modality="MR", WindowCenter=20, WindowWidth=20),
    "p-film.dcm": dicom(ramp((6, 9, 8), "u1", 0), Modality="US"),
    "IM0001": dicom(ramp((9, 8)), Modality="CR"),
}


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A version of all FILES and the series."""
    place = Place(tmp_path_factory.mktemp("volumes"))
    place.sealed(archive_work(place.put("in.tar", tar({**FILES, **SLICES}, "")), layout={"type": "flat"}))
    return place


@pytest_asyncio.fixture
async def server(volumes: Place) -> AsyncIterator[Served]:
    async with serving(volumes) as served:
        yield served


def rows_of(place: Place) -> dict[str, int]:
    """Key → row of the only version."""
    (version,) = (place.root / "versions").iterdir()
    keys = pa.ipc.open_file(version / "index.arrow").read_all()["key"].to_pylist()
    return {key: number for number, key in enumerate(keys)}


async def sample(served: Served, place: Place, key: str) -> str:
    """The path of a sample."""
    return f"{await served.version()}/samples/{rows_of(place)[key]}"


def grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """What a window makes of true intensities."""
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255)


def asked(depth: int) -> Iterator[str]:
    """What is asked of a sample of so many slices, 0 of an image."""
    for axis in AXES if depth else AXES[:1]:
        yield f"image?axis={axis}"
        yield f"image?axis={axis}&slice=0&low=-900&high=700"
        yield f"image?axis={axis}&size=8"
        yield f"montage?axis={axis}&count=5"
    yield "montage?low=0&high=50"
    yield "about"
    yield "raw"


async def test_what_lies_in_the_working_set_is_shown_as_what_is_sealed(
    volumes: Place, server: Served, tmp_path: Path
) -> None:
    """Byte for byte, with the same headers: by image, slice, window, montage, numbers, original and sheet."""
    added = {**FILES, "scan": pack((name.removeprefix("scan/"), data) for name, data in SLICES.items())}
    rows, version = rows_of(volumes), await server.version()
    assert rows.keys() == added.keys()
    async with working_server(new_place(tmp_path)) as working:
        await working.bundle(*(entry(key, data) for key, data in added.items()))
        for key, data in added.items():
            about = (await server.get(f"{version}/samples/{rows[key]}/about")).json()
            is_volume = len(about["shape"]) == 4 or about["shape"][-1] > 4
            for what in asked(about["shape"][0] if is_volume else 0):
                wanted = await server.get(f"{version}/samples/{rows[key]}/{what}")
                name = f"{what}{'&' if '?' in what else '?'}key={key}&sha256={sha256(data)[:16]}"
                found = await working.served.get(f"/v1/working/{name}")
                assert (found.status, wanted.status) == (200, 200), (key, what, found.body, wanted.body)
                assert found.body == wanted.body, (key, what)
                for header in ("Content-Type", "Content-Disposition", "Cache-Control"):
                    assert found.headers.get(header) == wanted.headers.get(header), (key, what, header)
        seqs = {key: one.seq for key, one in working.read().samples.items()}
        for window in ("", "&low=-900&high=700"):
            for keys in ([*sorted(added)], *([key] for key in added)):
                by_row = ",".join(str(rows[key]) for key in keys)
                by_seq = ",".join(str(seqs[key]) for key in keys)
                wanted = await server.get(f"{version}/sheet?rows={by_row}&columns=4&cell=40{window}")
                found = await working.served.get(f"/v1/working/sheet?seqs={by_seq}&columns=4&cell=40{window}")
                assert found.headers["Blueno-Sheet"] == wanted.headers["Blueno-Sheet"]
                assert "unreadable=0" in found.headers["Blueno-Sheet"]
                assert np.array_equal(found.pixels(), wanted.pixels()), (keys, window)


@pytest.mark.parametrize("key", ["a-turned.nii", "b-packed.nii.gz"])
async def test_slices_hang_as_radiologists_hang_them(volumes: Place, server: Served, key: str) -> None:
    """Axial from the feet up, front at the top, the right of the body at the left; the others head up."""
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(ramp((7, 9, 8)), TURNED))
    body = np.asarray(canonical.dataobj)[::-1, ::-1]  # x from right to left, y from front to back, z from feet to head
    planes = {"axial": body.transpose(2, 1, 0), "coronal": body[:, :, ::-1].transpose(1, 2, 0),
              "sagittal": body[:, :, ::-1].transpose(0, 2, 1)}  # fmt: skip
    path = await sample(server, volumes, key)
    for axis, slices in planes.items():
        for at, plane in enumerate(slices):
            found = (await server.get(f"{path}/image?axis={axis}&slice={at}&low=-1000&high=-400")).pixels()
            assert np.array_equal(found, grey(plane, -1000, -400)), (axis, at)
        middle = (await server.get(f"{path}/image?axis={axis}&low=-1000&high=-400")).pixels()
        assert np.array_equal(middle, grey(slices[len(slices) // 2], -1000, -400))
        answer = await server.get(f"{path}/image?axis={axis}&slice={len(slices)}")
        assert str(len(slices)) in answer.problem(422, "bad_parameter", "slice")
        montage = (await server.get(f"{path}/montage?axis={axis}&count=4&low=-1000&high=-400")).pixels()
        assert montage.shape == (2 * slices.shape[1], 2 * slices.shape[2])
        places = [round((number + 0.5) * len(slices) / 4 - 0.5) for number in range(4)]
        grid = np.block([[slices[places[0]], slices[places[1]]], [slices[places[2]], slices[places[3]]]])
        assert np.array_equal(montage, grey(grid, -1000, -400))


async def test_windows_are_of_hounsfield_units_and_the_same_for_all_slices(volumes: Place, server: Served) -> None:
    """In 2019 each slice was stretched from its own least to its own greatest value: then all of these look alike."""
    true = SCAN.astype(int) - 1024
    path = await sample(server, volumes, "scan")
    for window, query in ((SOFT_TISSUE, ""), (CT_PRESETS["lung"], "&low=-1350&high=150")):
        seen = []
        for at, plane in enumerate(true):
            found = (await server.get(f"{path}/image?slice={at}{query}")).pixels()
            assert np.array_equal(found, grey(plane, window.low, window.high)), at
            seen.append(found.mean())
        assert seen == sorted(seen)
        assert seen[-1] - seen[0] > 100
    about = (await server.get(f"{path}/about")).json()
    assert about["window"] == {"low": SOFT_TISSUE.low, "high": SOFT_TISSUE.high}
    assert (about["min"], about["max"]) == (int(true.min()), int(true.max()))
    assert sum(about["histogram"]["counts"]) == true.size


async def test_a_volume_that_is_no_ct_has_one_window_of_its_own(volumes: Place, server: Served) -> None:
    path = await sample(server, volumes, "d-scaled.nii.gz")
    about = (await server.get(f"{path}/about")).json()
    true = ramp((6, 9, 8)) * 0.25 + 100
    assert (about["dtype"], about["min"], about["max"]) == ("float32", true.min(), true.max())
    low, high = about["window"]["low"], about["window"]["high"]
    assert true.min() <= low < np.percentile(true, 2)
    assert np.percentile(true, 98) < high <= true.max()
    turned = true.transpose(2, 1, 0)[:, ::-1, ::-1]
    for at in (0, 3, 7):
        found = (await server.get(f"{path}/image?slice={at}")).pixels()
        assert np.abs(found - grey(turned[at], low, high)).max() <= 1
    recommended = (await server.get(f"{await sample(server, volumes, 'o-window.dcm')}/about")).json()
    assert recommended["window"] == {"low": 10, "high": 30}


async def test_a_constant_volume_is_mid_grey_and_divides_by_nothing(volumes: Place, server: Served) -> None:
    path = await sample(server, volumes, "e-constant.nii.gz")
    for what in (*(f"image?axis={axis}" for axis in AXES), "montage?count=4"):
        assert set(np.unique((await server.get(f"{path}/{what}")).pixels())) == {128}, what
    about = (await server.get(f"{path}/about")).json()
    assert (about["min"], about["max"]) == (41, 41)
    assert about["window"] == {"low": 41, "high": 41}
    assert about["histogram"] == {"edges": [41, 41], "counts": [6 * 9 * 8]}
    nothing = await sample(server, volumes, "f-nothing-finite.nii")
    assert set(np.unique((await server.get(f"{nothing}/image")).pixels())) == {0}
    assert (await server.get(f"{nothing}/about")).json()["min"] is None
    sheet = await server.get(f"{await server.version()}/sheet?rows={rows_of(volumes)['e-constant.nii.gz']}")
    assert set(np.unique(sheet.pixels().reshape(-1, 2 if sheet.image().mode == "LA" else 1)[:, 0])) <= {0, 128}


async def test_what_files_say_of_their_pixels_is_told_and_nothing_else(volumes: Place, server: Served) -> None:
    about = (await server.get(f"{await sample(server, volumes, 'scan')}/about")).json()
    imaging = about["imaging"]
    assert (imaging["modality"], imaging["unit"], imaging["orientation"]) == ("CT", "HU", "LPS")
    assert (imaging["slope"], imaging["intercept"], imaging["spacing"]) == (1, -1024, [2.5, 0.5, 0.5])
    assert [row[3] for row in imaging["affine"]] == [10, 20, -30], "right to left and back to front, as nibabel has it"
    assert about["presets"] == [
        {"name": name, "low": window.low, "high": window.high} for name, window in CT_PRESETS.items()
    ]
    turned = (await server.get(f"{await sample(server, volumes, 'b-packed.nii.gz')}/about")).json()
    assert (turned["imaging"]["orientation"], turned["imaging"]["spacing"]) == ("LPS", [1, 1, 1])
    assert turned["presets"] == [], "windows of a CT mean nothing elsewhere"
    for key in rows_of(volumes):
        text = json.dumps((await server.get(f"{await sample(server, volumes, key)}/about")).json())
        assert not [word for word in PERSONAL if word in text], key


async def test_elements_are_as_high_and_wide_as_they_are_in_the_body(volumes: Place, server: Served) -> None:
    path = await sample(server, volumes, "g-thick.nii")  # 8 x 9 x 10 elements of 0.5 x 0.5 x 2 mm
    sizes = {axis: (await server.get(f"{path}/image?axis={axis}")).image().size for axis in AXES}
    assert sizes == {"axial": (8, 9), "coronal": (8, 40), "sagittal": (9, 40)}
    flat = await sample(server, volumes, "m-bytes.dcm")
    assert (await server.get(f"{flat}/image")).image().size == (16, 24)


async def test_pictures_whose_low_values_are_white(volumes: Place, server: Served) -> None:
    found = (await server.get(f"{await sample(server, volumes, 'l-negative.dcm')}/image?low=0&high=71")).pixels()
    assert np.array_equal(found, 255 - grey(ramp((9, 8), "<u2", 0), 0, 71))


async def test_sheets_of_small_pictures_show_them_as_they_are_shown_alone(tmp_path: Path) -> None:
    """A version of bytes of one shape, whose sheets need not look into the files unless those say more."""
    place = Place(tmp_path)
    pictures = {f"{n}.dcm": dicom(ramp((16, 16), "u1", n), PhotometricInterpretation=f"MONOCHROME{1 + n % 2}",
                                  PixelSpacing=[1, 1 + n // 2]) for n in range(4)}  # fmt: skip
    outcome = place.sealed(archive_work(place.put("in.tar", tar(pictures, ""))))
    assert place.manifest(outcome)["dense"] == {"shape": [16, 16, 1], "dtype": "|u1"}
    async with serving(place) as served:
        version = await served.version()
        for row in range(4):
            alone = (await served.get(f"{version}/samples/{row}/image")).pixels()
            sheet = (await served.get(f"{version}/sheet?rows={row}&cell=48")).pixels()
            shown = sheet if sheet.ndim == 2 else sheet[sheet[:, :, 1] > 0][:, 0].reshape(alone.shape)
            assert np.array_equal(shown, alone), row


async def test_a_packed_volume_is_unpacked_once_for_all_its_slices(
    volumes: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[int] = []
    blocks = inflate.blocks

    def counted(content: Any, size: int) -> Any:
        unpacked.append(size)
        return blocks(content, size)

    async with serving(volumes) as served:
        path = await sample(served, volumes, "b-packed.nii.gz")
        monkeypatch.setattr(inflate, "blocks", counted)
        for axis in AXES:
            for at in range(7):
                assert (await served.get(f"{path}/image?axis={axis}&slice={at}")).status == 200
        assert (await served.get(f"{path}/about")).status == 200
    assert len(unpacked) == 1


async def test_a_pod_without_room_to_unpack_says_so(volumes: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    async with serving(volumes) as served:
        packed = await served.get(f"{await sample(served, volumes, 'b-packed.nii.gz')}/image")
        assert "room" in packed.problem(503, "no_scratch")
        assert int(packed.headers["Retry-After"]) > 0
        assert (await served.get(f"{await sample(served, volumes, 'a-turned.nii')}/image")).status == 200


async def test_originals_have_names_that_other_programs_know(volumes: Place, server: Served) -> None:
    names = {"scan": "scan.tar", "IM0001": "IM0001.dcm", "b-packed.nii.gz": "b-packed.nii.gz"}
    for key, name in names.items():
        answer = await server.get(f"{await sample(server, volumes, key)}/raw")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert key == "scan" or answer.body == FILES[key]
