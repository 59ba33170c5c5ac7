"""What fails: bad samples, wrong specs, sums that differ, files outside the claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueno.resources.work import Work
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, png, tar


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_bad_samples_are_left_out_up_to_the_limit(place: Place) -> None:
    files = {**class_folders(), "cat/bad1.png": b"", "dog/bad2.png": png()[:50], "notes.txt": b"x"}
    work = archive_work(place.put("a.tar", tar(files)))
    failed = place.failed(work, "TooManyBadSamples", max_bad_samples=1)
    assert failed.permanent
    assert failed.bad_samples == 2
    assert "cat/bad1.png (Empty)" in failed.message
    shards = list((place.root / "staging" / work.hash / "shards").glob("*.record"))
    assert shards  # the work that was done is kept
    outcome = place.sealed(work, max_bad_samples=2)
    assert (outcome.samples, outcome.bad_samples) == (12, 2)
    assert outcome.bad_first == (("cat/bad1.png", "Empty"), ("dog/bad2.png", "Truncated"))
    manifest = place.manifest(outcome)
    assert (manifest["badSamples"]["byCode"], manifest["ignoredFiles"]) == ({"Empty": 1, "Truncated": 1}, 1)


def test_fail_means_the_first_bad_sample_fails(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar({**class_folders(), "cat/bad.png": b"x"})))
    assert "onBadSample" in place.failed(work, "TooManyBadSamples", on_bad_sample="Fail", max_bad_samples=99).message


def test_a_source_without_a_usable_sample_is_a_clear_failure(place: Place) -> None:
    outcome = place.failed(archive_work(place.put("a.tar", tar({"README": b"x"}))), "SourceNotFound")
    assert "1 files ignored" in outcome.message
    assert outcome.permanent


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({}, "spec.source"),
        ({"ftp": {}}, "spec.source"),
        ({"archive": {"files": []}}, "spec.source.archive.files"),
        ({"archive": {"files": [{"url": "file:///a"}]}}, "spec.source.archive.files[0].sha256"),
        ({"archive": {"files": [{"url": "file:///a", "sha256": "xyz"}]}}, "spec.source.archive.files[0].sha256"),
    ],
)
def test_a_wrong_spec_names_its_field(place: Place, source: dict[str, object], field: str) -> None:
    outcome = place.failed(Work(source=source, layout={}), "InvalidSpec")
    assert field in outcome.message
    assert outcome.permanent


def test_shard_sizes_out_of_bounds_are_refused(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(class_folders())), pack={"shardBytes": 5})
    assert "shardBytes" in place.failed(work, "InvalidSpec").message


def test_a_checksum_that_differs_shows_both_sums(place: Place) -> None:
    url = place.put("a.tar", tar(class_folders()))
    work = Work(source={"archive": {"files": [{"url": url, "sha256": "0" * 64}]}}, layout={})
    message = place.failed(work, "ChecksumMismatch").message
    assert "0" * 64 in message
    assert message.count("sha256") >= 1


@pytest.mark.parametrize(
    "url", ["file:///../etc/passwd", "file:///link/a.tar", "file://host/a.tar", "file:///a.tar?x=1"]
)
def test_file_urls_stay_on_the_claim(place: Place, tmp_path: Path, url: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.tar").write_bytes(tar(class_folders()))
    (place.volume / "link").symlink_to(outside)
    place.failed(archive_work(url), "SourceNotAllowed")
