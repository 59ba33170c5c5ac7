"""A data server of the real code in this process, on a volume that the real preparation made. Used by tests and bench/.

Its grants are signed with keys that are made here, one pair per issuer.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from PIL import Image

from blueno.dataserver.app import make_app
from blueno.dataserver.config import ServerConfig
from blueno.dataserver.listen import Limits, listen
from blueno.grants import ISSUERS, MAX_TTL, Grant, sign
from tests.fakes.preparation import Place

_KEYS = {issuer: Ed25519PrivateKey.generate() for issuer in ISSUERS}
PRIVATE = {i: k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for i, k in _KEYS.items()}
PUBLIC = {
    i: k.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for i, k in _KEYS.items()
}


def bearer(dataset: str = "uid-1", issuer: Any = "web", seconds: int = 60, **changes: Any) -> dict[str, str]:
    """The header that lets one in; `changes` go to the Grant."""
    fields = {"actions": ("read",), "expires": int(time.time()) + seconds, "subject": "test", **changes}
    return {"Authorization": f"Bearer {sign(Grant(issuer=issuer, dataset=dataset, **fields), PRIVATE[issuer])}"}


@dataclass(frozen=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which must be JSON."""
        assert "json" in self.headers["Content-Type"], self
        return json.loads(self.body)

    def image(self) -> Image.Image:
        """The body, which must be a PNG that is whole."""
        assert (self.status, self.headers["Content-Type"]) == (200, "image/png"), self
        found = Image.open(io.BytesIO(self.body), formats=["PNG"])
        found.load()
        return found

    def pixels(self) -> np.ndarray[Any, Any]:
        """The PNG's pixels."""
        return np.asarray(self.image())

    def problem(self, status: int, code: str, field: str = "") -> str:
        """Asserts a problem of this kind; its sentence."""
        assert self.status == status, (self.status, self.body[:500])
        assert self.headers["Content-Type"].startswith("application/problem+json")
        body = self.json()
        assert (body["status"], body["code"]) == (status, code), body
        assert [e["field"] for e in body.get("errors", [])] == ([field] if field else []), body
        assert body["detail"]
        detail: str = body["detail"]
        return detail


class Served:
    """Talks to one data server."""

    def __init__(self, session: aiohttp.ClientSession, port: int, headers: Mapping[str, str]) -> None:
        self.session, self.port, self.headers = session, port, headers
        self.url = f"http://127.0.0.1:{port}"

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """With a grant, unless other headers are given."""
        given = self.headers if headers is None else headers
        async with self.session.request(method, self.url + path, headers=given, allow_redirects=False) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def held(self, path: str, **headers: str) -> Answer:
        """With a grant and more headers."""
        return await self.get(path, headers={**self.headers, **headers})

    async def version(self) -> str:
        """The `{v}` of the newest version."""
        digest: str = (await self.get("/v1/versions")).json()["versions"][0]["digest"]
        return f"/v1/versions/{digest[:16]}"


@asynccontextmanager
async def serving(place: Place, limits: Limits | None = None, dataset: str = "uid-1") -> AsyncIterator[Served]:
    """A data server on any free port."""
    config = ServerConfig(place.volume, place.root, dataset, PUBLIC, limits or Limits())
    listener = await listen(make_app(config), "127.0.0.1", 0, config.limits)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
            yield Served(session, listener.port, bearer(dataset, seconds=MAX_TTL - 60))
    finally:
        await listener.close()
