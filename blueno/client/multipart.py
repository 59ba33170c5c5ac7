"""A file as the body of a form, as the server of 2019 wants it. Used by platform.py."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from blueno.errors import BluenoError

BLOCK = 256 << 10


class PlatformError(BluenoError):
    """Whatever went wrong, in words."""


class Multipart:
    """One field `file`, as a body that can be sent again: from the file itself if it can go back, else from a copy."""

    def __init__(self, content: BinaryIO) -> None:
        self.boundary = secrets.token_hex(16)
        self._copy: BinaryIO | None = None
        try:
            self._file = content if content.seekable() else self._copied(content)
            self._start = self._file.tell()
            self._length = self._file.seek(0, os.SEEK_END) - self._start
            self._file.seek(self._start)
        except (OSError, ValueError, AttributeError) as error:
            raise PlatformError(f"data_content cannot be read: {error}") from error
        disposition = 'Content-Disposition: form-data; name="file"; filename="data"'
        kind = "Content-Type: application/octet-stream"
        self._head = f"--{self.boundary}\r\n{disposition}\r\n{kind}\r\n\r\n".encode()
        self._tail = f"\r\n--{self.boundary}--\r\n".encode()
        self.size = len(self._head) + self._length + len(self._tail)

    def __enter__(self) -> Multipart:
        return self

    def __exit__(self, *_: object) -> None:
        if self._copy is not None:
            self._copy.close()

    def blocks(self) -> Iterator[bytes]:
        """From the beginning. Raises PlatformError when the file is shorter than it was."""
        yield self._head
        self._file.seek(self._start)
        left = self._length
        while left:
            block = self._file.read(min(BLOCK, left))
            if not isinstance(block, bytes) or not block:
                raise PlatformError("data_content is not binary, or shrank while it was sent")
            left -= len(block)
            yield block
        yield self._tail

    def _copied(self, content: BinaryIO) -> BinaryIO:
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._copy = copy  # type: ignore[assignment]  # it is one
        while block := content.read(BLOCK):
            copy.write(block)
        copy.seek(0)
        return self._copy  # type: ignore[return-value]
