"""Large files that come in chunks. Called by working_app.py and working_set.py, in workers.

uploads/<id>.part holds what has come, uploads/<id>.json how much of it was acknowledged: both durable before a chunk is
answered, so a chunk is never sent twice without need and never lost. A file that is complete becomes a pack by a hard
link; its upload is marked `finished` only when the journal has the sample, so that a client whose answer was lost can
ask again. What nobody has touched for seven days goes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from blueno.data.badsample import MAX_SAMPLE_BYTES
from blueno.data.files import sync_handle
from blueno.dataserver.files import File, Folder
from blueno.dataserver.problems import Damaged, Gone, Problem
from blueno.dataserver.working_packs import ABANDONED, COPIED, FILE_MODE, Packs, made, new_pack
from blueno.names import OFFSET_MISMATCH, UPLOADS_DIR

CHUNK: Final = 16 << 20
UNUSED: Final = 7 * 86_400.0  # seconds
MOST: Final = 1000  # that are open at a time
_META = re.compile(r"([0-9a-f]{32})\.json")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_META_BYTES = 4096
_Bytes = bytes  # inside Upload the word is taken
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True)
class Upload:
    """`offset`: bytes that were acknowledged. `finished`: the sha256 of the sample that it has become."""

    id: str
    bytes: int
    offset: int = 0
    sha256: str = ""
    finished: str = ""
    touched: float = 0.0

    def check(self, end: int) -> None:
        """Raises Problem 413 when a chunk ends beyond the file: of one that does not say its length, as it comes."""
        if end > self.bytes:
            raise Problem(413, "too_large", f"{self.bytes} bytes were announced: this chunk goes beyond them")

    def to_json(self) -> _Bytes:
        body = {"bytes": self.bytes, "offset": self.offset, "sha256": self.sha256, "finished": self.finished}
        return json.dumps(body, sort_keys=True).encode() + b"\n"


class Uploads:
    """Those that are open. Thread-safe; one chunk at a time for each of them."""

    def __init__(self, root: Folder, packs: Packs) -> None:
        self.root, self._packs = root, packs  # the former is replaced when it is opened anew
        self._lock = threading.Lock()
        self._open: dict[str, Upload] = {}
        self._busy: set[str] = set()
        self._synced: set[str] = set()

    @property
    def outstanding(self) -> int:
        """Bytes that are still to come."""
        with self._lock:
            return sum(upload.bytes - upload.offset for upload in self._open.values() if not upload.finished)

    def load(self) -> None:
        """What an earlier server has left. Raises OSError, Problem."""
        found: dict[str, Upload] = {}
        with suppress(Gone):
            folder = self.root.folder(UPLOADS_DIR)
            for name in folder.names():
                match = _META.fullmatch(name)
                if match is not None and (upload := _read(folder, match[1])) is not None:
                    found[upload.id] = upload
            for name in folder.names():
                lost = name.endswith((".part", ".json")) and name.rpartition(".")[0] not in found
                if (lost or name.endswith(".tmp")) and time.time() - folder.modified(name) > ABANDONED:
                    _unlink(folder, name)
        with self._lock:
            self._open = found | {number: self._open[number] for number in self._busy & self._open.keys()}

    def begin(self, size: int, sha256: str) -> Upload:
        """A new one. Raises Problem, OSError."""
        self.expire(time.time())
        with self._lock:
            if len(self._open) >= MOST:
                text = f"{MOST} uploads are open: finish or delete some, or wait until they are"
                raise Problem(429, "too_many_uploads", text, retry_after=60)
        upload = Upload(secrets.token_hex(16), size, 0, sha256, "", time.time())
        folder = self._folder()
        handle = os.open(f"{upload.id}.part", _WRITE | os.O_EXCL, FILE_MODE, dir_fd=folder.descriptor)
        os.close(handle)
        self._keep(folder, upload)
        return upload

    def get(self, number: str) -> Upload:
        """Raises Problem 404."""
        with self._lock:
            return self._known(number)

    def _known(self, number: str) -> Upload:
        """With the lock held: until it is let go, neither chunk nor removal comes in between. Raises Problem 404."""
        found = self._open.get(number)
        if found is None:
            text = "there is no such upload: it was deleted, or not touched for seven days"
            raise Problem(404, "upload_not_found", text)
        return found

    def chunk(self, number: str, offset: int, size: int) -> Chunk:
        """The next piece is about to come. Raises Problem, OSError; afterwards it is to be closed."""
        with self._lock:
            upload = self._known(number)
            if number in self._busy:
                raise Problem(503, "busy", "another chunk of this upload is just being written", retry_after=1)
            if offset != upload.offset or upload.finished:
                raise OffsetMismatch(f"the next chunk begins at byte {upload.offset}", upload.offset)
            upload.check(offset + size)
            self._busy.add(number)
        try:
            folder = self._folder()
            return Chunk(self, upload, os.open(f"{number}.part", _WRITE, FILE_MODE, dir_fd=folder.descriptor))
        except BaseException:
            self.release(number)
            raise

    def acknowledge(self, upload: Upload, offset: int) -> None:
        """So much of it is durable. Raises OSError."""
        self._keep(self._folder(), replace(upload, offset=offset, touched=time.time()))

    def release(self, number: str) -> None:
        """The chunk at hand has ended."""
        with self._lock:
            self._busy.discard(number)

    def delete(self, number: str) -> None:
        """Raises Problem 404, OSError."""
        self.get(number)
        with self._lock:
            if number in self._busy:
                raise Problem(503, "busy", "a chunk of this upload is just being written", retry_after=1)
            self._open.pop(number, None)
        folder = self._folder()
        _unlink(folder, f"{number}.json")
        _unlink(folder, f"{number}.part")
        sync_handle(folder.descriptor)

    def pack(self, number: str) -> str:
        """A complete one as a pack: its sha256, pinned. Raises Problem 404 and 409, OSError."""
        upload = self.get(number)
        if upload.offset < upload.bytes:
            raise Problem(409, "upload_incomplete", f"{upload.offset} of {upload.bytes} bytes of the upload are there")
        folder = self._folder()
        file = folder.file(f"{number}.part")
        sha256 = _sum(file, upload.bytes)
        if upload.sha256 not in ("", sha256):
            raise Problem(409, "digest_mismatch", f"sha256 {upload.sha256} was announced; what came has {sha256}")
        temporary = f".{secrets.token_hex(16)}.tmp"
        try:
            os.link(f"{number}.part", temporary, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
        except OSError:  # no hard links here
            with new_pack(self._packs) as copy:
                for at in range(0, upload.bytes, COPIED):
                    copy.write(file.read(at, min(COPIED, upload.bytes - at)))
                return copy.seal()
        try:
            self._packs.publish(folder.descriptor, temporary, sha256)
        finally:
            _unlink(folder, temporary)
        return sha256

    def whole(self, number: str) -> tuple[File, int]:
        """A complete one that is no sample yet, and its size. Raises Problem 404 and 409."""
        upload = self.get(number)
        if upload.finished:
            raise Problem(404, "upload_not_found", "this upload has become a sample")
        if upload.offset < upload.bytes:
            raise Problem(409, "upload_incomplete", f"{upload.offset} of {upload.bytes} bytes of the upload are there")
        return self._folder().file(f"{number}.part"), upload.bytes

    def finish(self, number: str, sha256: str) -> None:
        """The journal has the sample. What is left says so, until nobody can ask any more."""
        upload = self.get(number)
        folder = self._folder()
        self._keep(folder, replace(upload, finished=sha256, touched=time.time()))
        _unlink(folder, f"{number}.part")

    def expire(self, now: float) -> None:
        """Removes those that nobody has touched for long. Raises OSError."""
        with self._lock:
            old = [u.id for u in self._open.values() if now - u.touched > UNUSED and u.id not in self._busy]
        for number in old:
            with suppress(Problem):
                self.delete(number)

    def _folder(self) -> Folder:
        return made(self.root, UPLOADS_DIR, self._synced)

    def _keep(self, folder: Folder, upload: Upload) -> None:
        """Durable, then known."""
        name, temporary = f"{upload.id}.json", f".{secrets.token_hex(8)}.tmp"
        handle = os.open(temporary, _WRITE | os.O_EXCL, FILE_MODE, dir_fd=folder.descriptor)
        try:
            try:
                os.write(handle, upload.to_json())
                os.fsync(handle)
            finally:
                os.close(handle)
            os.rename(temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
        except BaseException:
            _unlink(folder, temporary)
            raise
        sync_handle(folder.descriptor)
        with self._lock:
            self._open[upload.id] = upload


class Chunk:
    """A piece that comes in. Nothing of it counts until `finish`."""

    def __init__(self, uploads: Uploads, upload: Upload, handle: int) -> None:
        self._uploads, self._upload, self._handle = uploads, upload, handle
        self._at = upload.offset

    def write(self, data: bytes) -> None:
        """Raises Problem, OSError."""
        self._upload.check(self._at + len(data))
        view = memoryview(data)
        while view:
            done = os.pwrite(self._handle, view, self._at)
            view, self._at = view[done:], self._at + done

    def finish(self) -> int:
        """Where the next one begins: everything before is durable. Raises OSError."""
        os.fsync(self._handle)
        self._uploads.acknowledge(self._upload, self._at)
        return self._at

    def close(self) -> None:
        """In any case, once."""
        os.close(self._handle)
        self._uploads.release(self._upload.id)


class OffsetMismatch(Problem):
    """A chunk that does not begin where the last one ended; `offset` is where it has to."""

    def __init__(self, detail: str, offset: int) -> None:
        super().__init__(409, OFFSET_MISMATCH, detail)
        self.offset = offset


def _read(folder: Folder, number: str) -> Upload | None:
    """None for what no server has written."""
    try:
        file = folder.file(f"{number}.json")
        body = json.loads(file.read(0, min(file.size, _META_BYTES)))
        upload = Upload(number, body["bytes"], body["offset"], body["sha256"], body["finished"])
    except (ValueError, KeyError, TypeError, RecursionError, Damaged, Gone):
        return None
    numbers = type(upload.bytes) is int and type(upload.offset) is int and 0 <= upload.offset <= upload.bytes
    texts = all(type(t) is str and (not t or _HEX64.fullmatch(t)) for t in (upload.sha256, upload.finished))
    if not numbers or not texts or upload.bytes > MAX_SAMPLE_BYTES:
        return None
    return replace(upload, touched=file.identity[3] / 1e9)


def _sum(file: File, size: int) -> str:
    hasher = hashlib.sha256()
    for at in range(0, size, COPIED):
        hasher.update(file.read(at, min(COPIED, size - at)))
    return hasher.hexdigest()


def _unlink(folder: Folder, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.descriptor)
