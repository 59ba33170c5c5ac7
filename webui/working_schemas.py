"""JSON Schemas of what is answered about samples that come and go, and to clients of 2019. Used by schemas.py. Pure."""

from __future__ import annotations

from typing import Any, Final

from webui.schema_parts import ANY, TEXT, TIME, WHOLE, Schema, list_of, maybe, obj

_REFUSED: Final[Schema] = {  # a sample that was not taken
    "type": "object",
    "properties": {"key": TEXT, "code": TEXT, "detail": TEXT, "etag": TEXT},
    "required": ["key", "code", "detail"],
}
_RECORD: Final[dict[str, Any]] = {
    "key": TEXT,
    "sha256": TEXT,
    "bytes": WHOLE,
    "seq": WHOLE,
    "time": TIME,
    "split": maybe(TEXT),
    "label": {},
    "group": maybe(TEXT),
    "metadata": maybe(ANY),
    "by": maybe(TEXT),
    "etag": TEXT,
}
WORKING_SCHEMAS: Final[dict[str, Schema]] = {
    "BundleResult": {
        "type": "object",
        "properties": {
            "revision": WHOLE,
            "created": WHOLE,
            "same": WHOLE,
            "replaced": WHOLE,
            "refused": list_of(_REFUSED),
        },
        "required": ["revision", "created", "same", "replaced", "refused"],
    },
    "RemovalResult": {
        "type": "object",
        "properties": {"revision": WHOLE, "removed": WHOLE, "missing": WHOLE},
        "required": ["revision", "removed", "missing"],
    },
    "Upload": obj(id=TEXT, offset=WHOLE),
    "WorkingSample": {"type": "object", "properties": _RECORD, "required": ["key", "sha256", "bytes", "etag"]},
    "Login2019": obj(access_token=TEXT),
    "Id2019": obj(id=TEXT),
    "Datasets2019": obj(datasets=list_of(obj(name=TEXT, info=ANY, created_at=TIME))),
    "Samples2019": obj(samples=list_of(obj(name=TEXT, info=ANY, created_at=TIME, last_updated=TIME))),
    "Count2019": obj(count=WHOLE),
    "Nothing2019": obj(),
}
