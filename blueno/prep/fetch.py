"""Downloads into staging: resumed, verified, retried. Called by blueno/prep/sources/*; calls net.py.

A part file is named by what the server said identifies the content (ETag or Last-Modified, and length), or by the sum
we were given. So two attempts that download at once write the same bytes at the same places of the same file, and a
source that changes midway begins another part. A part is never truncated.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blueno.data.files import is_full, make_directory, publish, sync_directory, write_file
from blueno.prep.failure import PrepFailure
from blueno.prep.net import Answer, RangeRefused, Transient, display, get
from blueno.prep.samples import Context
from blueno.prep.space import NoRoom

log = logging.getLogger("blueno.prep")

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """A file to have in staging under `name` (a name of ours)."""

    url: str
    name: str
    sha256: str = ""  # "" when it may be unverified


@dataclass(frozen=True)
class Fetched:
    """A complete file in staging."""

    path: Path
    url: str
    bytes: int
    sha256: str
    etag: str = ""


class Fetcher:
    """Fetches files for one work."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.folder = context.staging / "download"
        self._spent = 0  # bytes of finished files
        make_directory(self.folder)

    def fetch(self, wanted: Wanted) -> Fetched:
        """Returns the complete, verified file. Raises PrepFailure, OSError.

        Transient failures are retried with growing pauses; after `retry_seconds` without a byte: SourceUnavailable.
        """
        done = self._done(wanted)
        if done is None:
            self._context.progress.downloaded = True
            done = self._retry(wanted)
        if wanted.sha256 and done.sha256 != wanted.sha256.lower():
            self._forget(wanted)
            raise PrepFailure(
                "ChecksumMismatch",
                f"{display(wanted.url)} has sha256 {done.sha256}, the spec says {wanted.sha256.lower()}: "
                "correct one of them",
            )
        self._spent += done.bytes
        return done

    def _done(self, wanted: Wanted) -> Fetched | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            body = json.loads((self.folder / f"{wanted.name}.json").read_text())
            path = self.folder / wanted.name
            if body["url"] == wanted.url and path.stat().st_size == body["bytes"]:
                return Fetched(path, wanted.url, body["bytes"], body["sha256"], body["etag"])
        return None

    def _forget(self, wanted: Wanted) -> None:
        for path in (self.folder / wanted.name, self.folder / f"{wanted.name}.json", *self._parts(wanted)):
            path.unlink(missing_ok=True)

    def _parts(self, wanted: Wanted) -> list[Path]:
        return sorted(self.folder.glob(f"{wanted.name}.*.part"))

    def _retry(self, wanted: Wanted) -> Fetched:
        config, progress = self._context.config, self._context.progress
        quiet_since, tries, had = time.monotonic(), 0, 0
        while True:
            try:
                return self._try(wanted)
            except RangeRefused:
                for part in self._parts(wanted):
                    part.unlink(missing_ok=True)
                tries += 1
                if tries > 3:
                    raise PrepFailure("SourceUnavailable", f"{display(wanted.url)} refuses every range") from None
            except Transient as error:
                have = max((p.stat().st_size for p in self._parts(wanted)), default=0)
                if have > had:
                    had, tries, quiet_since = have, 0, time.monotonic()
                pause = min(config.retry_step, 2.0**tries) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
                if error.retry_after is not None:
                    pause = min(max(pause, error.retry_after), config.retry_step)
                if time.monotonic() + pause - quiet_since > config.retry_seconds:
                    text = f"{error}; tried for {config.retry_seconds / 60:.0f} minutes"
                    raise PrepFailure("SourceUnavailable", text) from error
                tries += 1
                progress.wait("SourceUnavailable", f"{error}; next try in {pause:.0f} s")
                time.sleep(pause)
                progress.resume()

    def _try(self, wanted: Wanted) -> Fetched:
        part, headers, start = self._resumable(wanted)
        answer = get(wanted.url, headers, self._context.options.allowed_source_networks)
        try:
            if answer.status == 206:
                if part is None or not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                    raise Transient(f"{display(wanted.url)} answers another range than the one asked for")
                if _validator(answer) not in ("", headers.get("If-Range", _validator(answer))):
                    part.unlink(missing_ok=True)  # it does not heed If-Range: this is the end of another file
                    raise Transient(f"{display(wanted.url)} has changed in the middle")
            else:
                start = 0
            length = 0 if answer.length is None else answer.length + start
            self._check_size(wanted, length, start)
            part = part if answer.status == 206 and part is not None else self._new_part(wanted, answer, length)
            size, sha256 = self._receive(answer, part, start, length)
        except OSError as error:
            if not is_full(error) or isinstance(error, NoRoom):
                raise
            have = max((p.stat().st_size for p in self._parts(wanted)), default=0)
            raise NoRoom(max(0, length - have), "the download") from error
        finally:
            answer.close()
        if not size and "content-length" not in answer.headers:
            raise Transient(f"{display(wanted.url)} sent nothing")  # as when the connection breaks within the header
        if length and size != length:
            raise Transient(f"{display(wanted.url)} ended after {size} of {length} bytes")
        if wanted.sha256 and sha256 != wanted.sha256.lower() and start:
            part.unlink(missing_ok=True)  # perhaps only what was resumed is damaged: once more, from the beginning
            raise Transient(f"{display(wanted.url)} does not match after it was resumed")
        return self._finish(wanted, part, Fetched(self.folder / wanted.name, wanted.url, size, sha256, _etag(answer)))

    def _resumable(self, wanted: Wanted) -> tuple[Path | None, dict[str, str], int]:
        best, headers, size = None, {}, 0
        for part in self._parts(wanted):
            with suppress(OSError, ValueError):
                about = json.loads(part.with_suffix(".about").read_text())
                if part.stat().st_size > size and about["url"] == wanted.url:
                    best, size = part, part.stat().st_size
                    headers = {"Range": f"bytes={size}-"}
                    if about["validator"]:
                        headers["If-Range"] = about["validator"]
        return best, headers, size

    def _new_part(self, wanted: Wanted, answer: Answer, length: int) -> Path:
        validator = _validator(answer)
        if validator or wanted.sha256:
            name = hashlib.sha256(f"{validator}\n{length}\n{wanted.sha256}".encode()).hexdigest()[:16]
        else:
            name = f"once-{self._context.tag}"  # nothing tells whether it is the same content: cannot be resumed
        part = self.folder / f"{wanted.name}.{name}.part"
        if validator or wanted.sha256:
            about = json.dumps({"url": wanted.url, "validator": validator}).encode()
            write_file(part.with_suffix(".about"), about, self._context.tag)
        else:
            part.unlink(missing_ok=True)
        return part

    def _check_size(self, wanted: Wanted, length: int, start: int) -> None:
        limit = self._context.options.max_source_bytes
        if self._spent + length > limit:
            raise PrepFailure(
                "SourceNotAllowed",
                f"{display(wanted.url)} has {length} bytes; with what was read before, that is more than the {limit} "
                "bytes a source may have here",
            )
        # What is downloaded becomes shards of about the same size; both are there until the version is sealed.
        self._context.space.left = 2 * length - start
        self._context.space.check(length - start, "the download")

    def _receive(self, answer: Answer, part: Path, start: int, length: int) -> tuple[int, str]:
        progress, limit = self._context.progress, self._context.options.max_source_bytes - self._spent
        hasher, size = hashlib.sha256(), start
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(handle, "r+b", buffering=0) as file:
            left = start
            while left:
                block = file.read(min(left, _BLOCK))
                if not block:
                    raise Transient("the part that was downloaded before has become shorter")
                hasher.update(block)
                left -= len(block)
            progress.bytes_done, progress.bytes_total = self._spent + size, self._spent + length if length else 0
            while block := answer.read(_BLOCK):
                _write_all(file, block)
                hasher.update(block)
                size += len(block)
                if size > limit:
                    raise PrepFailure("SourceNotAllowed", f"{display(answer.url)} sends more than {limit} bytes")
                progress.bytes_done = self._spent + size
                self._context.space.left = max(0, 2 * length - size)
                progress.tick()
            os.fsync(file.fileno())
        return size, hasher.hexdigest()

    def _finish(self, wanted: Wanted, part: Path, fetched: Fetched) -> Fetched:
        try:
            publish(part, fetched.path)
        except FileNotFoundError:  # another attempt finished the same part first
            if not fetched.path.exists() or fetched.path.stat().st_size != fetched.bytes:
                raise
        body: dict[str, Any] = {**asdict(fetched), "path": fetched.path.name}
        write_file(self.folder / f"{wanted.name}.json", json.dumps(body).encode(), self._context.tag)
        part.with_suffix(".about").unlink(missing_ok=True)
        sync_directory(self.folder)
        return fetched


def _write_all(file: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def _etag(answer: Answer) -> str:
    return answer.headers.get("etag", "")


def _validator(answer: Answer) -> str:
    """What If-Range accepts: a strong ETag, or else the date of the last change; "" when there is neither."""
    etag = _etag(answer)
    return etag if etag and not etag.startswith("W/") else answer.headers.get("last-modified", "")
