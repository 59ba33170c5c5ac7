"""`client.users`: who may log in, for administrators. Called by people's scripts and blueno/cli; calls asking.py.

Every method raises the errors of blueno/errors.py; Rejected with status 403 for who is no administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno.client import asking
from blueno.client.driving import Facade, Transport, blocking
from blueno.client.exchange import Request
from blueno.client.reading import Fields

USERS = "/api/v1/users"


@dataclass(frozen=True)
class User:
    """A person. `role`: admin, editor or viewer. `namespaces`: where; "*" is everywhere, none is nowhere."""

    email: str
    role: str
    namespaces: tuple[str, ...]
    created_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields) -> User:
        """From JSON. Raises BluenoError."""
        texts = fields.text("email"), fields.text("role"), fields.texts("namespaces")
        return cls(*texts, fields.time("createdAt"), fields.raw)


class AsyncUsers:
    """The people of one server."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[User]:
        """Everybody, by address."""
        answer = await asking.get(self._transport, USERS)
        return [User.parse(item) for item in Fields(answer.body, "users").each("items")]

    async def add(self, email: str, password: str, *, role: str = "viewer", namespaces: Iterable[str] = ()) -> User:
        """A new user. Conflict: there is one of that address."""
        body = {"email": email, "password": password, "role": role, "namespaces": [*namespaces]}
        answer = await self._transport.send(Request("POST", USERS, body=body))
        return User.parse(Fields(answer.body, "user"))

    async def change(self, email: str, *, role: str | None = None, namespaces: Iterable[str] | None = None) -> User:
        """Another role, or other namespaces. Conflict: it would leave no administrator."""
        body: dict[str, Any] = {} if role is None else {"role": role}
        if namespaces is not None:
            body["namespaces"] = [*namespaces]
        answer = await self._transport.send(Request("PATCH", _path(email), body=body))
        return User.parse(Fields(answer.body, "user"))

    async def set_password(self, email: str, password: str) -> None:
        """Ends this user's sessions and tokens, too."""
        await self._transport.send(Request("POST", f"{_path(email)}/password", body={"password": password}))

    async def reset(self, email: str) -> str:
        """A new password that the server makes up, told once; sessions and tokens of this user end."""
        answer = await self._transport.send(Request("POST", f"{_path(email)}/reset"))
        return Fields(answer.body, "answer").text("password")

    async def revoke(self, email: str) -> None:
        """Ends sessions and tokens; the password stays good."""
        await self._transport.send(Request("POST", f"{_path(email)}/revoke"))

    async def remove(self, email: str) -> None:
        """With sessions and tokens, at once. Conflict: it is the last administrator."""
        await self._transport.send(Request("DELETE", _path(email)))


class Users(Facade[AsyncUsers]):
    """The people of one server."""

    list = blocking(AsyncUsers.list)
    add = blocking(AsyncUsers.add)
    change = blocking(AsyncUsers.change)
    set_password = blocking(AsyncUsers.set_password)
    reset = blocking(AsyncUsers.reset)
    revoke = blocking(AsyncUsers.revoke)
    remove = blocking(AsyncUsers.remove)


def _path(email: str) -> str:
    return f"{USERS}/{asking.segment(email, 'user')}"
