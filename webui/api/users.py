"""Users, for administrators. The same from the command line: webui/users.py."""

from __future__ import annotations

import secrets

from blueno.db import people
from blueno.db.connect import Cursor
from blueno.errors import Conflict
from webui.api.parameters import EMAIL, NAMESPACES, PASSWORD, ROLE
from webui.call import Call
from webui.kinds import LEFT_OUT, Field, Object
from webui.problems import FieldError, Problem, invalid, not_found
from webui.routes import Answer, Permission, Reply, Route
from webui.views import user


async def users(call: Call) -> Answer:
    """Everybody, in the order of addresses."""
    return Answer({"items": [user(person) for person in await call.read(people.select_people)]})


async def add(call: Call) -> Answer:
    """A new user. 409 when the address is taken."""
    email = call.body["email"].lower()
    call.subject = email
    password = await call.services.passwords.hashed(call.body["password"])
    namespaces = list(dict.fromkeys(call.body["namespaces"]))  # the first is the person's home, for clients of 2019
    try:
        person = await call.change(people.insert_person, email, password, call.body["role"], namespaces)
    except Conflict as error:
        raise Problem(409, "taken", str(error)) from None
    return Answer(user(person), 201)


async def remove(call: Call) -> Answer:
    """With sessions and tokens, at once. The last administrator stays."""
    email = call.values["email"].lower()

    def gone(cursor: Cursor) -> None:
        if not people.delete_person(cursor, email):
            raise not_found(f"there is no user {email}")

    try:
        await call.change(gone)
    except Conflict as error:
        raise Problem(409, "last_administrator", str(error)) from None
    call.services.doorkeeper.forget(email=email)
    return Answer(None, 204)


async def change(call: Call) -> Answer:
    """Another role, other namespaces: what is open feels it within seconds."""
    email, body = call.values["email"].lower(), call.body
    if not body:
        raise invalid([FieldError("body", "must hold role or namespaces")])
    call.detail = dict(body)
    namespaces = list(dict.fromkeys(body["namespaces"])) if "namespaces" in body else None

    def changed(cursor: Cursor) -> people.Person:
        person = people.change_person(cursor, email, body.get("role"), namespaces)
        if person is None:
            raise not_found(f"there is no user {email}")
        return person

    try:
        person = await call.change(changed)
    except Conflict as error:
        raise Problem(409, "last_administrator", str(error)) from None
    call.services.doorkeeper.forget(email=email)
    return Answer(user(person))


async def revoke(call: Call) -> Answer:
    """Ends this user's sessions and tokens; the password stays good."""
    email = call.values["email"].lower()

    def ended(cursor: Cursor) -> None:
        if not people.end_all(cursor, email):
            raise not_found(f"there is no user {email}")

    await call.change(ended)
    call.services.doorkeeper.forget(email=email)
    return Answer(None, 204)


async def reset(call: Call) -> Answer:
    """A new password, made up and told once; ends sessions and tokens."""
    password = secrets.token_urlsafe(15)
    await _set_password(call, password)
    return Answer({"password": password})


async def set_password(call: Call) -> Answer:
    """Ends this user's sessions and tokens, too."""
    await _set_password(call, call.body["password"])
    return Answer(None, 204)


async def _set_password(call: Call, new: str) -> None:
    email = call.values["email"].lower()
    password = await call.services.passwords.hashed(new)

    def change(cursor: Cursor) -> None:
        if not people.set_password(cursor, email, password):
            raise not_found(f"there is no user {email}")

    await call.change(change)
    call.services.doorkeeper.forget(email=email)


_NEW = Object(
    {"email": Field(EMAIL), "password": Field(PASSWORD), "role": Field(ROLE), "namespaces": Field(NAMESPACES, ())}
)
_ALL, _ONE = "/api/v1/users", "/api/v1/users/{email}"
ROUTES = (
    Route("GET", _ALL, Permission.ADMIN, users, "All users", (Reply(200, "Users"),)),
    Route("POST", _ALL, Permission.ADMIN, add, "Make a user", (Reply(201, "User"),), body=_NEW, audit="create"),
    Route(
        *("DELETE", _ONE, Permission.ADMIN, remove, "Remove a user", (Reply(204),)),
        kinds={"email": EMAIL},
        audit="delete",
    ),
    Route(
        *("POST", f"{_ONE}/password", Permission.ADMIN, set_password, "Set a user's password", (Reply(204),)),
        kinds={"email": EMAIL},
        body=Object({"password": Field(PASSWORD)}),
        audit="set-password",
    ),
    Route(
        *("PATCH", _ONE, Permission.ADMIN, change, "Change a user's role and namespaces", (Reply(200, "User"),)),
        kinds={"email": EMAIL},
        body=Object({"role": Field(ROLE, LEFT_OUT), "namespaces": Field(NAMESPACES, LEFT_OUT)}),
        audit="change",
    ),
    Route(
        *("POST", f"{_ONE}/reset", Permission.ADMIN, reset, "Make a new password up", (Reply(200, "Password"),)),
        kinds={"email": EMAIL},
        audit="set-password",
    ),
    Route(
        *("POST", f"{_ONE}/revoke", Permission.ADMIN, revoke, "End sessions and tokens", (Reply(204),)),
        kinds={"email": EMAIL},
        audit="revoke",
    ),
)
