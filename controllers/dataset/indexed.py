"""The condition `Indexed` and `status.index`: whether the current version's rows can be searched. Pure.

Called by controllers/dataset/status.py. Ready never depends on it: without PostgreSQL it stays at Waiting for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.conditions import Condition, find
from blueno.resources.dataset import Dataset
from blueno.resources.indexing import IndexReason as Reason
from blueno.resources.indexing import IndexReport

CONDITION = "Indexed"
_KEPT = (Reason.INDEXING, Reason.INDEX_FAILED)


def project_index(
    dataset: Dataset, report: IndexReport | None, version: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Condition]:
    """`status.index` (None: there is none) and the condition, for the version that the new status has.

    The recorder's word on that very version counts; without one (a restart of ours) the status speaks for itself.
    """
    generation = dataset.generation
    if not version:
        text = "there is no sealed version to load"
        return None, Condition(CONDITION, "False", Reason.NO_VERSION, text, generation=generation)
    digest = version["digest"]
    known: Mapping[str, Any] | None = dataset.status.get("index")
    if report is not None and report.digest == digest:
        known = _told(report, known)
    if known is not None and known.get("digest") == digest:
        text = f"{known.get('rows')} rows can be searched"
        return known, Condition(CONDITION, "True", Reason.INDEXED, text, generation=generation)
    reason, text = _why_not(dataset, report, digest)
    return known, Condition(CONDITION, "False", reason, text, generation=generation)


def _told(report: IndexReport, known: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """`status.index` after a report: a version that is being loaded (again) no longer counts as loaded."""
    if report.state == "Indexed":
        return {"digest": report.digest, "rows": report.rows}
    return None if known is not None and known.get("digest") == report.digest else known


def _why_not(dataset: Dataset, report: IndexReport | None, digest: str) -> tuple[str, str]:
    if report is not None and report.digest == digest:
        if report.state == "Failed":
            return Reason.INDEX_FAILED, report.message or "the recorder did not say why"
        return Reason.INDEXING, "the recorder is loading the version's rows"
    before = find(dataset.conditions, CONDITION)
    same = (dataset.version or {}).get("digest") == digest
    if same and before is not None and before.reason in _KEPT:
        return before.reason, before.message
    return Reason.WAITING, "no recorder has loaded the version's rows yet"
