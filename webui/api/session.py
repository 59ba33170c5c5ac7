"""Setup, login, logout, and who is logged in."""

from __future__ import annotations

from blueno.db import people
from blueno.db.connect import Cursor
from webui.api.parameters import ANY_PASSWORD, EMAIL, PASSWORD
from webui.auth import COOKIE, Identity
from webui.call import Call
from webui.kinds import Field, Object, Text
from webui.problems import Problem
from webui.routes import Answer, Permission, Reply, Route
from webui.setup import use_code

_CODE = Text(max=40, min=1)


async def needed(call: Call) -> Answer:
    """Whether there is nobody yet."""
    return Answer({"needed": await call.read(people.is_nobody)})


async def setup(call: Call) -> Answer:
    """Makes the first user, an administrator, for who read the code in the log. Of two at once, one wins."""
    keeper = call.services.doorkeeper
    keeper.limit_setup(call.remote)
    email = call.body["email"].lower()
    call.subject = email
    password = await call.services.passwords.hashed(call.body["password"])

    def make(cursor: Cursor) -> tuple[str, Identity]:
        if not use_code(cursor, call.body["code"], call.services.keys):
            raise Problem(403, "wrong_code", "this is not the code, or there is a user already; the log has the code")
        person = people.insert_person(cursor, email, password, "admin", [people.EVERY_NAMESPACE])
        secret, identity = keeper.new_session(person)
        keeper.begin(cursor, identity)
        return secret, identity

    secret, identity = await call.change(make)
    return Answer(_person(identity) | {"server": {"version": call.services.version}}, 201, cookie=secret)


async def log_in(call: Call) -> Answer:
    """A session, as a cookie."""
    keeper = call.services.doorkeeper
    call.subject = call.body["email"].lower()
    person = await keeper.log_in(call.body["email"], call.body["password"], call.remote)
    secret, identity = keeper.new_session(person)
    call.identity = identity
    old = call.request.cookies.get(COOKIE, "")

    def begin(cursor: Cursor) -> None:
        if old:  # whoever logs in anew leaves nothing behind
            people.delete_session(cursor, call.services.keys.session_sum(old))
        keeper.begin(cursor, identity)

    await call.change(begin)
    return Answer(_person(identity), cookie=secret)


async def log_out(call: Call) -> Answer:
    """Ends the session; a token stays good."""
    person = call.person
    if not person.by_token:
        await call.change(people.delete_session, person.total)
        call.services.doorkeeper.forget(person.total)
    return Answer(None, 204, cookie="")


async def session(call: Call) -> Answer:
    """Who is logged in."""
    return Answer(_person(call.person) | {"server": {"version": call.services.version}})


def _person(identity: Identity) -> dict[str, object]:
    return {"email": identity.email, "role": identity.role, "namespaces": list(identity.namespaces)}


CREDENTIALS = Object({"email": Field(EMAIL), "password": Field(ANY_PASSWORD)})
_FIRST = Object({"code": Field(_CODE), "email": Field(EMAIL), "password": Field(PASSWORD)})
_IN = "/api/v1"
ROUTES = (
    Route("GET", f"{_IN}/setup", Permission.OPEN, needed, "Whether the first user is missing", (Reply(200, "Setup"),)),
    Route(
        *("POST", f"{_IN}/setup", Permission.OPEN, setup, "Make the first user", (Reply(201, "Session"),)),
        body=_FIRST,
        audit="setup",
    ),
    Route(
        *("POST", f"{_IN}/login", Permission.OPEN, log_in, "Log in", (Reply(200, "Person"),)),
        body=CREDENTIALS,
        audit="login",
    ),
    Route("POST", f"{_IN}/logout", Permission.PERSON, log_out, "Log out", (Reply(204),), audit="logout"),
    Route("GET", f"{_IN}/session", Permission.PERSON, session, "Who is logged in", (Reply(200, "Session"),)),
)
