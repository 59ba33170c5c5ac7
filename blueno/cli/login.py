"""`blueno login` and `logout`. Registered by app.py; calls the routes of webui/api/session.py and tokens.py.

Login changes a password into a token with an end, and keeps only the token. The password is neither an argument nor a
setting: it would be in the shell's history and in the list of processes.
"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from blueno import names
from blueno.cli import known, shell

if TYPE_CHECKING:
    from blueno.client.settings import Settings

API = "/api/v1"


@shell.command
def log_in(
    server: Annotated[
        str | None, typer.Argument(metavar="SERVER", help="Like https://blueno.example.org.", show_default=False)
    ] = None,
    email: Annotated[str | None, typer.Option("--email", help="Asked for when it is absent.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long the token is good for.")] = 90,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a token of the page Tokens instead of a password.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Of the context that keeps it; else the server's.", show_default=False
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("-n", "--namespace", metavar="NAME", help="That is meant later where no -n stands."),
    ] = None,
) -> None:
    """Log in to a server, once; later commands use the token that this saves.

    Each server is a context of its own, and the last login is the current one: `blueno config ls`.
    """
    from blueno.client import contexts, settings

    address = settings.checked_server(server or _known_server(), shell.variables())
    if name is not None:
        contexts.checked_name(name)
    if token_stdin:
        token, number = sys.stdin.readline(4096).strip(), None
    else:
        token, number = _token_for_password(address, email, days)
    person = _person(address, token)
    file = settings.save(settings.Settings(address, token, number, namespace, name, person), shell.variables())
    shell.out(f"logged in to {address} as {person}; the token is in {file}")


@shell.command
def log_out(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="[SERVER]",
            help="Address or context; else the current one.",
            show_default=False,
            autocompletion=known.contexts,
        ),
    ] = None,
) -> None:
    """Forget the saved token, and make it useless on the server."""
    from blueno.client import settings
    from blueno.client.http import Http
    from blueno.errors import BluenoError, NotFound

    saved = _saved(server)
    if saved is None:
        shell.say("nobody is logged in")
        return
    if saved.context is None:
        raise NotFound(f"no login of {saved.server} is saved here")
    settings.forget(shell.variables(), saved.context)
    if saved.token_id is not None:
        http = Http(saved.server, saved.token)
        try:
            http.send("DELETE", f"{API}/tokens/{saved.token_id}")
        except BluenoError as error:
            shell.say(f"the token is forgotten here but may still be good on the server ({error}): see its page Tokens")
        finally:
            http.close()
    shell.out(f"logged out of {saved.server}")


def _saved(server: str | None) -> Settings | None:
    """The login of a server, without what the environment says."""
    from blueno.client import settings

    if server is None:
        return settings.load(shell.variables())
    return settings.resolve(server, None, {k: v for k, v in shell.variables().items() if k != names.ENV_TOKEN})


def _known_server() -> str:
    from blueno.client import settings

    named = shell.variables().get(names.ENV_SERVER)
    saved = None if named else settings.load(shell.variables())
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
            made = Fields(http.send("POST", f"{API}/tokens", body=wanted, headers=ours).body, "token")
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
    from blueno.errors import Rejected

    http = Http(address, token)
    try:
        try:
            answer = http.get(f"{API}/session")
        except Rejected as error:
            if error.status == 401:
                raise Rejected(
                    "the server does not know this token: copy it again, from the page Tokens", 401
                ) from None
            raise
        return plain(Fields(answer.body, "session").text("email"), 200)
    finally:
        http.close()
