"""Numbered, forward-only SQL: `migrations/<schema>/NNNN_name.sql`, each applied once and in its own transaction.

Called by `python -m blueno.db migrate` (the web Deployment's init container), by the mirror and the recorder
(`ensure_projection`, since schema `projection` may be dropped at any time), and by who only asks whether it fits
(`check`). An advisory lock makes migrators wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from blueno.db.connect import Connection, Cursor
from blueno.db.errors import QueryRefused, SchemaMismatch, SchemaMissing, as_blueno_error
from blueno.errors import Unavailable

SERIES = ("record", "projection")
FOLDER = Path(__file__).parent / "migrations"
LOCK_SECONDS = 120
_LOCK = 0x626C75656E6F  # "blueno" in ASCII


@dataclass(frozen=True)
class Migration:
    """One file."""

    schema: str
    number: int
    name: str
    sql: str


def known(folder: Path = FOLDER) -> Mapping[str, tuple[Migration, ...]]:
    """Schema → what this code knows, in order. Numbers run from 1 without gaps (a test says so)."""
    return {schema: tuple(_read(path) for path in sorted((folder / schema).glob("*.sql"))) for schema in SERIES}


def migrate(connection: Connection, folder: Path = FOLDER) -> list[str]:
    """Brings both schemas to this code's numbers; the names applied, such as `record/0001_people`.

    Raises SchemaMismatch when the database is further than this code, Unavailable when it does not answer.
    """
    applied: list[str] = []
    series = known(folder)
    try:
        with connection.cursor() as cursor:
            _require_utf8(cursor)
            connection.commit()
            while name := _step(cursor, series):
                connection.commit()
                applied.append(name)
            connection.commit()
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error
    finally:
        _give_up(connection)
    return applied


def ensure_projection(connection: Connection) -> bool:
    """Makes schema `projection` when it is absent as a whole, in one transaction; True when it did.

    A schema that is there is left alone, whatever its number: `check` is who judges it.
    """
    try:
        with connection.cursor() as cursor:
            _lock(cursor)
            cursor.execute("SELECT to_regnamespace('projection') IS NULL")
            absent = _one(cursor) is True
            if absent:
                for migration in known()["projection"]:
                    _apply(cursor, migration)
        connection.commit()
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error
    finally:
        _give_up(connection)
    return absent


def check(cursor: Cursor) -> None:
    """Raises SchemaMissing or SchemaMismatch unless both schemas are exactly at this code's numbers."""
    for schema, migrations in known().items():
        found = _applied(cursor, schema)
        wanted = {migration.number: migration.name for migration in migrations}
        if not found:
            raise SchemaMissing(f"schema {schema} is not there: run `python -m blueno.db migrate`", 1.0)
        _refuse_strangers(schema, found, wanted)
        if len(found) < len(wanted):
            raise SchemaMismatch(
                f"schema {schema} is at number {max(found)}, this program needs {max(wanted)}: "
                "run `python -m blueno.db migrate`",
                1.0,
            )


def _step(cursor: Cursor, series: Mapping[str, tuple[Migration, ...]]) -> str:
    """Applies the first migration that is missing, in a transaction begun here; its name, or "" when all are there."""
    _lock(cursor)
    for schema, migrations in series.items():
        found = _applied(cursor, schema)
        _refuse_strangers(schema, found, {migration.number: migration.name for migration in migrations})
        for migration in migrations:
            if migration.number not in found:
                _apply(cursor, migration)
                return f"{schema}/{migration.number:04}_{migration.name}"
    return ""


def _apply(cursor: Cursor, migration: Migration) -> None:
    schema = migration.schema
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {schema}.migration "
        "(number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    cursor.execute(migration.sql)
    row = (migration.number, migration.name)
    cursor.execute(f"INSERT INTO {schema}.migration (number, name) VALUES (%s, %s)", row)  # noqa: S608  # our constant


def _applied(cursor: Cursor, schema: str) -> dict[int, str]:
    """Number → name of what the database has; empty when the schema is absent."""
    cursor.execute("SELECT to_regclass(%s) IS NULL", (f"{schema}.migration",))
    if _one(cursor):
        return {}
    cursor.execute(f"SELECT number, name FROM {schema}.migration ORDER BY number")  # noqa: S608  # our constant
    return dict(cursor.fetchall())


def _refuse_strangers(schema: str, found: Mapping[int, str], wanted: Mapping[int, str]) -> None:
    strange = {number: name for number, name in found.items() if wanted.get(number) != name}
    if strange:
        number, name = max(strange.items())
        raise SchemaMismatch(
            f"schema {schema} has migration {number:04}_{name}, which this program does not know: "
            "the database was set up by another version of Blueno; use an image as new as that one",
            1.0,
        )


def _lock(cursor: Cursor) -> None:
    """Until the transaction ends. Asked for again and again, because waiting inside PostgreSQL would end the session's
    statement_timeout before the other migrator is done."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))
        if _one(cursor):
            return
        cursor.connection.rollback()
        if time.monotonic() > deadline:
            raise Unavailable(f"another migration has been running for {LOCK_SECONDS} s: look at its logs", 10.0)
        time.sleep(0.05)


def _require_utf8(cursor: Cursor) -> None:
    cursor.execute("SHOW server_encoding")
    encoding = _one(cursor)
    if encoding != "UTF8":
        raise QueryRefused(f"the database's encoding is {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0")


def _one(cursor: Cursor) -> object:
    row = cursor.fetchone()
    return row[0] if row else None


def _give_up(connection: Connection) -> None:
    """Ends a transaction that an error left open, and its lock with it."""
    if not connection.closed:
        try:
            connection.rollback()
        except psycopg2.Error:
            connection.close()


def _read(path: Path) -> Migration:
    number, _, name = path.stem.partition("_")
    return Migration(path.parent.name, int(number), name, path.read_text())
