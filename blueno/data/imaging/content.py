"""Bytes that are read in pieces: of memory here, of a file on the volume in the data server. Called by all readers."""

from __future__ import annotations

from typing import Protocol

from blueno.data.badsample import BadSample, BadSampleCode


class Content(Protocol):
    """What a sample's bytes are read through."""

    @property
    def size(self) -> int:
        """Bytes there are."""

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly `length` bytes. The caller asks for none beyond `size`."""


class Memory:
    """Of bytes that lie in memory; nothing is copied."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")

    @property
    def size(self) -> int:
        """Bytes there are."""
        return len(self._view)

    def read(self, offset: int, length: int) -> memoryview:
        """A part of them."""
        return self._view[offset : offset + length]


class Part:
    """A part of another content, as a content of its own."""

    def __init__(self, whole: Content, offset: int, size: int) -> None:
        self._whole, self._offset, self.size = whole, offset, size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """A part of it."""
        return self._whole.read(self._offset + offset, length)


def start_of(content: Content, length: int) -> bytes:
    """Its first `length` bytes, or all when it has fewer."""
    return bytes(content.read(0, min(length, content.size)))


def exactly(content: Content, offset: int, length: int) -> bytes:
    """Raises BadSample where the content ends before."""
    if offset + length > content.size:
        raise BadSample(BadSampleCode.TRUNCATED, f"{content.size} bytes; more are needed")
    return bytes(content.read(offset, length))
