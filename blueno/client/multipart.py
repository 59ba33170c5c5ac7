"""A file as the body of a form, as the server of 2019 wants it. Used by platform.py."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

from blueno.errors import BluenoError

BLOCK = 256 << 10


class PlatformError(BluenoError):
    """Whatever went wrong, in words."""


class Multipart:
    """One field `file`, as a body that can be sent again: from the file itself if it can go back, else from a copy.

    The thread of an attempt that took too long goes on for a while (http.py:within). It must not move the file under
    the next attempt, nor under its owner when all is over: only the latest attempt reads.
    """

    def __init__(self, content: BinaryIO) -> None:
        self.boundary = secrets.token_hex(16)
        self._copy: BinaryIO | None = None
        self._latest: object = None  # attempt
        self._reading = threading.Lock()
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
        self._latest = None
        if self._copy is not None:
            self._copy.close()

    def blocks(self) -> Iterator[bytes]:
        """From the beginning. Raises PlatformError when the file is shorter than it was, or another attempt began."""
        self._latest = attempt = object()  # now, not when the first block is taken: that may be late
        return self._blocks(attempt)

    def _blocks(self, attempt: object) -> Iterator[bytes]:
        yield self._head
        sent = 0
        while sent < self._length:
            with self._reading:
                if attempt is not self._latest:
                    raise PlatformError("this attempt was given up")
                self._file.seek(self._start + sent)
                block = self._file.read(min(BLOCK, self._length - sent))
            if not isinstance(block, bytes) or not block:
                raise PlatformError("data_content is not binary, or shrank while it was sent")
            sent += len(block)
            yield block
        yield self._tail

    def _copied(self, content: BinaryIO) -> BinaryIO:
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._copy = copy  # type: ignore[assignment]  # it is one
        while block := content.read(BLOCK):
            copy.write(block)
        copy.seek(0)
        return self._copy  # type: ignore[return-value]
