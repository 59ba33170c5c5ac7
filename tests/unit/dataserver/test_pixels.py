"""What is drawn: contact sheets, single images, slices, windows on true intensities, and numbers about samples."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

import blueno
from tests.fakes.data_server import Served, serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import npy, png, tar
from tests.unit.dataserver.conftest import ODD, ROW, gradient


def array(name: str) -> np.ndarray[Any, Any]:
    found = next(data for full, data in ODD.items() if full.partition("-")[2].rpartition(".")[0] == name)
    assert not isinstance(found, bytes)
    return found


async def test_a_sheet_of_digits_is_the_digits(digit_server: Served, digits: Place) -> None:
    version = await digit_server.version()
    answer = await digit_server.get(f"{version}/sheet?rows=0-99")
    sheet = answer.image()
    assert (sheet.mode, sheet.size) == ("L", (280, 280))
    assert answer.headers["Blueno-Sheet"] == "cell=28, columns=10, unreadable=0"
    pixels = blueno.open_dataset(digits.root).batch(range(100)).reshape(10, 10, 28, 28)
    assert np.array_equal(np.asarray(sheet), pixels.transpose(0, 2, 1, 3).reshape(280, 280))


async def test_cells_come_in_the_order_asked(digit_server: Served, digits: Place) -> None:
    rows = [119, 3, 3, 0, 57, 60, 61, 1]
    sheet = await digit_server.get(f"{await digit_server.version()}/sheet?rows=119,3,3,0,57,60-61,1&columns=3")
    pixels = sheet.pixels()
    assert pixels.shape == (3 * 28, 3 * 28)
    ds = blueno.open_dataset(digits.root)
    for number, row in enumerate(rows):
        top, left = number // 3 * 28, number % 3 * 28
        assert np.array_equal(pixels[top : top + 28, left : left + 28], ds[row].image[:, :, 0]), number
    assert not pixels[56:, 56:].any(), "the last line is filled up with nothing"


async def test_a_sheet_is_no_wider_than_its_samples(digit_server: Served) -> None:
    version = await digit_server.version()
    assert (await digit_server.get(f"{version}/sheet?rows=5-7&columns=200")).image().size == (84, 28)
    assert (await digit_server.get(f"{version}/sheet?rows=5-7&columns=1")).image().size == (28, 84)
    assert (await digit_server.get(f"{version}/sheet?rows=0-119,0-79&cell=8&columns=20")).image().size == (160, 80)


async def test_photos_are_scaled_down_and_centred(photos: Place) -> None:
    async with serving(photos) as served:
        sheet = (await served.get(f"{await served.version()}/sheet?rows=0-23&cell=64&columns=6")).image()
    assert (sheet.mode, sheet.size) == ("RGBA", (6 * 64, 4 * 64))
    alpha = np.asarray(sheet)[:, :, 3]
    for number in range(24):
        width, height = 100 + 10 * number, 300 - 5 * number
        longest = max(width, height)
        cell = alpha[number // 6 * 64 :, number % 6 * 64 :][:64, :64]
        shown_rows, shown_columns = np.flatnonzero(cell.any(axis=1)), np.flatnonzero(cell.any(axis=0))
        assert len(shown_rows) == round(height * 64 / longest)
        assert len(shown_columns) == round(width * 64 / longest)
        assert abs(shown_rows[0] - (63 - shown_rows[-1])) <= 1
        assert abs(shown_columns[0] - (63 - shown_columns[-1])) <= 1
        assert set(np.unique(cell)) <= {0, 255}


async def test_a_scaled_photo_looks_like_the_photo(odd_server: Served, odd: Place) -> None:
    """Decoding at a fraction and scaling what is left comes close to scaling the whole."""
    answer = await odd_server.get(f"{await odd_server.version()}/samples/{ROW['photo']}/image?size=100")
    photo = Image.fromarray(blueno.open_dataset(odd.root)[ROW["photo"]].image)
    wanted = np.asarray(photo.resize((100, 60), Image.Resampling.BOX), np.int16)
    # The gradient wraps around from 255 to 0: pixels on that edge may differ.
    assert np.median(np.abs(answer.pixels().astype(np.int16) - wanted)) <= 2
    assert answer.image().size == (100, 60)


async def test_everything_can_be_put_on_a_sheet(odd_server: Served) -> None:
    version = await odd_server.version()
    answer = await odd_server.get(f"{version}/sheet?rows=0-{len(ODD) - 1}&cell=48&columns=6")
    assert answer.headers["Blueno-Sheet"] == "cell=48, columns=6, unreadable=0"
    assert (answer.image().mode, answer.image().size) == ("RGBA", (6 * 48, 4 * 48))
    one = (await odd_server.get(f"{version}/sheet?rows={ROW['one-pixel']}")).image()
    assert (one.mode, one.size) == ("L", (1, 1))
    long = (await odd_server.get(f"{version}/sheet?rows={ROW['long']}&cell=32")).image()
    assert (long.mode, long.size) == ("LA", (32, 32))


async def test_modes_and_sizes_of_single_images(odd_server: Served) -> None:
    version = await odd_server.version()
    expected = {
        "rgb": ("RGB", (40, 20)),
        "rgba": ("RGBA", (30, 30)),
        "grey16": ("L", (16, 16)),
        "palette": ("RGB", (10, 12)),
        "bits": ("L", (9, 9)),
        "photo": ("RGB", (500, 300)),
        "cmyk": ("RGB", (64, 64)),
        "one-pixel": ("L", (1, 1)),
        "long": ("L", (2048, 1)),
        "float": ("L", (30, 20)),
        "volume": ("L", (20, 16)),
        "volume-rgb": ("RGB", (8, 10)),
        "many-channels": ("L", (6, 6)),
        "two-channels": ("L", (6, 6)),
        "large": ("L", (1400, 1500)),
    }
    for name, wanted in expected.items():
        image = (await odd_server.get(f"{version}/samples/{ROW[name]}/image")).image()
        assert (image.mode, image.size) == wanted, name
        assert (await odd_server.get(f"{version}/samples/{ROW[name]}/image?size=4096")).image().size == wanted[1], name
        small = (await odd_server.get(f"{version}/samples/{ROW[name]}/image?size=8")).image()
        assert max(small.size) == min(8, max(wanted[1])), name
        assert min(small.size) >= 1


async def test_images_keep_their_intensities(odd_server: Served, odd: Place) -> None:
    version, ds = await odd_server.version(), blueno.open_dataset(odd.root)
    for name in ("rgb", "rgba", "palette", "bits", "one-pixel"):
        pixels = (await odd_server.get(f"{version}/samples/{ROW[name]}/image")).pixels()
        assert np.array_equal(pixels.reshape(ds[ROW[name]].image.shape), ds[ROW[name]].image), name
    assert set(np.unique((await odd_server.get(f"{version}/samples/{ROW['bool']}/image")).pixels())) == {0, 255}


async def test_windows_on_true_intensities(odd_server: Served) -> None:
    path = f"{await odd_server.version()}/samples/{{}}/image?low=10&high=20"
    float_pixels = (await odd_server.get(path.format(ROW["float"]))).pixels()
    expected = np.clip((np.nan_to_num(array("float"), nan=0, posinf=1e6, neginf=-1e6) - 10) / 10, 0, 1) * 255
    assert np.abs(float_pixels.astype(float) - expected).max() <= 0.51
    assert (float_pixels[0, 0], float_pixels[1, 1], float_pixels[2, 2]) == (0, 255, 0)
    swapped = (
        await odd_server.get(path.format(ROW["big-endian"]).replace("=10", "=0").replace("=20", "=1400"))
    ).pixels()
    assert np.array_equal(swapped, np.rint(array("big-endian") / 1400 * 255))
    rgba = (await odd_server.get(path.format(ROW["rgba"]).replace("=10", "=-5.5e1"))).pixels()
    plain = (await odd_server.get(path.format(ROW["rgba"]).partition("?")[0])).pixels()
    assert np.array_equal(rgba[:, :, 3], plain[:, :, 3]), "alpha is no intensity"


async def test_windows_by_default(odd_server: Served) -> None:
    version = await odd_server.version()

    async def shown(name: str) -> np.ndarray[Any, Any]:
        return (await odd_server.get(f"{version}/samples/{ROW[name]}/image")).pixels()

    for name in ("float", "int64", "big-endian", "half", "grey16", "large"):
        pixels = await shown(name)
        assert pixels.max() == 255, name
        assert np.median(pixels) in range(64, 192), name
    assert set(np.unique(await shown("constant"))) == {128}
    assert set(np.unique(await shown("nothing-finite"))) == {0}
    huge = await shown("huge")
    assert (set(huge[0]), set(huge[1])) == ({0}, {255})


async def test_slices_along_every_axis(odd_server: Served) -> None:
    version = await odd_server.version()
    volume = array("volume")
    for name in ("volume", "volume-fortran"):
        path = f"{version}/samples/{ROW[name]}/image?low=-1000&high=3000"
        for axis, number in (("axial", 0), ("coronal", 1), ("sagittal", 2)):
            for at in (0, 5, volume.shape[number] - 1):
                pixels = (await odd_server.get(f"{path}&axis={axis}&slice={at}")).pixels()
                wanted = np.rint((np.take(volume, at, number).astype(float) + 1000) / 4000 * 255)
                assert np.array_equal(pixels, wanted), (name, axis, at)
            middle = (await odd_server.get(f"{path}&axis={axis}")).pixels()
            there = (await odd_server.get(f"{path}&axis={axis}&slice={volume.shape[number] // 2}")).pixels()
            assert np.array_equal(middle, there)
            answer = await odd_server.get(f"{path}&axis={axis}&slice={volume.shape[number]}")
            assert str(volume.shape[number]) in answer.problem(422, "bad_parameter", "slice")
    colour = array("volume-rgb")
    pixels = (await odd_server.get(f"{version}/samples/{ROW['volume-rgb']}/image?axis=sagittal&slice=2")).pixels()
    assert np.array_equal(pixels, colour[:, :, 2])


async def test_an_image_has_no_axes(odd_server: Served) -> None:
    version = await odd_server.version()
    for name in ("rgb", "float"):
        path = f"{version}/samples/{ROW[name]}/image"
        assert (await odd_server.get(f"{path}?axis=axial&slice=0")).status == 200
        (await odd_server.get(f"{path}?axis=coronal")).problem(422, "bad_parameter", "axis")
        (await odd_server.get(f"{path}?slice=1")).problem(422, "bad_parameter", "slice")


async def test_large_volumes_are_read_in_pieces(tmp_path: Any) -> None:
    """Planes whose lines lie far apart, near, and in one piece; all larger than what is read at once."""
    volume = np.arange(40 * 300 * 250, dtype="<i4").reshape(40, 300, 250)
    place = Place(tmp_path)
    place.sealed(archive_work(place.put("in.tar", tar({"x/a.npy": npy(volume), "x/b.npy": npy(volume[::-1])}, ""))))
    async with serving(place) as served:
        version = await served.version()
        for axis, number in (("axial", 0), ("coronal", 1), ("sagittal", 2)):
            path = f"{version}/samples/0/image?axis={axis}&slice=17&low=0&high=3000000"
            pixels = (await served.get(path)).pixels()
            wanted = np.rint(np.take(volume, 17, number) / 3000000 * 255)
            assert np.array_equal(pixels, wanted), axis
        about = (await served.get(f"{version}/samples/0/about")).json()
    assert (about["min"], about["max"]) == (0, volume.size - 1)
    assert about["percentiles"]["1"] == pytest.approx(volume.size / 100, rel=0.05)
    assert about["percentiles"]["99"] == pytest.approx(volume.size * 0.99, rel=0.05)


async def test_montages(odd_server: Served) -> None:
    version = await odd_server.version()
    path = f"{version}/samples/{ROW['volume']}/montage"
    assert (await odd_server.get(path)).image().size == (4 * 20, 3 * 16), "12 slices in 4 columns"
    nine = await odd_server.get(f"{path}?count=9&low=-1000&high=3000")
    assert nine.image().size == (60, 48)
    wanted = np.rint((array("volume")[0].astype(float) + 1000) / 4000 * 255)
    assert np.array_equal(nine.pixels()[:16, :20], wanted)
    assert (await odd_server.get(f"{path}?count=4&size=10&axis=sagittal")).image().size == (20, 16)
    single = (await odd_server.get(f"{path}?count=1&low=-1000&high=3000")).pixels()
    assert np.array_equal(single, np.rint((array("volume")[6].astype(float) + 1000) / 4000 * 255))
    image = await odd_server.get(f"{version}/samples/{ROW['rgb']}/montage")
    assert image.image().size == (40, 20), "an image is its own only slice"


async def test_numbers_about_every_sample(odd_server: Served, odd: Place) -> None:
    version, ds = await odd_server.version(), blueno.open_dataset(odd.root)
    for name, row in ROW.items():
        about = (await odd_server.get(f"{version}/samples/{row}/about")).json()
        image = ds[row].image
        assert about["shape"] == list(image.shape), name
        assert about["dtype"] == image.dtype.name, name
        seen = image[:, :, :-1] if image.ndim == 3 and image.shape[2] == 4 else image
        numbers = seen.astype(float)[np.isfinite(seen.astype(float))]
        if not numbers.size:
            assert (about["min"], about["max"], about["percentiles"]) == (None, None, {"1": None, "99": None})
            continue
        assert (about["min"], about["max"]) == (numbers.min(), numbers.max()), name
        low, high = np.percentile(numbers, [1, 99], method="nearest")
        assert (about["percentiles"]["1"], about["percentiles"]["99"]) == pytest.approx((low, high), rel=0.03), name
        edges, counts = about["histogram"]["edges"], about["histogram"]["counts"]
        assert len(edges) == len(counts) + 1
        assert (edges[0], edges[-1]) == (numbers.min(), pytest.approx(numbers.max()))
        assert edges == sorted(edges)
        if numbers.size <= 1 << 20:
            assert sum(counts) == numbers.size, name
        assert about["window"]["low"] <= about["window"]["high"]
        json.dumps(about, allow_nan=False)


async def test_sixteen_bits_of_a_whole_version_share_a_window(tmp_path: Any) -> None:
    """Mean ± 3 deviations out of the manifest, so that neighbours can be compared; constant versions too."""
    place = Place(tmp_path)
    arrays = {f"x/{n}.npy": npy((gradient(12, 12) * 10 * (n + 1)).astype("<u2")[:, :, None]) for n in range(5)}
    sealed = place.sealed(archive_work(place.put("in.tar", tar(arrays, ""))))
    statistics = place.manifest(sealed)["statistics"]["pixels"]
    high = statistics["mean"][0] + 3 * statistics["std"][0]
    async with serving(place) as served:
        version = await served.version()
        about = (await served.get(f"{version}/samples/0/about")).json()
        assert about["window"] == {"low": 0.0, "high": pytest.approx(high)}
        maxima = [(await served.get(f"{version}/samples/{n}/image")).pixels().max() for n in range(5)]
        assert maxima == sorted(maxima)
        assert maxima[0] < maxima[-1]
        sheet = (await served.get(f"{version}/sheet?rows=0-4&columns=5")).pixels()
        assert [int(sheet[:, 12 * n : 12 * n + 12].max()) for n in range(5)] == [int(m) for m in maxima]


async def test_a_constant_version_of_sixteen_bits(tmp_path: Any) -> None:
    place = Place(tmp_path)
    same = npy(np.full((6, 6, 1), 900, "<u2"))
    place.sealed(archive_work(place.put("in.tar", tar({"x/a.npy": same, "x/b.npy": same}, ""))))
    async with serving(place) as served:
        sheet = (await served.get(f"{await served.version()}/sheet?rows=0-1&columns=2")).pixels()
    assert (sheet.shape, set(np.unique(sheet))) == ((6, 12), {128})


async def test_mixed_sheets_get_colour_and_alpha_only_when_needed(tmp_path: Any) -> None:
    place = Place(tmp_path)
    files = {"x/0.png": png(0, (20, 20)), "x/1.png": png(1, (20, 20), "RGB"), "x/2.png": png(2, (20, 20), "LA")}
    files["x/3.png"] = png(3, (20, 10))
    place.sealed(archive_work(place.put("in.tar", tar(files, ""))))
    async with serving(place) as served:
        version = await served.version()
        modes = {}
        for rows in ("0", "1", "2", "3", "0,1", "0,2", "1,2", "0,3", "1,3"):
            modes[rows] = (await served.get(f"{version}/sheet?rows={rows}")).image().mode
    assert modes == {
        "0": "L", "1": "RGB", "2": "LA", "3": "LA",
        "0,1": "RGB", "0,2": "LA", "1,2": "RGBA", "0,3": "LA", "1,3": "RGBA",
    }  # fmt: skip
