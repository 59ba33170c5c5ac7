"""What PostgreSQL refuses, as errors of ours. Raised by blueno/db; caught by webui/, the recorder and the mirror."""

from __future__ import annotations

import psycopg2

from blueno.errors import BluenoError, Conflict, Unavailable

RETRY_SECONDS = 1.0

_MISSING = ("3F000", "42P01")  # schema, table
_OTHER = ("42703", "42883", "42804")  # column, function, type
_TAKEN = ("23505", "23503", "23P01")
# Classes of SQLSTATE that say "not now": connection, transaction rollback, resources, operator's hand, system.
_NOT_NOW_CLASSES = ("08", "40", "53", "57", "58")
# lock_timeout, idle transaction ended, plan outdated by a migration.
_NOT_NOW = ("55P03", "55006", "25P03", "0A000")
READ_ONLY = "25006"
# The same words each time: PostgreSQL's name a file or a statement, another one at every try.
_UNWRITABLE = {
    "53100": "PostgreSQL's disk is full: free or enlarge it; what waits is written then",
    READ_ONLY: "PostgreSQL is read-only: it is a standby, or protects a disk that is nearly full; "
    "what waits is written when it takes writes again",
}


class QueryTooCostly(BluenoError):
    """A statement ran into its time limit: ask for less."""


class QueryRefused(BluenoError):
    """PostgreSQL refused a statement or a value: a bug of ours, or a missing right."""


class SchemaMissing(Unavailable):
    """A schema or table of ours is not there (yet): migrate, or wait for who rebuilds it."""


class SchemaMismatch(Unavailable):
    """The schema is of another number than this program's: one of them is to be updated."""


def as_blueno_error(error: psycopg2.Error) -> BluenoError:
    """The error of ours for one of psycopg2's. A failed connect or a broken connection carries no SQLSTATE."""
    code = error.pgcode
    said = first_line(error)
    if code == "57014":
        return QueryTooCostly("the query took too long and was stopped: ask for less, for example by a narrower filter")
    if code in _MISSING:
        return SchemaMissing(f"the database is not set up: {said}", RETRY_SECONDS)
    if code in _OTHER:
        return SchemaMismatch(f"the database is set up for another version of Blueno: {said}", RETRY_SECONDS)
    if code in _TAKEN:
        return Conflict(said)
    if code in _UNWRITABLE:
        return Unavailable(_UNWRITABLE[code], RETRY_SECONDS)
    # A connection that breaks during a statement is a plain DatabaseError.
    broken = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    if code is None and (broken or type(error) is psycopg2.DatabaseError):
        return Unavailable(f"PostgreSQL does not answer: {said}", RETRY_SECONDS)
    if code is not None and (code[:2] in _NOT_NOW_CLASSES or code in _NOT_NOW):
        return Unavailable(f"PostgreSQL cannot do this now: {said}", RETRY_SECONDS)
    return QueryRefused(f"PostgreSQL refused ({code}): {said}")


def first_line(error: psycopg2.Error) -> str:
    """PostgreSQL's own sentence, without the statement and its values."""
    return (error.diag.message_primary or str(error)).strip().partition("\n")[0] or type(error).__name__
