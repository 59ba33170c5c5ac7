"""POST /login: a token for a while."""

from __future__ import annotations

from blueno.db import people
from blueno.db.connect import Cursor
from webui.api.session import CREDENTIALS
from webui.auth import new_token
from webui.call import Call
from webui.keys import token_sum
from webui.routes import Answer, Permission, Reply, Route


async def log_in(call: Call) -> Answer:
    """Clients log in again by themselves when it has run out."""
    keeper = call.services.doorkeeper
    call.subject = call.body["email"].lower()
    person = await keeper.log_in(call.body["email"], call.body["password"], call.remote)
    secret = new_token()
    _, call.identity = keeper.new_session(person)  # for the audit row; nothing of it is kept

    def make(cursor: Cursor) -> None:
        people.insert_login_token(cursor, token_sum(secret), person.id)

    await call.change(make)
    return Answer({"access_token": secret})


ROUTES = (
    Route(
        *("POST", "/login", Permission.OPEN, log_in, "Log in, as in 2019", (Reply(200, "Login2019"),)),
        body=CREDENTIALS,
        audit="login",
    ),
)
