"""Hostile images and arrays: each through a whole preparation, beside two good ones that must be sealed."""

from __future__ import annotations

import pytest

from tests.fakes.sources import png, tar
from tests.hostile.arrays import ARRAYS
from tests.hostile.child import Hostiles
from tests.hostile.images import IMAGES, LARGEST, progressive
from tests.hostile.items import Item
from tests.unit.hostile.conftest import Around, judge

PREPARE = "tests.hostile.runs:prepare_archives"


def prepared(hostiles: Hostiles, around: Around, item: Item, ending: str, look: bool = True) -> None:
    """One item between two good images."""
    files = {"cat/1.png": png(1), f"cat/2.{ending}": item.make(), "dog/3.png": png(3)}
    around.put("a.bin", tar(files, ""))
    done = hostiles.run(PREPARE, folder=str(around.folder), names=["a.bin"], layout=item.layout, look=look)
    said = done.must()
    judge(item, said)
    if item.shape:
        view = said["views"][f"cat/2.{ending}"]
        assert (tuple(view["shape"]), view["dtype"]) == (item.shape, item.dtype)
        assert not item.first or view["first"] == [repr(value) for value in item.first]
    around.check()


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_fails_alone_with_its_code(hostiles: Hostiles, around: Around, name: str) -> None:
    prepared(hostiles, around, IMAGES[name], "png")


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_fails_alone_with_its_code(hostiles: Hostiles, around: Around, name: str) -> None:
    prepared(hostiles, around, ARRAYS[name], "npy")


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_images_keep_within_the_memory(hostiles: Hostiles, around: Around, name: str) -> None:
    prepared(hostiles, around, LARGEST[name], "png", look=False)


def test_several_of_the_largest_are_decoded_in_turn(hostiles: Hostiles, around: Around) -> None:
    """Two at a time would take more than the cap: they have to wait for each other, however many cores there are."""
    data = progressive()
    around.put("a.bin", tar({f"cat/{number}.jpg": data for number in range(4)}, ""))
    done = hostiles.run(PREPARE, cpu=20, folder=str(around.folder), names=["a.bin"], layout={}, look=False)
    assert done.must()["samples"] == 4
