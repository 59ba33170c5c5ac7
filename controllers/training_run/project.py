"""A TrainingRun's body as a row of projection.training_run. Pure.

Called by controllers/mirror.py; calls blueno/resources/row.py and run_row.py. The columns are those of
blueno/db/tables.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.row import document, identity
from blueno.resources.run_row import run_columns

Body = Mapping[str, Any]
_JSON = ("metrics", "objective", "datasets", "parameters", "nodes")


def project_row(body: Body) -> dict[str, Any]:
    """Column → value. Tolerates whatever an object may lack before the operator's first write."""
    columns = run_columns(body.get("spec") or {}, body.get("status") or {})
    for name in _JSON:
        columns[name] = None if columns[name] is None else document(columns[name])
    return identity(body) | columns
