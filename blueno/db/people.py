"""Persons, what they hold (sessions, tokens), and the setup code: schema `record`.

Called by webui/ (auth.py, api/, users.py) with a cursor in a transaction. Times are the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno.db.connect import Cursor
from blueno.errors import Conflict

ROLES = ("admin", "editor", "viewer")
EVERY_NAMESPACE = "*"
SESSION_IDLE = "12 hours"
SESSION_TOTAL = "7 days"
LOGIN_TOTAL = "12 hours"  # of a token that a client of 2019 logged in for
LOGINS_KEPT = 200  # of one person: many workers may log in as one
_SEEN_EVERY = "5 minutes"  # how exactly seen_at and used_at are kept: not a write for every request


@dataclass(frozen=True)
class Person:
    """Somebody who may log in. `namespaces` is what this person may see at most; "*" stands for all."""

    id: int
    email: str
    role: str
    namespaces: tuple[str, ...]
    created_at: datetime
    password: str = field(repr=False)


@dataclass(frozen=True)
class Holder:
    """Who holds a session or token that is good now; `stale` asks for `touch_…`."""

    person_id: int
    email: str
    role: str
    namespaces: tuple[str, ...]
    stale: bool


@dataclass(frozen=True)
class TokenRow:
    """A token of somebody, without the secret."""

    id: int
    name: str
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None


_PERSON = "id, email, role, namespaces, created_at, password"
_HOLDER = "person.id, person.email, person.role, person.namespaces"
_NEW_PERSON = f"""
INSERT INTO record.person (email, password, role, namespaces) VALUES (%s, %s, %s, %s)
ON CONFLICT (email) DO NOTHING RETURNING {_PERSON}
"""  # noqa: S608  # constants
_SESSION = f"""
SELECT {_HOLDER}, seen_at < now() - interval '{_SEEN_EVERY}'
FROM record.session JOIN record.person ON person.id = person_id
WHERE sum = %s AND disabled_at IS NULL AND expires_at > now() AND seen_at > now() - interval '{SESSION_IDLE}'
"""  # noqa: S608  # constants
_TOKEN = f"""
SELECT {_HOLDER}, coalesce(used_at < now() - interval '{_SEEN_EVERY}', true)
FROM record.token JOIN record.person ON person.id = person_id
WHERE sum = %s AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""  # noqa: S608
_NEW_SESSION = f"""
INSERT INTO record.session (sum, person_id, expires_at) VALUES (%s, %s, now() + interval '{SESSION_TOTAL}')
"""  # noqa: S608
_OLD_SESSIONS = f"""
DELETE FROM record.session WHERE expires_at < now() OR seen_at < now() - interval '{SESSION_IDLE}'
"""  # noqa: S608


_NEW_LOGIN = f"""
INSERT INTO record.token (sum, person_id, name, expires_at, by_login)
VALUES (%s, %s, 'login', now() + interval '{LOGIN_TOTAL}', true)
"""  # noqa: S608
_OLD_LOGINS = """
DELETE FROM record.token WHERE person_id = %s AND by_login AND (expires_at < now() OR id <= (
    SELECT id FROM record.token WHERE person_id = %s AND by_login ORDER BY id DESC OFFSET %s - 1 LIMIT 1
))
"""


# Persons ------------------------------------------------------------------------------------------------


def select_person(cursor: Cursor, email: str) -> Person | None:
    """Who may log in under this address (lower case)."""
    cursor.execute(f"SELECT {_PERSON} FROM record.person WHERE email = %s AND disabled_at IS NULL", (email,))  # noqa: S608
    row = cursor.fetchone()
    return None if row is None else _person(row)


def select_people(cursor: Cursor, limit: int = 1000) -> list[Person]:
    """In the order of addresses."""
    cursor.execute(f"SELECT {_PERSON} FROM record.person WHERE disabled_at IS NULL ORDER BY email LIMIT %s", (limit,))  # noqa: S608
    return [_person(row) for row in cursor.fetchall()]


def is_nobody(cursor: Cursor) -> bool:
    """Whether there is no person at all, so that the setup code is what opens the door."""
    cursor.execute("SELECT NOT EXISTS (SELECT FROM record.person)")
    (nobody,) = cursor.fetchone() or (False,)
    return bool(nobody)


def insert_person(cursor: Cursor, email: str, password: str, role: str, namespaces: Sequence[str]) -> Person:
    """`password` as webui/passwords.py hashed it. Raises Conflict when the address is taken."""
    cursor.execute(_NEW_PERSON, (email, password, role, list(namespaces)))
    row = cursor.fetchone()
    if row is None:
        raise Conflict(f"there is a user {email} already")
    return _person(row)


def delete_person(cursor: Cursor, email: str) -> bool:
    """With sessions and tokens; False when there is none. Raises Conflict for the last administrator."""
    cursor.execute("LOCK TABLE record.person IN SHARE ROW EXCLUSIVE MODE")  # two administrators removing each other
    cursor.execute(
        "SELECT role, (SELECT count(*) FROM record.person WHERE role = 'admin') FROM record.person WHERE email = %s",
        (email,),
    )
    row = cursor.fetchone()
    if row is None:
        return False
    if row == ("admin", 1):
        raise Conflict(f"{email} is the last administrator: make another one first")
    cursor.execute("DELETE FROM record.person WHERE email = %s", (email,))
    return True


def change_person(cursor: Cursor, email: str, role: str | None, namespaces: Sequence[str] | None) -> Person | None:
    """Another role, other namespaces; None when there is nobody. Raises Conflict for the last administrator."""
    cursor.execute("LOCK TABLE record.person IN SHARE ROW EXCLUSIVE MODE")  # two administrators demoting each other
    if role not in (None, "admin"):
        cursor.execute("SELECT email FROM record.person WHERE role = 'admin' LIMIT 2")
        if cursor.fetchall() == [(email,)]:
            raise Conflict(f"{email} is the last administrator: make another one first")
    cursor.execute(
        "UPDATE record.person SET role = coalesce(%s, role), namespaces = coalesce(%s, namespaces)"  # noqa: S608
        f" WHERE email = %s RETURNING {_PERSON}",
        (role, None if namespaces is None else list(namespaces), email),
    )
    row = cursor.fetchone()
    return None if row is None else _person(row)


def end_all(cursor: Cursor, email: str) -> bool:
    """All sessions and tokens of this person are over; False when there is none."""
    cursor.execute("SELECT id FROM record.person WHERE email = %s FOR UPDATE", (email,))
    row = cursor.fetchone()
    if row is None:
        return False
    _end(cursor, row)
    return True


def set_password(cursor: Cursor, email: str, password: str) -> bool:
    """Ends all sessions and tokens of this person, too; False when there is none."""
    cursor.execute("UPDATE record.person SET password = %s WHERE email = %s RETURNING id", (password, email))
    row = cursor.fetchone()
    if row is None:
        return False
    _end(cursor, row)
    return True


def _end(cursor: Cursor, row: tuple[Any, ...]) -> None:
    cursor.execute("DELETE FROM record.session WHERE person_id = %s", row)
    cursor.execute("DELETE FROM record.token WHERE person_id = %s", row)


def _person(row: tuple[Any, ...]) -> Person:
    number, email, role, namespaces, created_at, password = row
    return Person(number, email, role, tuple(namespaces), created_at, password)


# What persons hold ----------------------------------------------------------------------------------------


def insert_session(cursor: Cursor, total: bytes, person_id: int) -> None:
    """Begins a session; sessions that are over are swept out on the way."""
    cursor.execute(_OLD_SESSIONS)
    cursor.execute(_NEW_SESSION, (total, person_id))


def select_session(cursor: Cursor, total: bytes) -> Holder | None:
    """Who is logged in by it, if it is good now."""
    cursor.execute(_SESSION, (total,))
    return _holder(cursor.fetchone())


def touch_session(cursor: Cursor, total: bytes) -> None:
    """It is in use."""
    cursor.execute("UPDATE record.session SET seen_at = now() WHERE sum = %s", (total,))


def delete_session(cursor: Cursor, total: bytes) -> None:
    """Logs out."""
    cursor.execute("DELETE FROM record.session WHERE sum = %s", (total,))


def insert_token(cursor: Cursor, total: bytes, person_id: int, name: str, days: int | None) -> TokenRow:
    """A token that lasts `days`, or until it is removed."""
    cursor.execute(
        "INSERT INTO record.token (sum, person_id, name, expires_at) VALUES (%s, %s, %s, now() + %s * interval '1 day')"
        " RETURNING id, name, created_at, used_at, expires_at",
        (total, person_id, name, days),
    )
    row = cursor.fetchone()
    assert row is not None  # noqa: S101  # RETURNING
    return TokenRow(*row)


def insert_login_token(cursor: Cursor, total: bytes, person_id: int) -> None:
    """A token of a client that logs in for one; those that ran out, and the oldest of too many, go on the way."""
    cursor.execute(_OLD_LOGINS, (person_id, person_id, LOGINS_KEPT))
    cursor.execute(_NEW_LOGIN, (total, person_id))


def select_token(cursor: Cursor, total: bytes) -> Holder | None:
    """Who comes with it, if it is good now."""
    cursor.execute(_TOKEN, (total,))
    return _holder(cursor.fetchone())


def touch_token(cursor: Cursor, total: bytes) -> None:
    """It is in use."""
    cursor.execute("UPDATE record.token SET used_at = now() WHERE sum = %s", (total,))


def select_tokens(cursor: Cursor, person_id: int) -> list[TokenRow]:
    """Those that a person made, oldest first, those that ran out included."""
    cursor.execute(
        "SELECT id, name, created_at, used_at, expires_at FROM record.token"
        " WHERE person_id = %s AND NOT by_login ORDER BY id",
        (person_id,),
    )
    return [TokenRow(*row) for row in cursor.fetchall()]


def delete_token(cursor: Cursor, person_id: int, number: int) -> bytes | None:
    """Its sum, or None when this person has no such token."""
    cursor.execute("DELETE FROM record.token WHERE person_id = %s AND id = %s RETURNING sum", (person_id, number))
    row = cursor.fetchone()
    return None if row is None else bytes(row[0])


def _holder(row: tuple[Any, ...] | None) -> Holder | None:
    if row is None:
        return None
    person_id, email, role, namespaces, stale = row
    return Holder(person_id, email, role, tuple(namespaces), stale)


# The first user ---------------------------------------------------------------------------------------------


def ensure_setup_seed(cursor: Cursor, seed: bytes) -> bytes | None:
    """The seed there is, else this one, kept; None (and no seed) when there is somebody."""
    if not is_nobody(cursor):
        cursor.execute("DELETE FROM record.setup_seed")
        return None
    cursor.execute(
        "INSERT INTO record.setup_seed (seed) VALUES (%s) ON CONFLICT (one) DO UPDATE SET one = true RETURNING seed",
        (seed,),
    )
    return _seed(cursor)


def lock_setup_seed(cursor: Cursor) -> bytes | None:
    """The seed while there is nobody, else None; whoever else makes a person waits until this transaction ends."""
    cursor.execute("LOCK TABLE record.person IN SHARE ROW EXCLUSIVE MODE")
    if not is_nobody(cursor):
        return None
    cursor.execute("SELECT seed FROM record.setup_seed")
    return _seed(cursor)


def forget_setup_seed(cursor: Cursor) -> None:
    """No code fits any more."""
    cursor.execute("DELETE FROM record.setup_seed")


def _seed(cursor: Cursor) -> bytes | None:
    row = cursor.fetchone()
    return None if row is None else bytes(row[0])
