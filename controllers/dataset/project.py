"""A Dataset's body as a row of projection.dataset. Pure.

Called by controllers/mirror.py; calls blueno/resources/row.py. The columns are those of blueno/db/tables.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.dataset_row import dataset_columns
from blueno.resources.row import identity

Body = Mapping[str, Any]


def project_row(body: Body) -> dict[str, Any]:
    """Column → value."""
    return identity(body) | dataset_columns(body.get("spec") or {}, body.get("status") or {})
