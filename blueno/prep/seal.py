"""Finished shards → a sealed version. Called by blueno/prep/prepare.py.

A version appears by one rename of a whole directory that was written, fsynced and made read-only before; then the
pointer `works/<work>.json`; then staging goes. Each step may be repeated, by the same attempt or by another one.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blueno.data import index
from blueno.data.digest import RowsDigest, layout_digest
from blueno.data.files import FILE_MODE, link_or_copy, make_directory, rename, sync_directory, write_file
from blueno.data.manifest import DataFile, Manifest, Shard
from blueno.data.volume import Pointer, Volume
from blueno.names import INDEX_FILE, MANIFEST_FILE
from blueno.prep.badcount import BadCount
from blueno.prep.failure import PrepFailure
from blueno.prep.net import display
from blueno.prep.record import SHARDS_DIR, Record
from blueno.prep.samples import Context, Reading
from blueno.prep.sealed import point, verify_files
from blueno.prep.statistics import count_labels, pixel_statistics, shapes_of

log = logging.getLogger("blueno.prep")


@dataclass(frozen=True)
class Sealer:
    """Seals what `records` hold as a version of `volume`."""

    context: Context
    volume: Volume
    reading: Reading
    bad: BadCount

    def seal(self, records: Sequence[Record]) -> tuple[Pointer, Manifest]:
        """The pointer and manifest of the sealed version. Raises PrepFailure, OSError."""
        first = self._sealed_meanwhile()
        if first is not None:
            return first
        kept = [r for r in records if r.rows.num_rows]
        if not kept:
            left_out = f"{self.bad.count} bad samples, {self.reading.ignored} files ignored"
            raise PrepFailure("SourceNotFound", f"the source holds no sample that can be used ({left_out})")
        rows = _numbered(kept)
        digest = RowsDigest.of(
            {c: rows[c].to_pylist() for c in ("key", "split", "sha256", "label", "group", "metadata")}
        )
        manifest = self._existing(digest)
        if manifest is None:
            manifest = self._publish(digest, rows, kept)
        return point(self.volume, self.context.work, manifest, self.context.tag, self.reading.added), manifest

    def _sealed_meanwhile(self) -> tuple[Pointer, Manifest] | None:
        """What another attempt at this work has sealed. It counts: its source may have been read at another moment."""
        try:
            pointer = self.volume.pointer(self.context.work.hash)
        except ValueError:
            return None
        manifest = None if pointer is None else verify_files(self.volume, pointer.digest)
        return None if pointer is None or manifest is None else (pointer, manifest)

    def _existing(self, digest: str) -> Manifest | None:
        """The manifest when the same samples were sealed before: that directory stays, unless it is damaged."""
        try:
            manifest = Manifest.from_json(self.volume.manifest(digest).read_text())
        except FileNotFoundError:
            return None
        if manifest.digest != digest:
            raise PrepFailure("PrepFailed", f"{self.volume.version(digest)} holds another version: 16 digits collide")
        if verify_files(self.volume, digest) is None:
            aside = self.context.staging / f"damaged-{self.context.tag}"
            shutil.rmtree(aside, ignore_errors=True)
            rename(self.volume.version(digest), aside)
            return None
        log.info("the same samples are sealed already as %s", digest[:16])
        return manifest

    def _publish(self, digest: str, rows: pa.Table, records: Sequence[Record]) -> Manifest:
        folder = self.context.staging / f"version-{self.context.tag}"
        shutil.rmtree(folder, ignore_errors=True)
        make_directory(folder)
        alike = all(r.pixels is not None and r.pixels == records[0].pixels for r in records)
        shards, first = [], 0
        for number, record in enumerate(records):
            # Pixels beside encoded files are kept only when all samples of the version are alike.
            dense = record.dense if alike or record.raw is None else None
            raw = self._take(record.raw, folder / f"data-{number:05d}.arrow")
            pixels = self._take(dense, folder / f"data-{number:05d}.npy")
            split, samples = str(record.rows["split"][0].as_py()), record.rows.num_rows
            shards.append(Shard(split, first, samples, record.identity, raw, pixels))
            first += samples
        data = index.to_bytes(rows)
        write_file(folder / INDEX_FILE, data, self.context.tag)
        manifest = self._manifest(
            digest, rows, shards, DataFile(INDEX_FILE, len(data), hashlib.sha256(data).hexdigest())
        )
        moments = [r.moments for r in records] if alike else []
        dense_shape = records[0].pixels if alike else None
        statistics = {"labels": count_labels(rows), **pixel_statistics(moments)}
        manifest = replace(manifest, dense=dense_shape, shapes=shapes_of(rows, dense_shape), statistics=statistics)
        write_file(folder / MANIFEST_FILE, manifest.to_json().encode(), self.context.tag)
        for file in folder.iterdir():
            file.chmod(FILE_MODE)
        sync_directory(folder)
        return self._rename(folder, manifest)

    def _take(self, file: DataFile | None, target: Path) -> DataFile | None:
        if file is None:
            return None
        link_or_copy(self.context.staging / SHARDS_DIR / file.name, target)
        return DataFile(target.name, file.bytes, file.sha256)

    def _manifest(self, digest: str, rows: pa.Table, shards: Sequence[Shard], index_file: DataFile) -> Manifest:
        splits: dict[str, int] = {}
        for shard in shards:
            splits[shard.split] = splits.get(shard.split, 0) + shard.samples
        files = [f for s in shards for f in (s.raw, s.dense) if f is not None]
        return Manifest(
            digest=digest,
            layout_digest=layout_digest([(f.name, f.bytes, f.sha256) for f in (index_file, *files)]),
            work=self.context.work.hash,
            sealed_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            source=self._source(),
            revision=self.reading.revision,
            samples=rows.num_rows,
            splits=tuple(splits.items()),
            classes=self.reading.classes,
            dense=None,
            shapes=(),
            shards=tuple(shards),
            index=index_file,
            bad_samples=self.bad.summary(),
            ignored=self.reading.ignored,
        )

    def _source(self) -> dict[str, Any]:
        """As in the spec, and up to where it holds the working set."""
        source = dict(without_secrets(self.context.work.source))
        added = self.reading.added.revision
        return {**source, "working": {"revision": added}} if added else source

    def _rename(self, folder: Path, manifest: Manifest) -> Manifest:
        target = self.volume.version(manifest.digest)
        try:
            rename(folder, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            existing = self._existing(manifest.digest)  # another attempt was faster
            if existing is None:
                raise
            shutil.rmtree(folder, ignore_errors=True)
            return existing
        return manifest


def without_secrets(value: Any) -> Any:
    """A source's spec as it goes to the manifest: URLs lose their queries, where signatures and tokens are."""
    if isinstance(value, Mapping):
        return {key: without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner) for inner in value]
    return display(value) if isinstance(value, str) and "://" in value else value


def _numbered(records: Sequence[Record]) -> pa.Table:
    rows = index.join(r.rows for r in records)
    lengths = [r.rows.num_rows for r in records]
    shard = pa.array(np.repeat(np.arange(len(records), dtype=np.int32), lengths), pa.int32())
    return rows.set_column(index.SCHEMA.get_field_index("shard"), index.SCHEMA.field("shard"), shard)
