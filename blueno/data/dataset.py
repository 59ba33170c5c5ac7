"""`blueno.open_dataset(path)`: reads a sealed version by memory map. Called by users; needs numpy and pyarrow.

Nothing is read before it is asked for: opening a version of a million samples reads its manifest and maps its index.
"""

from __future__ import annotations

import functools
import json
import operator
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blueno.data import index as index_file
from blueno.data import npy
from blueno.data.digest import RowsDigest
from blueno.data.files import file_sha256
from blueno.data.manifest import Manifest
from blueno.data.volume import Volume
from blueno.errors import BluenoError, NotFound
from blueno.names import MANIFEST_FILE


@dataclass(frozen=True)
class Sample:
    """One sample. `image`: (height, width, channels), (depth, height, width[, channels]) for volumes."""

    key: str
    split: str
    label: Any  # decoded JSON, usually the name of a class; None when there is none
    group: str | None
    metadata: Any
    image: npt.NDArray[Any]


class Version:
    """The files of one sealed version, mapped when they are first used. Shared by all views of it."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.starts = np.array([s.first for s in manifest.shards], np.int64)

    @functools.cached_property
    def rows(self) -> pa.Table:
        return index_file.read(self.folder / self.manifest.index.name)

    @functools.cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        numbers = {name: number for number, name in enumerate(self.manifest.classes)}
        column = self.rows["label"].combine_chunks()
        values = [json.loads(text) for text in column.dictionary.to_pylist()]
        table = np.array([numbers.get(v, -1) if isinstance(v, str) else -1 for v in values] + [-1], np.int64)
        places: npt.NDArray[np.int32] = column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
        return table[places]

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - one Version lives as long as its data set is open
    def dense(self, shard: int) -> npt.NDArray[Any] | None:
        """Pixels of a shard, shape (samples, …), mapped read-only; None when it has encoded files only."""
        file = self.manifest.shards[shard].dense
        if file is None:
            return None
        return np.asarray(np.load(self.folder / file.name, mmap_mode="r", allow_pickle=False))

    @functools.lru_cache(maxsize=4096)  # noqa: B019
    def raw(self, shard: int) -> pa.Array | None:
        """Encoded bytes of a shard; None when its source was arrays."""
        file = self.manifest.shards[shard].raw
        if file is None:
            return None
        with pa.memory_map(os.fspath(self.folder / file.name)) as source:
            return pa.ipc.open_file(source).get_batch(0).column("bytes")


class Dataset:
    """A sealed version, or one split of it. Samples are numbered from 0; order never changes."""

    def __init__(self, version: Version, start: int, stop: int) -> None:
        self._version, self._start, self._stop = version, start, stop

    def __repr__(self) -> str:
        splits = ", ".join(f"{name}: {samples}" for name, samples in self.splits.items())
        return f"<Dataset {self.digest[:16]}, {len(self)} samples ({splits}), {len(self.classes)} classes>"

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def digest(self) -> str:
        """64 hexadecimal digits: the same samples have the same digest."""
        return self._version.manifest.digest

    @property
    def manifest(self) -> Manifest:
        return self._version.manifest

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; `labels` are positions in it."""
        return self._version.manifest.classes

    @property
    def splits(self) -> dict[str, int]:
        """Samples by split, of the whole version."""
        return dict(self._version.manifest.splits)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of every sample when all are alike and stored as pixels, else None."""
        dense = self._version.manifest.dense
        return tuple(dense["shape"]) if dense else None

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(len(self),) int64: number of each sample's class, -1 for samples without one."""
        return self._version.labels[self._start : self._stop]

    @property
    def keys(self) -> list[str]:
        """Names of the samples."""
        found: list[str] = self._rows()["key"].to_pylist()
        return found

    def table(self) -> pa.Table:
        """The index rows of these samples; columns as in docs/format.md."""
        return self._rows()

    def split(self, name: str) -> Dataset:
        """The samples of one split. Raises NotFound, naming the splits there are."""
        first = 0
        for split, samples in self._version.manifest.splits:
            if split == name:
                return Dataset(self._version, first, first + samples)
            first += samples
        raise NotFound(f"there is no split {name!r}; there are {', '.join(self.splits)}")

    def __getitem__(self, i: int) -> Sample:
        """The sample at `i`. Raises IndexError, BadSample when its file has been damaged."""
        if isinstance(i, slice):
            raise TypeError("use ds.batch(range(start, stop)) for the pixels of several samples")
        row = self._row(i)
        (about,) = self._version.rows.slice(row, 1).to_pylist()
        return Sample(
            key=about["key"],
            split=about["split"],
            label=None if about["label"] is None else json.loads(about["label"]),
            group=about["group"],
            metadata=None if about["metadata"] is None else json.loads(about["metadata"]),
            image=self._image(row),
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def raw(self, i: int) -> bytes:
        """Original encoded bytes of a file; for samples whose source was arrays, a `.npy` made of them."""
        row = self._row(i)
        shard, at = self._place(row)
        encoded = self._version.raw(shard)
        if encoded is not None:
            data: bytes = encoded[at].as_py()
            return data
        return npy.encode(self._image(row))

    def batch(self, indices: npt.ArrayLike, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Pixels of the samples at `indices`, shape (len(indices), *shape of a sample), in that order.

        `out` is filled and returned when given. Pixels stored densely are copied out of the memory map; others are
        decoded one by one. Raises IndexError, ValueError when the samples differ in shape.
        """
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if wanted.size and (wanted.min() < -len(self) or wanted.max() >= len(self)):
            raise IndexError(f"indices must lie between 0 and {len(self) - 1}")
        rows = np.where(wanted < 0, wanted + len(self), wanted) + self._start
        dense = self._version.manifest.dense
        if dense is None:
            return self._decoded_batch(rows, out)
        if out is None:
            out = np.empty((len(rows), *dense["shape"]), dense["dtype"])
        shards = np.searchsorted(self._version.starts, rows, side="right") - 1
        used = np.unique(shards)
        for shard in used:
            pixels = self._version.dense(int(shard))
            assert pixels is not None  # noqa: S101 - a dense version has pixels in every shard
            at = rows - self._version.starts[shard]
            if len(used) == 1:
                pixels.take(at, axis=0, out=out, mode="clip")
            else:
                here = shards == shard
                out[here] = pixels[at[here]]
        return out

    def verify(self) -> None:
        """Reads everything and compares all sums. Raises BluenoError naming the first file that differs."""
        manifest = self._version.manifest
        for file in manifest.files:
            if file_sha256(self._version.folder / file.name) != file.sha256:
                raise BluenoError(f"{self._version.folder / file.name} has been changed since it was sealed")
        columns = ("key", "split", "sha256", "label", "group", "metadata")
        if RowsDigest.of({c: self._version.rows[c].to_pylist() for c in columns}) != manifest.digest:
            raise BluenoError(f"the index in {self._version.folder} does not match the digest of its manifest")

    def _rows(self) -> pa.Table:
        return self._version.rows.slice(self._start, len(self))

    def _row(self, i: Any) -> int:
        number = operator.index(i)
        if not -len(self) <= number < len(self):
            raise IndexError(f"{number}: there are {len(self)} samples")
        return self._start + number + (len(self) if number < 0 else 0)

    def _place(self, row: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._version.starts, row, side="right")) - 1
        return shard, row - int(self._version.starts[shard])

    def _image(self, row: int) -> npt.NDArray[Any]:
        shard, at = self._place(row)
        pixels = self._version.dense(shard)
        if pixels is not None:
            return np.array(pixels[at])
        from blueno.data.decode import decode

        encoded = self._version.raw(shard)
        assert encoded is not None  # noqa: S101 - a shard has pixels or encoded bytes
        return decode(encoded[at].as_py())[1]

    def _decoded_batch(self, rows: npt.NDArray[np.int64], out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        shapes = self._version.manifest.shapes
        if len(shapes) != 1:
            raise ValueError(
                f"the samples have {len(shapes)} different shapes or types: read them one by one, ds[i].image"
            )
        images = [self._image(int(row)) for row in rows]
        if out is None:
            return np.stack(images) if images else np.empty((0, *shapes[0]["shape"]), shapes[0]["dtype"])
        for i, image in enumerate(images):
            out[i] = image
        return out


def open_dataset(path: str | os.PathLike[str], *, verify: bool = False) -> Dataset:
    """Opens a data set: its directory (the current version), a version's directory, or a manifest.json.

    `verify` reads everything once and compares all sums. Raises NotFound when there is no sealed version there,
    BluenoError when it cannot be read.
    """
    given = Path(path)
    folder = given.parent if given.name == MANIFEST_FILE else given
    volume = None
    if not (folder / MANIFEST_FILE).is_file():
        if not folder.is_dir():
            raise NotFound(f"{given}: no such directory")
        volume, folder = Volume(folder), _current(folder)
    try:
        data = (folder / MANIFEST_FILE).read_bytes()
        manifest = Manifest.from_json(data.decode())
        if volume is not None and not volume.is_sealed_manifest(manifest.digest, data):
            raise ValueError("it has been changed since it was sealed")
    except FileNotFoundError as error:
        raise NotFound(f"{folder} has no {MANIFEST_FILE}: the version was removed") from error
    except OSError as error:
        raise BluenoError(f"{folder / MANIFEST_FILE} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BluenoError(f"{folder / MANIFEST_FILE}: {error}") from error
    dataset = Dataset(Version(folder, manifest), 0, manifest.samples)
    if verify:
        dataset.verify()
    return dataset


def _current(root: Path) -> Path:
    """The directory of the newest version. Raises NotFound; BluenoError rather than take an older one for it."""
    volume = Volume(root)
    try:
        damaged, current = volume.damaged_pointers(), volume.current()
    except OSError as error:
        raise BluenoError(f"{error.filename or root} cannot be read: {error.strerror}") from error
    if damaged:
        raise BluenoError(
            f"{volume.works / damaged[0]} is damaged, so it is not known which version is the newest: restore that "
            "file or remove it, or open a version's own directory"
        )
    if current is None:
        raise NotFound(f"{root} holds no sealed version: is it a data set's directory, and is its Dataset Ready?")
    return volume.version(current.digest)
