"""Samples that people add to a data set of any other source: they are in its next version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blueno
from blueno.data.layout import split_rank
from blueno.data.volume import Added
from blueno.prep.added import AddedSamples, with_added
from blueno.prep.samples import Reading, Sample
from blueno.resources.work import Work
from tests.fakes.people import People
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, png, tar, write_mnist

FILES = class_folders(8)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def work(place: Place) -> Callable[[str], Work]:
    """A work that reads an archive, asked for by name."""
    url = place.put("a.tar", tar(FILES))
    return lambda request: replace(archive_work(url), requested_at=request or None)


def test_a_data_set_that_nobody_adds_to_is_as_it_always_was(place: Place, work: Callable[[str], Work]) -> None:
    outcome = place.sealed(work(""))
    assert (outcome.revision, outcome.writable) == (0, True)
    assert list(place.manifest(outcome)["source"]) == ["archive"]
    assert "working" not in (place.root / "works" / f"{work('').hash}.json").read_text()


def test_added_samples_are_in_the_next_version_and_win_over_those_of_the_source(
    place: Place, work: Callable[[str], Work]
) -> None:
    first = place.sealed(work(""))
    people = People(place.root)
    people.add({"cat/000.png": png(500), "bird/1.png": png(501)}, label="bird", split="test")
    people.add({"cat/new.png": png(502)}, label="cat")
    second = place.sealed(work("t1"))
    assert (second.sequence, second.splits, second.revision) == (2, (("train", 16), ("test", 2)), 3)
    assert place.manifest(second)["source"]["working"] == {"revision": 3}
    data = blueno.open_dataset(place.root, verify=True)
    found = {sample.key: (sample.split, sample.label) for sample in data}
    assert found["cat/000.png"] == ("test", "bird")
    assert found["cat/new.png"] == ("train", "cat")
    assert data.classes == ("cat", "dog", "bird")  # numbers of classes stay what they were
    assert data.raw(data.keys.index("cat/000.png")) == png(500)
    people.remove(["cat/000.png", "bird/1.png", "cat/new.png"])
    third = place.sealed(work("t2"))
    assert (third.digest, third.revision) == (first.digest, 6)  # the source's own are back


def test_files_can_be_added_to_a_data_set_of_arrays(place: Place) -> None:
    """Of the same shape first, which all pixels are then stored of; then of another one."""
    write_mnist(place.volume / "mirror", distinct=500)
    mirror = {"url": "file:///mirror", "allowUnverified": True}
    source = {"tfds": {"name": "mnist", "mirror": mirror, "maxSamplesPerSplit": 100}}
    People(place.root).add({"mine": png(7)}, label="7")
    (place.root / "owner.json").write_text('{"clusterUid": "", "datasetUid": "uid-1"}')
    outcome = place.sealed(Work(source, {"type": "auto"}))
    assert outcome.splits == (("train", 101), ("test", 100))
    data = blueno.open_dataset(place.root, verify=True)
    assert data.shape == (28, 28, 1)
    mine = data.keys.index("mine")
    np.testing.assert_array_equal(data.batch([mine])[0], data[mine].image)
    assert (data.raw(mine), data.labels[mine]) == (png(7), 7)
    people = People(place.root)
    people.seq = outcome.revision
    people.add({"other": png(8, (30, 20))}, split="validation", label="a letter")
    outcome = place.sealed(Work(source, {"type": "auto"}, requested_at="t1"))
    assert outcome.splits == (("train", 101), ("validation", 1), ("test", 100))
    data = blueno.open_dataset(place.root, verify=True)
    other = data.keys.index("other")
    assert (data.shape, data.raw(other), data[other].image.shape) == (None, png(8, (30, 20)), (20, 30, 1))
    assert (data.raw(mine), data[mine].image.shape, data.classes[-1]) == (png(7), (28, 28, 1), "a letter")


def a_sample(key: str, split: str) -> Sample:
    return Sample(key, split, None, None, None, 1, "", bytes)


SPLITS = st.sampled_from(["train", "validation", "test", "a", "z"])
PLACED = st.dictionaries(st.sampled_from("abcdefgh"), SPLITS, max_size=8)


@given(PLACED, PLACED)
def test_splits_stay_together_whatever_is_added(source: dict[str, str], more: dict[str, str]) -> None:
    def ordered(samples: dict[str, str]) -> list[Any]:
        return [a_sample(k, s) for k, s in sorted(samples.items(), key=lambda one: (split_rank(one[1]), one[0]))]

    added = AddedSamples(ordered(more), (), Added(1, "d"), 0)
    merged = [(one.key, one.split) for one in with_added(Reading(ordered(source), {}), added).samples]
    assert sorted(merged) == sorted({**source, **more}.items())
    splits = [split for _, split in merged]
    runs = [split for number, split in enumerate(splits) if not number or splits[number - 1] != split]
    assert runs == sorted(set(splits), key=split_rank)
