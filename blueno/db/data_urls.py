"""Which upload or sample an address of 2019 stands for: schema `record`. Called by webui/api/platform/ with a cursor in
a transaction.

What PostgreSQL loses here costs only time: an address is then found among the samples themselves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from blueno.db.connect import Cursor

_PUT = """
INSERT INTO record.data_url (dataset_uid, url_sum, url, upload, key, key_sum, bytes, sha256)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (dataset_uid, url_sum) DO UPDATE SET upload = excluded.upload, key = excluded.key,
    key_sum = excluded.key_sum, bytes = excluded.bytes, sha256 = excluded.sha256, at = now()
"""
_OLD = "DELETE FROM record.data_url WHERE upload IS NOT NULL AND at < now() - interval '8 days'"  # no longer kept there
_ONE = """
SELECT dataset_uid::text, url, upload, key, bytes, sha256 FROM record.data_url WHERE dataset_uid = %s AND url_sum = %s
"""

_OF_OBJECTS = """
SELECT dataset, key FROM projection.sample_object
WHERE namespace = %s AND deleted_at IS NULL AND key IS NOT NULL AND document -> 'spec' ->> 'uri' = %s
ORDER BY created_at, name LIMIT 20
"""


@dataclass(frozen=True)
class DataUrl:
    """`url` of a data set is an upload that waits for its sample, or the sample `key`."""

    dataset_uid: str
    url: str
    upload: str | None
    key: str | None
    bytes: int
    sha256: str


def put_data_url(cursor: Cursor, row: DataUrl) -> None:
    """From now on the address stands for this; uploads that nobody used are swept out on the way."""
    cursor.execute(_OLD)
    key_sum = None if row.key is None else _sum(row.key)
    values = (row.dataset_uid, _sum(row.url), row.url, row.upload, row.key, key_sum, row.bytes, row.sha256)
    cursor.execute(_PUT, values)


def select_data_url(cursor: Cursor, dataset_uid: str, url: str) -> DataUrl | None:
    """What the address stands for in this data set."""
    cursor.execute(_ONE, (dataset_uid, _sum(url)))
    row = cursor.fetchone()
    return None if row is None else DataUrl(*row)


def delete_data_urls_of(cursor: Cursor, dataset_uid: str, key: str) -> None:
    """The sample is gone, and its addresses with it."""
    cursor.execute("DELETE FROM record.data_url WHERE dataset_uid = %s AND key_sum = %s", (dataset_uid, _sum(key)))


def delete_data_url(cursor: Cursor, row: DataUrl) -> None:
    """The address stands for nothing any more, unless it has come to stand for another upload meanwhile."""
    found = (row.dataset_uid, _sum(row.url), row.upload)
    cursor.execute("DELETE FROM record.data_url WHERE dataset_uid = %s AND url_sum = %s AND upload = %s", found)


def select_fetched(cursor: Cursor, namespace: str, uri: str) -> list[tuple[str, str]]:
    """(Dataset, key) of the samples that were fetched from an address elsewhere, by the Sample objects that say so."""
    cursor.execute(_OF_OBJECTS, (namespace, uri))
    return [(str(dataset), str(key)) for dataset, key in cursor.fetchall()]


def _sum(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
