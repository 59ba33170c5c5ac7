"""One bad sample among very many, one in a hundred, and all: each is named with its code, all others are ready."""

from __future__ import annotations

from pathlib import Path

import pytest

import blueno
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import png, tar

SPOILT = {"Empty": b"", "Truncated": png(1)[:50], "UnknownFormat": b"<svg/>"}
PACK = {"shardBytes": 262144}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def images(count: int) -> dict[str, bytes]:
    """Small ones; their keys sort as they are numbered."""
    content = [png(number, (8, 8)) for number in range(256)]
    return {f"{number // 1000:03}/{number:06}.png": content[number % 256] for number in range(count)}


def spoil(files: dict[str, bytes], every: int) -> dict[str, str]:
    """The keys of one in `every` that was spoilt, and its code; kinds take turns."""
    keys = list(files)[every // 2 :: every]
    codes = {key: list(SPOILT)[number % len(SPOILT)] for number, key in enumerate(keys)}
    files.update({key: SPOILT[code] for key, code in codes.items()})
    return codes


def one_bad_among(place: Place, count: int) -> None:
    files = images(count)
    ((key, code),) = spoil(files, count).items()
    outcome = place.sealed(archive_work(place.put("a.tar", tar(files, ""))), max_bad_samples=1)
    assert (outcome.samples, outcome.bad_samples, outcome.bad_first) == (count - 1, 1, ((key, code),))
    named = {"count": 1, "byCode": {code: 1}, "first": [{"key": key, "code": code}]}
    assert place.manifest(outcome)["badSamples"] == named
    data = blueno.open_dataset(place.root, verify=True)
    del files[key]
    assert list(data.keys) == list(files)
    assert all(data.raw(number) == content for number, content in enumerate(files.values()))


def test_one_bad_sample_among_five_thousand_is_named_and_the_rest_is_ready(place: Place) -> None:
    one_bad_among(place, 5_000)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_one_bad_sample_among_a_hundred_thousand_is_named_and_the_rest_is_ready(place: Place) -> None:
    one_bad_among(place, 100_000)


def test_one_in_a_hundred_is_named_and_above_the_limit_the_work_is_kept(place: Place) -> None:
    files = images(3_000)
    codes = spoil(files, 100)
    work = archive_work(place.put("a.tar", tar(files, "")), pack=PACK)
    failed = place.failed(work, "TooManyBadSamples", max_bad_samples=29)
    assert (failed.permanent, failed.bad_samples, failed.bad_first) == (True, 30, tuple(codes.items())[:5])
    assert "30 bad samples so far (10 Empty, 10 Truncated, 10 UnknownFormat), maxBadSamples is 29" in failed.message
    kept = {path.stat().st_ino for path in (place.root / "staging" / work.hash / "shards").glob("*.arrow")}
    kept |= {path.stat().st_ino for path in (place.root / "staging" / work.hash / "shards").glob("*.npy")}
    assert kept
    outcome = place.sealed(work, max_bad_samples=30)
    assert (outcome.samples, outcome.bad_samples) == (2_970, 30)
    first = place.manifest(outcome)["badSamples"]["first"]
    assert {bad["key"]: bad["code"] for bad in first} == codes
    assert kept <= {path.stat().st_ino for path in place.version(outcome).iterdir()}, "packed once"
    assert not set(blueno.open_dataset(place.root, verify=True).keys) & set(codes)


def test_when_all_are_bad_nothing_is_sealed_and_the_first_are_named(place: Place) -> None:
    files = images(500)
    codes = spoil(files, 1)
    work = archive_work(place.put("a.tar", tar(files, "")), pack=PACK)
    few = place.failed(work, "TooManyBadSamples", max_bad_samples=100)
    assert few.bad_first == tuple(codes.items())[:5]
    none = place.failed(work, "SourceNotFound", max_bad_samples=500)
    assert (none.permanent, none.bad_samples, none.bad_first) == (True, 500, few.bad_first)
    assert "no sample that can be used (500 bad samples" in none.message
    assert not list((place.root / "versions").iterdir())
