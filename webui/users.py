"""`python -m webui.users`: users from the command line, for administrators who may `kubectl exec` into the web
process.

  add EMAIL [--role ROLE] [--namespace NS …]   a new user; default: a viewer of no namespace
  ls                                           everybody
  rm EMAIL                                     with sessions and tokens
  reset EMAIL                                  a new password; ends sessions and tokens

A password is one line on standard input; without one (a terminal, or nothing) it is made up and printed once. Changes
reach a running web process within a few seconds.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

from blueno.db import audit, people
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Cursor
from blueno.db.pool import Pool
from blueno.errors import BluenoError, NotFound
from webui.api.parameters import EMAIL, NAMESPACES, PASSWORD
from webui.kinds import Kind, Wrong
from webui.passwords import hashed

T = TypeVar("T")


def main(arguments: Sequence[str], config: DatabaseConfig, stdin: TextIO | None = None) -> int:
    """0; 1 when it could not be done (said on standard error); 2 for wrong arguments."""
    options = _parser().parse_args(arguments)
    pool = Pool(config, "blueno-users")
    try:
        print(_COMMANDS[options.command](pool, options, stdin or sys.stdin), end="")
    except Wrong as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    except BluenoError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        pool.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m webui.users", description="Users of the web process.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="a new user")
    add.add_argument("email")
    add.add_argument("--role", choices=people.ROLES, default="viewer")
    add.add_argument("--namespace", action="append", default=[], help="may be given more than once; '*' stands for all")
    commands.add_parser("ls", help="everybody")
    commands.add_parser("rm", help="remove a user").add_argument("email")
    commands.add_parser("reset", help="a new password").add_argument("email")
    return parser


def _add(pool: Pool, options: argparse.Namespace, stdin: TextIO) -> str:
    email = _checked(EMAIL, options.email, "the address").lower()
    namespaces = list(dict.fromkeys(_checked(NAMESPACES, options.namespace, "namespaces")))
    password, said = _password(stdin)
    stored = hashed(password)
    _write(pool, "create", email, lambda cursor: people.insert_person(cursor, email, stored, options.role, namespaces))
    return f"{email} is there now, as {options.role} of {', '.join(namespaces) or 'no namespace'}\n{said}"


def _ls(pool: Pool, options: argparse.Namespace, stdin: TextIO) -> str:
    del options, stdin
    with pool.transaction(read_only=True) as cursor:
        found = people.select_people(cursor)
    return "".join(f"{person.email}\t{person.role}\t{','.join(person.namespaces) or '-'}\n" for person in found)


def _rm(pool: Pool, options: argparse.Namespace, stdin: TextIO) -> str:
    del stdin
    email = options.email.lower()
    _write(pool, "delete", email, lambda cursor: _found(email, people.delete_person(cursor, email)))
    return f"{email} is gone, with all sessions and tokens\n"


def _reset(pool: Pool, options: argparse.Namespace, stdin: TextIO) -> str:
    email = options.email.lower()
    password, said = _password(stdin)
    stored = hashed(password)
    _write(pool, "set-password", email, lambda cursor: _found(email, people.set_password(cursor, email, stored)))
    return f"{email} has a new password; sessions and tokens are ended\n{said}"


_COMMANDS: dict[str, Callable[[Pool, argparse.Namespace, TextIO], str]] = {
    "add": _add,
    "ls": _ls,
    "rm": _rm,
    "reset": _reset,
}


def _write(pool: Pool, verb: str, email: str, work: Callable[[Cursor], T]) -> T:
    """With an audit row: `kubectl exec` does not say who it was."""
    with pool.transaction() as cursor:
        done = work(cursor)
        audit.insert_audit(cursor, audit.AuditRow("", verb, "users", "ok", name=email, detail={"by": "command line"}))
    return done


def _found(email: str, yes: bool) -> None:
    if not yes:
        raise NotFound(f"there is no user {email}: `python -m webui.users ls` shows who there is")


def _password(stdin: TextIO) -> tuple[str, str]:
    """(password, what to print): one line of input, or a new one."""
    typed = "" if stdin.isatty() else stdin.readline(2048).rstrip("\r\n")
    if typed:
        return _checked(PASSWORD, typed, "the password"), ""
    made = secrets.token_urlsafe(15)
    return made, f"password (shown only now): {made}\n"


def _checked(kind: Kind, value: object, what: str) -> str:
    try:
        checked: str = kind.check(value)
    except Wrong as error:
        raise Wrong(*(type(e)(what + e.field, e.message) for e in error.errors)) from None
    return checked


if __name__ == "__main__":
    try:
        database = DatabaseConfig.from_env(os.environ)
    except BluenoError as failure:
        sys.exit(str(failure))
    sys.exit(main(sys.argv[1:], database))
