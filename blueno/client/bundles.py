"""From samples to what is sent at once: bundles of many small ones, large ones alone. Called by upload.py.

Reads and hashes files as it goes, holding one bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from blueno.client import contents
from blueno.client.contents import LargeContent, Unreadable
from blueno.client.present import Present
from blueno.client.sample_values import NewSample, Refused
from blueno.data.bundle import BundleWriter, Entry

FULL_BYTES = 8 << 20  # a bundle with so many bytes is sent; four on their way and one being filled are all that is held
FULL_SAMPLES = 5_000
TOLD = 1_000  # samples that are there already are told of so many at a time


@dataclass
class Bundle:
    """What goes in one request."""

    writer: BundleWriter = field(default_factory=BundleWriter)
    entries: list[tuple[Entry, bytes]] = field(default_factory=list)
    content_bytes: int = 0

    def add(self, entry: Entry, content: bytes) -> bool:
        """False when it does not fit any more."""
        if not self.writer.add(entry, content):
            return False
        self.entries.append((entry, content))
        self.content_bytes += len(content)
        return True

    @property
    def is_full(self) -> bool:
        return self.writer.size >= FULL_BYTES or len(self.entries) >= FULL_SAMPLES

    @classmethod
    def of(cls, entries: Iterable[tuple[Entry, bytes]]) -> Bundle:
        """Of samples that fit into one."""
        bundle = cls()
        for entry, content in entries:
            bundle.add(entry, content)
        return bundle


@dataclass(frozen=True)
class Large:
    """A sample whose content goes in chunks."""

    sample: NewSample
    content: LargeContent


@dataclass(frozen=True)
class Skipped:
    """Samples that are there already."""

    samples: int
    bytes: int


Job = Bundle | Large
Known = Skipped | Refused


def entry_of(sample: NewSample, size: int, sha256: str, upload: str | None = None) -> Entry:
    """A sample's line."""
    return Entry(
        key=sample.key,
        bytes=size,
        sha256=sha256,
        split=sample.split,
        label=sample.label,
        group=sample.group,
        metadata=sample.metadata,
        replace=sample.replace,
        if_match=sample.if_match,
        upload=upload,
    )


def etag_of(entry: Entry) -> str:
    """Of the sample that a line makes."""
    sample = NewSample(entry.key, b"", entry.split, entry.label, entry.group, entry.metadata)
    return sample.etag(entry.sha256 or "")


def pack(samples: Iterable[NewSample], present: Present) -> Iterator[Job | Known]:
    """Jobs as they become ready, and what needs none. Raises what the source raises."""
    bundle, skipped = Bundle(), Skipped(0, 0)
    for sample in samples:
        found = _look_at(sample, present)
        if isinstance(found, Skipped):
            skipped = Skipped(skipped.samples + 1, skipped.bytes + found.bytes)
            if skipped.samples < TOLD:
                continue
            found, skipped = skipped, Skipped(0, 0)
        if not isinstance(found, tuple):
            yield found
            continue
        try:
            if not bundle.add(*found):
                if bundle.entries:
                    yield bundle
                bundle = Bundle()
                if not bundle.add(*found):
                    raise ValueError("it is larger than a bundle's head may be")
        except (ValueError, TypeError, RecursionError) as error:  # lone surrogates, NaN, what JSON has no word for
            yield _senseless(sample, error)
            continue
        if bundle.is_full:
            yield bundle
            bundle = Bundle()
    if skipped.samples:
        yield skipped
    if bundle.entries:
        yield bundle


def _senseless(sample: NewSample, error: Exception) -> Refused:
    return Refused(sample.key, "invalid", f"what is said of it cannot be written as JSON: {str(error)[:200]}")


def _look_at(sample: NewSample, present: Present) -> tuple[Entry, bytes] | Large | Known:
    try:
        content = contents.read(sample.content)
    except Unreadable as error:
        return Refused(sample.key, error.code, str(error))
    if isinstance(content, LargeContent):
        return Large(sample, content)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        if present and present.has(sample.key, sample.etag(sha256)):
            return Skipped(1, len(content))
    except (ValueError, TypeError, RecursionError) as error:
        return _senseless(sample, error)
    return entry_of(sample, len(content), sha256), content
