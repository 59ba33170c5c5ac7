"""`blueno login` and `logout`. Registered by app.py; calls the routes of webui/api/session.py and tokens.py.

Login changes a password into a token with an end, and keeps only the token. The password is neither an argument nor a
setting: it would be in the shell's history and in the list of processes.
"""

from __future__ import annotations

import platform
import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from blueno.cli import shell

API = "/api/v1"


@shell.command
def log_in(
    server: Annotated[
        str | None, typer.Argument(metavar="[SERVER]", help="Like https://blueno.example.org.", show_default=False)
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="Asked for when it is absent.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long the token is good for.")] = 90,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a token of the page Tokens instead of a password.")
    ] = False,
) -> None:
    """Log in to a server, once; later commands use the token that this saves."""
    from blueno.client import settings

    address = settings.checked_server(server or _known_server(), shell.environ())
    if token_stdin:
        token, number = sys.stdin.readline(4096).strip(), None
    else:
        token, number = _token_for_password(address, email, days)
    person = _person(address, token)
    file = settings.save(settings.Settings(address, token, number), shell.environ())
    shell.out(f"logged in to {address} as {person}; the token is in {file}")


@shell.command
def log_out() -> None:
    """Forget the saved token, and make it useless on the server."""
    from blueno.client import settings
    from blueno.client.http import Http
    from blueno.errors import BluenoError

    saved = settings.load(shell.environ())
    if saved is None:
        shell.say("nobody is logged in")
        return
    settings.forget(shell.environ())
    if saved.token_id is not None:
        http = Http(saved.server, saved.token)
        try:
            http.send("DELETE", f"{API}/tokens/{saved.token_id}")
        except BluenoError as error:
            shell.say(f"the token is forgotten here but may still be good on the server ({error}): see its page Tokens")
        finally:
            http.close()
    shell.out(f"logged out of {saved.server}")


def _known_server() -> str:
    from blueno import names
    from blueno.client import settings

    named = shell.environ().get(names.ENV_SERVER)
    saved = None if named else settings.load(shell.environ())
    if not named and saved is None:
        raise typer.BadParameter("which server? Like this: blueno login https://blueno.example.org")
    return named or (saved.server if saved is not None else "")


def _token_for_password(address: str, email: str | None, days: int) -> tuple[str, int]:
    """Session, token, and the session's end. The cookie lives only as long as this."""
    from blueno.client.http import Http
    from blueno.client.reading import Fields
    from blueno.errors import BluenoError, Rejected

    if not sys.stdin.isatty():
        raise BluenoError(
            "a password is asked for in a terminal only: make a token on the page Tokens, use --token-stdin"
        )
    who = email or typer.prompt("Email")
    password = typer.prompt("Password", hide_input=True)
    parts = urlsplit(address)
    ours = {"Origin": f"{parts.scheme}://{parts.netloc}"}  # a change by cookie must say that it is no other site's
    http = Http(address, None)
    try:
        try:
            http.send("POST", f"{API}/login", body={"email": who, "password": password}, headers=ours)
        except Rejected as error:
            if error.status == 401:
                raise Rejected("the address or the password is not right", 401) from None
            raise
        try:
            wanted = {"name": f"blueno login on {platform.node()[:60] or 'a computer'}", "expiresInDays": days}
            made = Fields(http.send("POST", f"{API}/tokens", body=wanted, headers=ours), "token")
            return made.text("token"), made.whole("id")
        finally:
            http.send("POST", f"{API}/logout", headers=ours)
    finally:
        http.close()


def _person(address: str, token: str) -> str:
    """Whose token it is; proves that it is good before it is saved."""
    from blueno.client.http import Http
    from blueno.client.reading import Fields
    from blueno.client.words import plain

    http = Http(address, token)
    try:
        answer: Any = http.get(f"{API}/session")
        return plain(Fields(answer, "session").text("email"), 200)
    finally:
        http.close()
