"""The bytes that a URI names: a file on the volume, or one GET. Called by items.py and manifest_put.py.

Everything about addresses is decided by blueno/prep/net.py, for object stores, too. What is large goes to disk, so that
a few samples at a time never fill the memory. A file is opened once: who may write to the volume could swap what has
its name, and so have us read something else.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, BinaryIO

from blueno.data.badsample import BadSampleCode
from blueno.ingest import signing
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Changed, Failed
from blueno.prep.failure import PrepFailure
from blueno.prep.local import open_local
from blueno.prep.net import Answer, Transient, display, get
from blueno.resources.sample_reasons import SampleReason as Reason

IN_MEMORY = 4 << 20  # bytes: what is larger goes to disk
BLOCK = 1 << 20
SECRET_BYTES = 64 << 10  # of one key
_STORES: Mapping[str, Callable[[str, Mapping[str, str], datetime], signing.Request]] = {
    "s3": signing.s3,
    "gs": signing.gs,
    "az": signing.az,
}
_REASONS = {"SourceNotFound": Reason.SOURCE_NOT_FOUND, "SourceNotAllowed": Reason.SOURCE_NOT_ALLOWED}


@dataclass(frozen=True)
class Content:
    """All bytes, in memory or in an open file, which somebody may still be writing to."""

    size: int
    sha256: str
    data: bytes | None
    file: BinaryIO | None = None

    def read(self) -> bytes:
        """Raises Changed."""
        if self.file is None:
            return self.data or b""
        self.file.seek(0)
        data = self.file.read(self.size)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise Changed
        return data

    def opened(self) -> IO[bytes]:
        """The same as a file, which is the caller's to close."""
        return self.file or io.BytesIO(self.data or b"")

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def fetch(config: IngestConfig, uri: str, secret: str, pause: Callable[[float], None], most: int) -> Content:
    """At most `most` bytes. Raises Failed; what does not answer is tried a few times."""
    if uri.startswith("file:"):
        return _from_volume(config, uri, most)
    request = _request(uri, _secret(config, secret))
    pauses = [*config.source_pauses, None]
    for after in pauses:
        try:
            return _download(config, request, most)
        except PrepFailure as error:
            raise Failed(_REASONS.get(error.code, Reason.SOURCE_UNAVAILABLE), str(error)) from error
        except Transient as error:
            if after is None:
                raise Failed(Reason.SOURCE_UNAVAILABLE, str(error)) from error
            pause(after)
    raise AssertionError  # the last pause is None


def too_large(uri: str, most: int) -> Failed:
    return Failed(Reason.BAD_SAMPLE, f"{display(uri)} has more than {most} bytes", BadSampleCode.TOO_LARGE.value)


def _from_volume(config: IngestConfig, uri: str, most: int) -> Content:
    try:
        with ExitStack() as unless_kept:
            file = unless_kept.enter_context(open_local(uri, config.volume))
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise too_large(uri, most)
            if size <= IN_MEMORY:
                data = file.read(size)
                return Content(len(data), hashlib.sha256(data).hexdigest(), data)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            unless_kept.pop_all()
            return Content(size, sha256, None, file)
    except PrepFailure as error:
        raise Failed(_REASONS[error.code], str(error)) from error
    except (FileNotFoundError, PermissionError) as error:
        raise Failed(Reason.SOURCE_NOT_FOUND, f"{uri[:200]}: {error.strerror}") from error
    except OSError as error:
        raise Failed(Reason.SOURCE_UNAVAILABLE, f"the volume cannot be read: {error.strerror}") from error


def _request(uri: str, secret: Mapping[str, str]) -> signing.Request:
    scheme = uri.partition(":")[0]
    try:
        if scheme in _STORES:
            return _STORES[scheme](uri, secret, datetime.now(UTC))
        if scheme not in ("http", "https"):
            raise signing.Unusable(f"{uri[:200]!r} has no scheme that is read: file, http, https, s3, gs, az")
        private = _login(secret)
        if private and scheme == "http":
            raise signing.Unusable("what the Secret holds is only sent over https")
        return signing.Request(uri, private)
    except ValueError as error:  # Unusable is one; so is what urlsplit cannot read
        raise Failed(Reason.SOURCE_NOT_ALLOWED, str(error)) from error


def _login(secret: Mapping[str, str]) -> dict[str, str]:
    """Keys: `token`, or `username` and `password`."""
    if token := secret.get("token"):
        return {"Authorization": f"Bearer {token}"}
    if "username" in secret or "password" in secret:
        pair = f"{secret.get('username', '')}:{secret.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _secret(config: IngestConfig, name: str) -> dict[str, str]:
    """The Secret's keys, as they are mounted now: they may have come, or been renewed, after the pod started."""
    if not name:
        return {}
    folder, found = config.secrets / name, {}
    try:
        for entry in sorted(folder.iterdir()):
            if not entry.name.startswith(".") and entry.is_file() and entry.stat().st_size <= SECRET_BYTES:
                text = entry.read_text(errors="strict").strip()
                if not text.isprintable() or not text.isascii():
                    raise Failed(Reason.SECRET_NOT_FOUND, f"key {entry.name} of Secret {name} is not plain text")
                found[entry.name] = text
    except (OSError, UnicodeDecodeError):
        found = {}
    if not found:
        raise Failed(Reason.SECRET_NOT_FOUND, f"there is no Secret {name}, or it is empty or cannot be read")
    return found


def _download(config: IngestConfig, request: signing.Request, most: int) -> Content:
    answer = get(request.url, {}, config.options.allowed_source_networks, request.private)
    try:
        length = answer.length
        if length is not None and length > most:
            raise too_large(request.url, most)
        return _receive(config, answer, length, most)
    finally:
        answer.close()


def _receive(config: IngestConfig, answer: Answer, length: int | None, most: int) -> Content:
    """In memory as far as that is little, then in a file."""
    hasher, size, start = hashlib.sha256(), 0, bytearray()
    with ExitStack() as unless_kept:
        file = unless_kept.enter_context(tempfile.TemporaryFile(dir=config.scratch))
        while block := answer.read(BLOCK):
            hasher.update(block)
            size += len(block)
            if size > most:
                raise too_large(answer.url, most)
            start += block
            if len(start) > IN_MEMORY:
                file.write(start)
                start.clear()
        if length is not None and size != length:
            raise Transient(f"{display(answer.url)} ended after {size} of {length} bytes")
        if size <= IN_MEMORY:
            return Content(size, hasher.hexdigest(), bytes(start))
        file.write(start)
        file.flush()
        unless_kept.pop_all()
        return Content(size, hasher.hexdigest(), None, file)
