"""Names of objects that are gone: an event about a deletion must still say whose. Called by webui/listen.py."""

from __future__ import annotations

from collections.abc import Sequence

from blueno.db.connect import Cursor

_NAMES = """
SELECT uid::text, name FROM projection.dataset WHERE uid = ANY(%(uids)s::uuid[]) UNION ALL
SELECT uid::text, name FROM projection.training_run WHERE uid = ANY(%(uids)s::uuid[])
"""


def select_names(cursor: Cursor, uids: Sequence[str]) -> dict[str, str]:
    """uid → name, of those that were not pruned yet, deleted or not."""
    cursor.execute(_NAMES, {"uids": list(uids)})
    return dict(cursor.fetchall())
