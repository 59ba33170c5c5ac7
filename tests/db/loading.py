"""What the tests of loading share: a small version, and what is seen of it in PostgreSQL. Used by test_ingest*.py."""

from __future__ import annotations

from collections.abc import Callable

from blueno.db.connect import Connection
from blueno.db.ingest import VersionMeta
from blueno.db.samples import Filter, PageQuery, VersionRow, select_page, select_version
from tests.db.sample_model import Sample

SAMPLES = [Sample("train", f"k{n:04}", f'"{n % 3}"') for n in range(100)]
MetaOf = Callable[..., VersionMeta]


def version_of(connection: Connection, meta: VersionMeta) -> VersionRow | None:
    with connection.cursor() as cursor:
        found = select_version(cursor, meta.dataset_uid, meta.digest)
    connection.rollback()
    return found


def partitions(connection: Connection) -> list[str]:
    """Tables of samples that exist, attached or not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^sample_[0-9]+$' AND relkind = 'r' ORDER BY oid")
        names = [name for (name,) in cursor.fetchall()]
    connection.rollback()
    return names


def nothing_is_there(connection: Connection) -> bool:
    with connection.cursor() as cursor:
        for table in ("version", "split", "key_mark", "label", "facet", "sample"):
            cursor.execute(f"SELECT count(*) FROM projection.{table}")
            if cursor.fetchone() != (0,):
                return False
    return partitions(connection) == []


def total(connection: Connection, version: VersionRow, wanted: Filter | None = None) -> int:
    with connection.cursor() as cursor:
        found = select_page(cursor, version, wanted or Filter(), PageQuery())
    connection.rollback()
    return found.total
