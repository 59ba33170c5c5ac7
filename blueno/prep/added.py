"""The samples that people have added: sealed alone (source `upload`) or together with another source's.

Called by prepare.py, by sources/upload.py and, for the samples of any other source, by `with_added`. Reads the working
set with blueno/data/working.py; writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSample, BadSampleCode
from blueno.data.digest import RowsDigest
from blueno.data.journal import FLAGS, JournalDamaged
from blueno.data.layout import DEFAULT_SPLIT, split_rank
from blueno.data.volume import Added
from blueno.data.working import WorkingSample, WorkingSet, read_exactly, read_working_set
from blueno.names import OBJECTS_DIR, WORKING_DIR
from blueno.prep.failure import PrepFailure
from blueno.prep.samples import Reading, Sample

MAX_CLASSES = 10_000  # more different labels are texts, not classes
MAX_CLASS_CHARACTERS = 256
_OPEN_PACKS = 16


class Overtaken(Exception):
    """Samples were purged since the working set was read, and with them packs written anew: read it again."""


@dataclass(frozen=True)
class AddedSamples:
    """The working set at one moment, as samples in index order. `digest` is the same for the same samples."""

    samples: Sequence[Sample]
    classes: tuple[str, ...]
    state: Added
    stored: int  # bytes of the packs that hold them


def read_added(root: Path) -> AddedSamples:
    """The working set of the data set in `root`. Raises PrepFailure, OSError."""
    try:
        found, sizes = _read(root)
    except JournalDamaged as error:
        text = f"the samples that were added cannot be read: {error}; restore {root / WORKING_DIR} from a backup"
        raise PrepFailure("PrepFailed", text) from error
    packs = _Packs(root, frozenset(name for name, size in sizes.items() if size is None))
    ordered = sorted(found.samples.values(), key=lambda one: (split_rank(one.split or DEFAULT_SPLIT), one.key))
    samples = [_sample(one, packs) for one in ordered]
    state = Added(found.revision, _digest(ordered))
    return AddedSamples(samples, _classes(samples), state, sum(size or 0 for size in sizes.values()))


def with_added(reading: Reading, added: AddedSamples) -> Reading:
    """`reading` and the added samples, in index order. Of two with the same key the added one counts."""
    if not added.samples:
        return replace(reading, added=replace(added.state, digest=""))
    more = [name for name in added.classes if name not in set(reading.classes)]
    size = sum(sample.size for sample in added.samples)
    return replace(
        reading,
        samples=_merged(reading.samples, added.samples),
        total=reading.total + len(added.samples) if reading.total else 0,
        total_bytes=reading.total_bytes + size if reading.total_bytes else 0,
        classes=(*reading.classes, *more),
        added=replace(added.state, digest=""),
        stored=added.stored,
    )


def _merged(source: Iterable[Sample], added: Sequence[Sample]) -> Iterator[Sample]:
    """Splits stay together: those of the source where it has them, with what was added at their ends."""
    waiting: dict[str, list[Sample]] = {}
    for sample in added:
        waiting.setdefault(sample.split, []).append(sample)
    keys, split = {sample.key for sample in added}, None
    for sample in source:
        if sample.split != split:
            if split is not None:
                yield from waiting.pop(split, ())
            split = sample.split
            for earlier in [name for name in waiting if split_rank(name) < split_rank(split)]:
                yield from waiting.pop(earlier)
        if sample.key not in keys:
            yield sample
    if split is not None:
        yield from waiting.pop(split, ())
    for rest in waiting.values():
        yield from rest


def _sample(one: WorkingSample, packs: _Packs) -> Sample:
    read = _Content(packs, one)
    return Sample(one.key, one.split or DEFAULT_SPLIT, one.label, one.group, one.metadata, one.bytes, one.sha256, read)


def _digest(ordered: Sequence[WorkingSample]) -> str:
    return RowsDigest.of(
        {
            "key": [one.key for one in ordered],
            "split": [one.split or DEFAULT_SPLIT for one in ordered],
            "sha256": [bytes.fromhex(one.sha256) for one in ordered],
            "label": [one.label for one in ordered],
            "group": [one.group for one in ordered],
            "metadata": [one.metadata for one in ordered],
        }
    )


def _classes(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Labels that are texts, as names of classes; none when they are too many or too long to be that."""
    values = (json.loads(text) for text in {sample.label for sample in samples if sample.label is not None})
    names = sorted(value for value in values if isinstance(value, str))
    if len(names) > MAX_CLASSES or any(len(name) > MAX_CLASS_CHARACTERS for name in names):
        return ()
    return tuple(names)


def _read(root: Path) -> tuple[WorkingSet, dict[str, int | None]]:
    """The working set, and the sizes of its packs; None: not there, though two readings say so, which no purge does."""
    before: set[str] = set()
    while True:
        found = read_working_set(root)
        sizes = {name: _size(_pack(root, name)) for name in {one.object for one in found.samples.values()}}
        missing = {name for name, size in sizes.items() if size is None}
        if missing <= before:
            return found, sizes
        before = missing


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None


def _pack(root: Path, name: str) -> Path:
    return root / OBJECTS_DIR / name[:2] / name


class _Packs:
    """Packs that were opened last: neighbours in a version mostly came in one bundle, and an open costs on NFS."""

    def __init__(self, root: Path, lost: frozenset[str]) -> None:
        self._root, self._lost = root, lost
        self._open: OrderedDict[str, int] = OrderedDict()

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Raises BadSample, Overtaken, OSError."""
        if name in self._lost:
            raise BadSample(BadSampleCode.MISSING_FILE, name)
        handle = self._open.pop(name, None)
        if handle is None:
            try:
                handle = os.open(_pack(self._root, name), FLAGS)
            except FileNotFoundError as error:
                raise Overtaken(name) from error
        self._open[name] = handle
        if len(self._open) > _OPEN_PACKS:
            os.close(self._open.popitem(last=False)[1])
        return read_exactly(handle, offset, size)

    def __del__(self) -> None:
        for handle in self._open.values():
            os.close(handle)


@dataclass(frozen=True, slots=True)
class _Content:
    """Reads one added sample."""

    packs: _Packs
    sample: WorkingSample

    def __call__(self) -> bytes:
        one = self.sample
        if one.bytes > MAX_SAMPLE_BYTES:
            raise BadSample(BadSampleCode.TOO_LARGE, f"{one.bytes} bytes")
        data = self.packs.read(one.object, one.offset, one.bytes)
        if len(data) < one.bytes:
            raise BadSample(BadSampleCode.TRUNCATED, f"{len(data)} of {one.bytes} bytes are there")
        if hashlib.sha256(data).hexdigest() != one.sha256:
            raise BadSample(BadSampleCode.BAD_CHECKSUM, "its bytes are not those that were sent")
        return data
