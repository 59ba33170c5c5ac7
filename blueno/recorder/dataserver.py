"""Reads from one data set's data server: which versions there are, their manifests, their indexes.

Called by load.py. What comes is checked: the volume behind it belongs to users, the way to it is a network.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from blueno import names
from blueno.data.manifest import DataFile
from blueno.db.working_lines import Part
from blueno.errors import BluenoError, Unavailable
from blueno.grants import READ, TTL, Grant, sign

LIST_BYTES = 8 << 20
MANIFEST_BYTES = 64 << 20
CHUNK = 256 << 10
CALL_SECONDS = 30.0
SILENCE_SECONDS = 20.0  # in the middle of an index
PROBE_SECONDS = 2.0
LINES = 20_000  # of a working set's feed, in one answer
PART_BYTES = 16 << 20  # and as many bytes of it, when lines are long
_WHOLE = re.compile(r"[0-9]{1,18}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


class VersionUnusable(BluenoError):
    """This version is damaged or gone: asking again cannot help before somebody has done something."""


class NotThere(VersionUnusable):
    """The data server knows no such thing."""


@dataclass(frozen=True)
class Changes:
    """A part of a working set's feed, the working set's revision, and whether the part goes up to there."""

    part: Part
    revision: int
    whole: bool

    @property
    def upto(self) -> int:
        """Everything up to here is known with this part."""
        return self.revision if self.whole else self.part.last


@dataclass(frozen=True)
class Version:
    """As a data server lists it."""

    digest: str
    sequence: int
    sealed_at: datetime
    samples: int
    bytes: int


class DataServer:
    """Every call raises Unavailable when there is no good answer, VersionUnusable when there will be none."""

    def __init__(self, session: aiohttp.ClientSession, url: str, uid: str, key_file: Path) -> None:
        self._session, self._url, self._uid, self._key_file = session, url, uid, key_file

    async def ready(self, seconds: float) -> None:
        """Waits until it answers that it is ready. Raises Unavailable with what it said last."""
        until = asyncio.get_running_loop().time() + seconds
        pause, said = 0.1, "it does not answer"
        while True:
            try:
                timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
                async with self._session.get(f"{self._url}/readyz", timeout=timeout) as answer:
                    if answer.status == 200:
                        return
                    said = _detail(await answer.content.read(4096)) or f"it answers HTTP {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError):
                said = "it does not answer"
            if asyncio.get_running_loop().time() + pause > until:
                raise Unavailable(f"the data server was not ready within {seconds:g} s: {said}")
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 1.5)

    async def versions(self) -> list[Version]:
        """Newest first."""
        try:
            return [_version(body) for body in (await self._json("/v1/versions", LIST_BYTES))["versions"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Unavailable("the data server's list of versions is not readable") from error

    async def manifest(self, digest: str) -> tuple[dict[str, Any], DataFile]:
        """manifest.json without its shards; name, size and sum of its index."""
        body = await self._json(f"/v1/versions/{digest[:16]}/manifest", MANIFEST_BYTES)
        try:
            index = DataFile.from_dict(body["index"])
            if body["digest"] != digest or not _HEX64.fullmatch(index.sha256) or index.bytes < 0:
                raise ValueError("another version")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise VersionUnusable(f"the manifest of version {digest[:16]} is not readable") from error
        return body, index

    async def save_index(self, digest: str, index: DataFile, target: Path) -> None:
        """Writes the index to `target`; its size and its sum are those of the manifest."""
        hasher, size = hashlib.sha256(), 0
        async with self._get(f"/v1/versions/{digest[:16]}/index", None) as answer:
            with await asyncio.to_thread(target.open, "wb") as file:
                async for chunk in answer.content.iter_chunked(CHUNK):
                    size += len(chunk)
                    if size > index.bytes:
                        break
                    await asyncio.to_thread(_take, file, hasher, chunk)
        if size != index.bytes:
            raise VersionUnusable(
                f"index.arrow has not the {index.bytes} bytes that version {digest[:16]} was sealed with"
            )
        if hasher.hexdigest() != index.sha256:
            raise VersionUnusable(
                f"index.arrow is not the one that version {digest[:16]} was sealed with (sha256 differs)"
            )

    async def changes(self, after: int) -> Changes:
        """What the working set's journal says after `after`, as far as fits into one part."""
        part, rest, size = Part(), b"", 0
        try:
            async with self._get(f"/v1/working/changes?after={after}&limit={LINES}", CALL_SECONDS) as answer:
                said = answer.headers.get(names.REVISION, "")
                if not _WHOLE.fullmatch(said):
                    raise Unavailable("the data server does not say up to where its working set is")
                async for chunk in answer.content.iter_chunked(CHUNK):
                    size += len(chunk)
                    rest = await asyncio.to_thread(part.take_all, rest + chunk)
                    if size > PART_BYTES and not part.in_long_line:
                        return Changes(part, int(said), False)
        except NotThere:  # a server of an image that knows no working sets: there is none, or it is not told now
            if not after:
                return Changes(Part(), 0, True)
            raise Unavailable("the data server is of a version that knows no working sets") from None
        except VersionUnusable as error:
            raise Unavailable(str(error)) from error
        if rest:
            raise Unavailable("the data server's last line is not whole")
        return Changes(part, int(said), part.lines < LINES)

    async def _json(self, path: str, most: int) -> dict[str, Any]:
        async with self._get(path, CALL_SECONDS) as answer:
            chunks, size = [], 0
            async for chunk in answer.content.iter_chunked(CHUNK):
                chunks.append(chunk)
                size += len(chunk)
                if size > most:
                    raise VersionUnusable(f"an answer of more than {most} bytes to {path}")
        try:
            body = json.loads(b"".join(chunks))
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"the data server's answer to {path} is not JSON") from error
        if not isinstance(body, dict):
            raise Unavailable(f"the data server's answer to {path} is no JSON object")
        return body

    @asynccontextmanager
    async def _get(self, path: str, seconds: float | None) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=seconds, connect=5.0, sock_read=SILENCE_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {await asyncio.to_thread(self._grant)}"}
            async with self._session.get(
                self._url + path, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    detail = _detail(await answer.content.read(4096)) or f"HTTP {answer.status}"
                    if answer.status == 404:
                        raise NotThere(detail)
                    if answer.status in (409, 410):
                        raise VersionUnusable(detail)
                    raise Unavailable(f"the data server refuses: {detail}")
                yield answer
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unavailable(f"the data server broke off ({type(error).__name__})") from error

    def _grant(self) -> str:
        """Short, and made anew for every request. Raises Unavailable while there is no key."""
        try:
            key = self._key_file.read_bytes()
            return sign(Grant("recorder", self._uid, (READ,), int(time.time()) + TTL, "recorder"), key)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._key_file} does not hold the key that grants are signed with") from error


def _take(file: Any, hasher: Any, chunk: bytes) -> None:
    file.write(chunk)
    hasher.update(chunk)


def _version(body: Any) -> Version:
    digest, sequence = body["digest"], body["sequence"]
    samples, size = body["samples"], body["bytes"]
    numbers = all(type(n) is int and 0 <= n < 1 << 62 for n in (sequence, samples, size))
    if not isinstance(digest, str) or not _HEX64.fullmatch(digest) or not numbers:
        raise ValueError("not a version")
    sealed_at = datetime.fromisoformat(body["sealedAt"])
    return Version(digest, sequence, sealed_at if sealed_at.tzinfo else sealed_at.replace(tzinfo=UTC), samples, size)


def _detail(data: bytes) -> str:
    """The sentence of a problem, if it is one."""
    try:
        detail = json.loads(data)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return detail[:300] if isinstance(detail, str) else ""
