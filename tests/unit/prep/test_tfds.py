"""TFDS's builders, without TensorFlow, from files in the published formats."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blueno
from blueno.errors import InvalidSpec
from blueno.prep import tfds_downloads
from blueno.prep.tfds_tensorflow import TensorFlow
from blueno.resources.work import Work
from tests.fakes.preparation import Place
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import CIFAR10, write_cifar10, write_mnist


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_mnist(folder, distinct=500)
    write_cifar10(folder)
    return folder


@pytest.fixture
def place(tmp_path: Path, mirror: Path) -> Place:
    place = Place(tmp_path)
    (place.volume / "mirror").mkdir()
    for file in mirror.iterdir():
        os.link(file, place.volume / "mirror" / file.name)
    return place


def tfds(name: str, **spec: Any) -> Work:
    mirror = {"url": "file:///mirror", "allowUnverified": True}
    return Work(source={"tfds": {"name": name, "mirror": mirror, **spec}}, layout={"type": "auto"})


def test_mnist_is_what_its_files_say(place: Place, mirror: Path) -> None:
    outcome = place.sealed(tfds("mnist"))
    assert (outcome.splits, outcome.shapes) == ((("train", 60_000), ("test", 10_000)), ("28x28x1 uint8",))
    ds = blueno.open_dataset(place.root, verify=True)
    for split, part, count in (("train", "train", 60_000), ("test", "t10k", 10_000)):
        images = gzip.decompress((mirror / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((mirror / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        wanted = np.frombuffer(images, np.uint8, -1, 16).reshape(count, 28, 28, 1)
        np.testing.assert_array_equal(ds.split(split).batch(np.arange(count)), wanted)
        np.testing.assert_array_equal(ds.split(split).labels, np.frombuffer(labels, np.uint8, -1, 8))
    assert ds.classes == tuple("0123456789")
    assert (ds[0].key, ds[0].label in ds.classes, ds[60_000].key) == ("train/00000000", True, "test/00000000")
    assert not [f for f in place.files() if f.endswith(".arrow") and "data-" in f]  # arrays: dense only
    revision = place.manifest(outcome)["revision"]["tfds"]
    assert (revision["builder"], revision["version"], len(revision["files"])) == ("mnist", "3.0.1", 4)
    assert "tensorflow" not in sys.modules


def test_cifar10_has_names_ids_and_channels_last(place: Place) -> None:
    outcome = place.sealed(tfds("cifar10"))
    assert outcome.splits == (("train", 100), ("test", 20))
    ds = blueno.open_dataset(place.root, verify=True)
    assert ds.classes == CIFAR10
    assert ds[0].metadata == {"id": "train_00000"}
    assert ds[0].image.shape == (32, 32, 3)
    assert ds[0].label == CIFAR10[ds.labels[0]]


def test_chosen_splits_only(place: Place) -> None:
    assert place.sealed(tfds("mnist", splits=["test"], maxSamplesPerSplit=5)).splits == (("test", 5),)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "mnits"}, ["'mnits'", "did you mean mnist"]),
        ({"name": "no-such-thing-at-all"}, ["TFDS has no data set"]),
        ({"name": "mnist", "version": "9.9.9"}, ["version of mnist", "3.0.1"]),
        ({"name": "mnist", "config": "x"}, ["config of mnist"]),
        ({"name": "emnist", "config": "byclas"}, ["did you mean byclass"]),
        ({"name": "mnist", "splits": ["tset"]}, ["split of mnist", "did you mean test"]),
    ],
)
def test_what_does_not_exist_is_named_with_its_neighbours(place: Place, spec: dict[str, Any], words: list[str]) -> None:
    outcome = place.failed(tfds(**spec), "SourceNotFound")
    assert outcome.permanent
    assert all(word in outcome.message for word in words), outcome.message


def test_a_builder_that_is_no_image_data_set_or_needs_more_says_so(place: Place) -> None:
    outcome = place.failed(tfds("imagenet2012"), "InvalidSpec")
    assert "the builder 'imagenet2012' wants files fetched by hand" in outcome.message
    stand_in = TensorFlow("some_builder")
    for use in (lambda: stand_in.image.decode_png, lambda: stand_in.io.gfile.rename, lambda: stand_in.data):
        with pytest.raises(InvalidSpec, match=r"'some_builder' needs TensorFlow \(tf\."):
            use()
    assert stand_in.compat.as_text(b"x") == "x"


def test_the_mirror_is_asked_first_and_verified(place: Place, mirror: Path) -> None:
    with source_server() as server:
        for file in mirror.glob("*.gz"):
            server.paths[f"/m/{file.name}"] = Served(file.read_bytes())
        spec = {"name": "mnist", "mirror": {"url": server.url("/m/")}, "splits": ["test"], "maxSamplesPerSplit": 3}
        outcome = place.failed(Work(source={"tfds": spec}, layout={}), "ChecksumMismatch")
        assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in outcome.message
        spec["mirror"] = {"url": server.url("/m"), "allowUnverified": True}
        assert place.sealed(Work(source={"tfds": spec}, layout={})).samples == 3
        assert all(path.startswith("/m/") for path, _ in server.requests)


def test_a_file_that_the_mirror_lacks_comes_from_the_builders_own_url(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = tfds_downloads.Fetcher.fetch

    def fetch(self: Any, wanted: Any) -> Any:
        asked.append(wanted.url)
        return real(self, wanted)

    monkeypatch.setattr(tfds_downloads.Fetcher, "fetch", fetch)
    with source_server() as server:
        server.paths["/nothing"] = Served(b"")
        spec = {"name": "mnist", "mirror": {"url": server.url("/empty")}}
        monkeypatch.setattr("blueno.prep.net.resolve", _only_loopback)
        place.failed(Work(source={"tfds": spec}, layout={}), "SourceUnavailable", retry_seconds=0)
    assert [url.startswith("http://127.0.0.1") for url in asked] == [True, False]


def _only_loopback(target: Any, networks: Any) -> Any:
    import ipaddress

    from blueno.prep.net import Transient

    if target.host != "127.0.0.1":
        raise Transient(f"the name {target.host} cannot be resolved")
    return [ipaddress.ip_address("127.0.0.1")]


def test_a_killed_attempt_reuses_finished_shards(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from blueno.prep import pack

    work = Work(source=tfds("mnist", maxSamplesPerSplit=2000).source, layout={}, pack={"shardBytes": 65536})
    written: list[str] = []
    real = pack.write_dense

    def write(final: Path, rows: Any, tag: str) -> Any:
        written.append(final.name)
        if len(written) == 10 and not final.with_name("seen").exists():
            final.with_name("seen").touch()
            raise OSError(5, "Input/output error")
        return real(final, rows, tag)

    monkeypatch.setattr(pack, "write_dense", write)
    place.failed(work, "PrepFailed")
    first = set(written[:9])
    written.clear()
    outcome = place.sealed(work, attempt=2)
    assert first.isdisjoint(written)
    assert len(written) + len(first) == len(
        json.loads((place.version(outcome) / "manifest.json").read_text())["shards"]
    )
