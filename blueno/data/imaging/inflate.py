"""gzip, unpacked to a size that is known before and not a byte further. Called by formats.py and blueno/dataserver.

Whatever a stream claims, it costs no more than the bytes that are expected of it and the bytes it has.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging.content import Content

MAGIC: Final = b"\x1f\x8b"
_BLOCK: Final = 1 << 16
_MEMBERS: Final = 1 << 16  # one after the other in a file: parallel compressors write one per 64 KiB
_GZIP: Final = 31


def head(start: bytes, length: int) -> bytes:
    """The first `length` bytes or fewer, of the first bytes of a file; b"" when they are no gzip."""
    try:
        return zlib.decompressobj(_GZIP).decompress(start, length)
    except zlib.error:
        return b""


def blocks(content: Content, expected: int) -> Iterator[bytes]:
    """Exactly `expected` bytes in pieces. Raises BadSample, also when there are more."""
    done, members, place = 0, 0, 0
    unpacker = zlib.decompressobj(_GZIP)
    pending = b""
    try:
        while True:
            if unpacker.eof:
                members += 1
                pending = unpacker.unused_data or pending
                pending, place = _after(content, pending, place)
                if not pending:
                    break
                if members >= _MEMBERS:
                    raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {_MEMBERS} gzip streams in one file")
                unpacker = zlib.decompressobj(_GZIP)
            if not pending and place < content.size:
                length = min(_BLOCK, content.size - place)
                pending, place = bytes(content.read(place, length)), place + length
            piece = unpacker.decompress(pending, min(_BLOCK, expected - done + 1))
            pending = unpacker.unconsumed_tail
            done += len(piece)
            if done > expected:
                raise BadSample(BadSampleCode.CORRUPT, f"unpacks to more than the {expected} bytes its header says")
            if piece:
                yield piece
            elif not pending and place >= content.size and not unpacker.eof:
                raise BadSample(BadSampleCode.TRUNCATED, "the gzip stream ends early")
    except zlib.error as error:
        raise BadSample(BadSampleCode.CORRUPT, "the gzip stream is damaged") from error
    if done < expected:
        raise BadSample(BadSampleCode.TRUNCATED, f"unpacks to {done} bytes where its header says {expected}")


def _after(content: Content, pending: bytes, place: int) -> tuple[bytes, int]:
    """What follows a stream's end: padding of zeros is passed over."""
    pending = pending.lstrip(b"\0")
    while not pending and place < content.size:
        length = min(_BLOCK, content.size - place)
        pending, place = bytes(content.read(place, length)).lstrip(b"\0"), place + length
    return pending, place


def whole(content: Content, expected: int) -> bytearray:
    """All of them at once."""
    found = bytearray(expected)
    place = 0
    for piece in blocks(content, expected):
        found[place : place + len(piece)] = piece
        place += len(piece)
    return found
