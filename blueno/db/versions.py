"""Loaded versions: which there are, and their end. Called by the recorder, webui/ (through samples.py), __main__.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2

from blueno.db.connect import Connection, Cursor
from blueno.db.errors import as_blueno_error
from blueno.db.working_write import drop_tables

KEY_CHARACTERS = 512  # of a key in a key mark: an index entry has at most 2,704 bytes
DROPPED_AT_ONCE = 16  # each takes some eight locks; a server of 50 connections has 3,200 to give
_DIGITS = re.compile("[0-9a-f]{16,64}")
_COLUMNS = "id, dataset_uid::text, digest, sequence, sealed_at, samples, bytes, in_order, manifest"
_NEWEST_FIRST = "ORDER BY sequence DESC, id DESC"
_OF_DATASET = f"SELECT {_COLUMNS} FROM projection.version WHERE dataset_uid = %s::uuid"  # noqa: S608  # constants
_LOADED = "SELECT id, dataset_uid::text, digest, sequence FROM projection.version ORDER BY id"
_TABLES = ("version", "split", "key_mark", "label", "facet")


@dataclass(frozen=True)
class VersionRow:
    """A version whose samples are loaded. `manifest` is the sealed one without its list of shards."""

    id: int
    dataset_uid: str
    digest: str
    sequence: int
    sealed_at: datetime
    samples: int
    bytes: int
    in_order: bool  # the row of every sample is its idx
    manifest: dict[str, Any]

    @property
    def table(self) -> str:
        """The partition of its samples."""
        return f"projection.sample_{int(self.id)}"


@dataclass(frozen=True)
class Loaded:
    """The little that tells whether a version is there."""

    id: int
    dataset_uid: str
    digest: str
    sequence: int


def select_versions(cursor: Cursor, dataset_uid: str) -> list[VersionRow]:
    """All loaded ones of a data set, highest sequence first."""
    cursor.execute(f"{_OF_DATASET} {_NEWEST_FIRST}", (dataset_uid,))
    return [VersionRow(*row) for row in cursor.fetchall()]


def select_version(cursor: Cursor, dataset_uid: str, digest: str | None) -> VersionRow | None:
    """By its digest or the first 16 or more digits of it; None asks for the one of the highest sequence."""
    if digest is not None and not _DIGITS.fullmatch(digest):
        return None
    cursor.execute(f"{_OF_DATASET} AND starts_with(digest, %s) {_NEWEST_FIRST} LIMIT 1", (dataset_uid, digest or ""))
    row = cursor.fetchone()
    return None if row is None else VersionRow(*row)


def select_loaded(cursor: Cursor) -> list[Loaded]:
    """Every loaded version of every data set."""
    cursor.execute(_LOADED)
    return [Loaded(*row) for row in cursor.fetchall()]


def drop_versions(connection: Connection, ids: Sequence[int]) -> None:
    """Removes versions and their samples, a few in each transaction; those that are gone already are passed over.

    Raises Unavailable when somebody reads the whole table for longer than the lock_timeout: call again.
    """
    try:
        for start in range(0, len(ids), DROPPED_AT_ONCE):
            some = [int(version_id) for version_id in ids[start : start + DROPPED_AT_ONCE]]
            with connection.cursor() as cursor:
                names = ", ".join(f"projection.sample_{version_id}" for version_id in some)
                cursor.execute(f"DROP TABLE IF EXISTS {names}")
                for table in _TABLES:
                    column = "id" if table == "version" else "version_id"
                    cursor.execute(f"DELETE FROM projection.{table} WHERE {column} = ANY(%s)", (some,))  # noqa: S608
            connection.commit()
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error
    finally:
        if not connection.closed:
            connection.rollback()


def drop_projection(connection: Connection) -> int:
    """Removes schema `projection`, its versions first, so that no server runs out of locks; how many they were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('projection.version') IS NOT NULL")
        there = cursor.fetchone() == (True,)
        ids = [loaded.id for loaded in select_loaded(cursor)] if there else []
        connection.commit()
        drop_versions(connection, ids)
        drop_tables(connection)
        cursor.execute("DROP SCHEMA IF EXISTS projection CASCADE")
        connection.commit()
    return len(ids)
