"""JSON Schemas of what is answered about working sets as the database has them. Used by schemas.py. Pure."""

from __future__ import annotations

from typing import Final

from webui.schema_parts import BOOL, TEXT, TIME, WHOLE, Schema, list_of, maybe, obj, ref

WORKING_SUMMARY: Final[Schema] = obj(
    accepts=BOOL, samples=WHOLE, bytes=WHOLE, revision=WHOLE, sealedRevision=WHOLE, notSealed=WHOLE
)
WORKING_SET_SCHEMAS: Final[dict[str, Schema]] = {
    "WorkingRow": obj(
        seq=WHOLE,
        key=TEXT,
        split=maybe(TEXT),
        label=maybe(TEXT),
        labelText=TEXT,
        group=maybe(TEXT),
        bytes=WHOLE,
        sha256=TEXT,
        metadata={},
        etag=TEXT,
        time=TIME,
        by=TEXT,
    ),
    "WorkingRows": obj(
        samples=list_of(ref("WorkingRow")), total=WHOLE, position=WHOLE, next=maybe(TEXT), revision=WHOLE
    ),
}
