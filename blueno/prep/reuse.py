"""Unchanged shards of the version before: linked, not written again. Called by blueno/prep/pack.py."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from blueno.data import index
from blueno.data.files import file_sha256, link_or_copy, rename
from blueno.data.manifest import DataFile, Manifest, Shard
from blueno.data.volume import Volume
from blueno.prep.samples import Sample

log = logging.getLogger("blueno.prep")


@dataclass(frozen=True)
class Linked:
    """A shard's files, now in staging under their new names."""

    raw: DataFile | None
    dense: DataFile | None


def unchanged_bytes(root: Path, samples: Iterable[Sample]) -> int:
    """Bytes of those samples that the current version holds with the same content: mostly they cost hard links.

    An estimate, for the look at the volume's room: what cannot be read counts as changed.
    """
    volume = Volume(root)
    try:
        pointer = volume.current()
        if pointer is None:
            return 0
        rows = index.read(volume.index(pointer.digest)).select(["key", "sha256"])
        known = dict(zip(rows["key"].to_pylist(), rows["sha256"].to_pylist(), strict=True))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        log.warning("the version before cannot be read: %s", error)
        return 0
    return sum(sample.size for sample in samples if known.get(sample.key, b"").hex() == sample.stamp)


@dataclass(frozen=True)
class Previous:
    """The shards of the current version by identity; empty when there is none."""

    folder: Path | None = None
    shards: dict[str, Shard] = field(default_factory=dict)

    @classmethod
    def of(cls, volume: Volume) -> Previous:
        """Never fails: what cannot be read is simply not reused."""
        try:
            pointer = volume.current()
            if pointer is None:
                return cls()
            manifest = Manifest.from_json(volume.manifest(pointer.digest).read_text())
        except (OSError, ValueError) as error:
            log.warning("the version before cannot be read, nothing of it is reused: %s", error)
            return cls()
        return cls(volume.version(pointer.digest), {s.identity: s for s in manifest.shards})

    def link(self, identity: str, kinds: tuple[bool, bool], base: Path, tag: str) -> Linked | None:
        """Links the shard of this identity as `base`.arrow and `base`.npy.

        `kinds` says which of the two are wanted (raw, dense): a shard that has others is not reused, so None.
        """
        shard = self.shards.get(identity)
        if shard is None or kinds != (shard.raw is not None, shard.dense is not None):
            return None
        try:
            return Linked(
                self._link(shard.raw, base.with_suffix(".arrow"), tag),
                self._link(shard.dense, base.with_suffix(".npy"), tag),
            )
        except OSError as error:
            log.warning("a shard of the version before cannot be linked and is written again: %s", error)
            return None

    def _link(self, file: DataFile | None, target: Path, tag: str) -> DataFile | None:
        if file is None or self.folder is None:
            return None
        source = self.folder / file.name
        if source.stat().st_size != file.bytes:
            raise OSError(f"{source} has not its {file.bytes} bytes any more")
        if file_sha256(source) != file.sha256:  # else damage at rest would go from version to version
            raise OSError(f"{source} has been changed since it was sealed")
        temporary = target.with_name(f".{target.name}.{tag}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            link_or_copy(source, temporary)
            rename(temporary, target)
        finally:
            with suppress(FileNotFoundError):  # renaming one link of a file onto another one does nothing
                temporary.unlink()
        return DataFile(target.name, file.bytes, file.sha256)
