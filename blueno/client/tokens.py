"""`client.tokens`: one's own tokens, what programs log in with. Called by people's scripts and blueno/cli.

Calls asking.py. Every method raises the errors of blueno/errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno.client import asking
from blueno.client.driving import Facade, Transport, blocking
from blueno.client.exchange import Request
from blueno.client.reading import Fields

TOKENS = "/api/v1/tokens"


@dataclass(frozen=True)
class Token:
    """A token. Its secret is known only when it is made: `NewToken`."""

    id: int
    name: str
    created_at: datetime | None
    used_at: datetime | None
    expires_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields) -> Token:
        """From JSON. Raises BluenoError."""
        return cls(
            id=fields.whole("id"),
            name=fields.text("name"),
            created_at=fields.time("createdAt"),
            used_at=fields.time("usedAt"),
            expires_at=fields.time("expiresAt"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class NewToken:
    """A token that was just made. `secret` is in this answer and nowhere else."""

    id: int
    secret: str = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)


class AsyncTokens:
    """The tokens of the person who asks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[Token]:
        """All of them, without their secrets."""
        answer = await asking.get(self._transport, TOKENS)
        return [Token.parse(item) for item in Fields(answer.body, "tokens").each("items")]

    async def add(self, name: str, *, days: int | None = 90) -> NewToken:
        """A new one, for `days` (None: until it is removed). Never tried twice by itself."""
        answer = await self._transport.send(Request("POST", TOKENS, body={"name": name, "expiresInDays": days}))
        fields = Fields(answer.body, "token")
        return NewToken(fields.whole("id"), fields.text("token"), fields.raw)

    async def remove(self, number: int) -> None:
        """It is good for nothing from now on. NotFound: you have no such token."""
        await self._transport.send(Request("DELETE", f"{TOKENS}/{int(number)}"))


class Tokens(Facade[AsyncTokens]):
    """The tokens of the person who asks."""

    list = blocking(AsyncTokens.list)
    add = blocking(AsyncTokens.add)
    remove = blocking(AsyncTokens.remove)
