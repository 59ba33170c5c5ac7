"""`blueno user …`: who may log in, for administrators. In app.py's tree; calls blueno/client.

The same without a server's help, for who may `kubectl exec`: python -m webui.users.
"""

from __future__ import annotations

import secrets
import sys
from enum import StrEnum
from typing import Annotated

import typer

from blueno.cli import shell
from blueno.cli.options import Format, Yes
from blueno.cli.shell import Output
from blueno.errors import BluenoError, InvalidSpec


class Role(StrEnum):
    """What somebody may do in the namespaces that are theirs."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Of the user.", show_default=False)]
Place = Annotated[
    list[str] | None,
    typer.Option(
        "-n",
        "--namespace",
        metavar="NAME",
        help="That the user sees; as often as needed, * is all.",
        show_default=False,
    ),
]
Stdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read a line of standard input; else a password is made up and printed."),
]


@shell.served
def add(email: Email, role: Role = Role.VIEWER, namespace: Place = None, password_stdin: Stdin = False) -> None:
    """Make a user: a viewer of no namespace, unless you say more."""
    password = _password(password_stdin)
    with shell.client() as client:
        made = client.users.add(email, password, role=role.value, namespaces=namespace or ())
    shell.out(f"{made.email} is there now, as {made.role} of {_places(made.namespaces)}")
    _tell(password, password_stdin)


@shell.served
def ls(output: Format = Output.TABLE) -> None:
    """List all users."""
    from datetime import UTC, datetime

    from blueno.cli import printing, text
    from blueno.client.words import plain

    with shell.client() as client:
        found = client.users.list()
    if output is Output.NAME:
        for one in found:
            shell.out(plain(one.email, 200))
    elif output is not Output.TABLE:
        printing.data([dict(one.raw) for one in found], output)
    else:
        now = datetime.now(UTC)
        rows = [
            (plain(o.email, 200), plain(o.role, 40), _places(o.namespaces), text.age(o.created_at, now)) for o in found
        ]
        for line in text.columns([("EMAIL", "ROLE", "NAMESPACES", "AGE"), *rows]):
            shell.out(line)


@shell.served
def set_(
    email: Email,
    role: Annotated[Role | None, typer.Option("--role", help="Instead of the present one.", show_default=False)] = None,
    namespace: Place = None,
    nowhere: Annotated[bool, typer.Option("--no-namespaces", help="The user sees nothing any more.")] = False,
) -> None:
    """Give a user another role, or other namespaces instead of the present ones."""
    if role is None and not namespace and not nowhere:
        raise typer.BadParameter("say what changes: --role, -n or --no-namespaces")
    if namespace and nowhere:
        raise typer.BadParameter("goes without -n", param_hint="--no-namespaces")
    with shell.client() as client:
        changed = client.users.change(
            email, role=role.value if role else None, namespaces=namespace or (() if nowhere else None)
        )
    shell.out(f"{changed.email} is {changed.role} of {_places(changed.namespaces)}")


@shell.served
def reset(email: Email, password_stdin: Stdin = False) -> None:
    """Set another password; ends the user's sessions and tokens."""
    password = _password(password_stdin)
    with shell.client() as client:
        client.users.set_password(email, password)
    shell.out(f"{email} has a new password; sessions and tokens are ended")
    _tell(password, password_stdin)


@shell.served
def rm(email: Email, yes: Yes = False) -> None:
    """Remove a user, with sessions and tokens, at once."""
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidSpec("--yes", "is needed where nobody can be asked")
        if not typer.confirm(f"Remove {email}?", err=True):
            raise BluenoError("nobody was removed")
    with shell.client() as client:
        client.users.remove(email)
    shell.out(f"{email} is gone, with all sessions and tokens")


def _password(from_stdin: bool) -> str:
    """One line of standard input, or a new one. Never an argument: it would be in the list of processes."""
    if not from_stdin:
        return secrets.token_urlsafe(15)
    line = sys.stdin.readline(2048).rstrip("\r\n")
    if not line:
        raise InvalidSpec("--password-stdin", "there is no line on standard input")
    return line


def _tell(password: str, from_stdin: bool) -> None:
    if not from_stdin:
        shell.out(f"password (shown only now): {password}")


def _places(namespaces: tuple[str, ...]) -> str:
    from blueno.client.words import plain

    return ", ".join("all namespaces" if one == "*" else plain(one, 63) for one in namespaces) or "no namespace"
