"""Tokens: what programs log in with. Everybody has their own."""

from __future__ import annotations

from blueno.db import people
from blueno.db.connect import Cursor
from blueno.db.people import TokenRow
from webui.auth import new_token
from webui.call import Call
from webui.keys import token_sum
from webui.kinds import Field, Object, Text, Whole
from webui.problems import Problem, not_found
from webui.routes import Answer, Permission, Reply, Route
from webui.views import token

MOST = 50  # tokens of one person


async def tokens(call: Call) -> Answer:
    """One's own, without the secrets."""
    return Answer({"items": [token(row) for row in await call.read(people.select_tokens, call.person.person_id)]})


async def add(call: Call) -> Answer:
    """A new token; its secret is in this answer and nowhere else."""
    secret = new_token()
    person, name = call.person.person_id, call.body["name"]
    call.subject = name

    def make(cursor: Cursor) -> TokenRow:
        if len(people.select_tokens(cursor, person)) >= MOST:
            raise Problem(409, "too_many_tokens", f"a person has at most {MOST} tokens: remove one first")
        return people.insert_token(cursor, token_sum(secret), person, name, call.body["expiresInDays"])

    return Answer(token(await call.change(make)) | {"token": secret}, 201)


async def remove(call: Call) -> Answer:
    """It is good for nothing from now on."""

    def gone(cursor: Cursor) -> bytes:
        total = people.delete_token(cursor, call.person.person_id, call.values["id"])
        if total is None:
            raise not_found("you have no such token")
        return total

    call.services.doorkeeper.forget(await call.change(gone))
    return Answer(None, 204)


_NEW = Object(
    {
        "name": Field(Text(max=100, min=1, pattern=r"[^\x00-\x1f\x7f]+", hint="must be one line")),
        "expiresInDays": Field(Whole(1, 3650), None),
    }
)
_ALL = "/api/v1/tokens"
ROUTES = (
    Route("GET", _ALL, Permission.PERSON, tokens, "One's own tokens", (Reply(200, "Tokens"),)),
    Route("POST", _ALL, Permission.PERSON, add, "Make a token", (Reply(201, "NewToken"),), body=_NEW, audit="create"),
    Route(
        *("DELETE", f"{_ALL}/{{id}}", Permission.PERSON, remove, "Remove a token", (Reply(204),)),
        kinds={"id": Whole(1, 2**63 - 1)},
        audit="delete",
    ),
)
