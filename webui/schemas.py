"""JSON Schemas of the answers, for the OpenAPI document and the tests that hold every answer against it. Pure."""

from __future__ import annotations

from typing import Any, Final

from blueno.resources.run_row import STATES
from webui.working_set_schemas import WORKING_SET_SCHEMAS, WORKING_SUMMARY

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_BOOL: Final[Schema] = {"type": "boolean"}
_WHOLE: Final[Schema] = {"type": "integer"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_ANY: Final[Schema] = {"type": "object"}


def obj(**fields: Schema) -> Schema:
    """An object with exactly these fields."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def maybe(schema: Schema) -> Schema:
    """Or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_VERSION = obj(digest=_TEXT, sequence=_WHOLE)
_COUNT = obj(name=_TEXT, samples=_WHOLE)
_PROGRESS = obj(stage=maybe(_TEXT), percentage=_WHOLE, estimatedRemainingSeconds=maybe(_WHOLE))
_SUMMARY: Schema = {
    "uid": _TEXT,
    "namespace": _TEXT,
    "name": _TEXT,
    "displayName": maybe(_TEXT),
    "ready": _BOOL,
    "reconciling": _BOOL,
    "stalled": _BOOL,
    "reason": _TEXT,
    "message": _TEXT,
    "progress": maybe(_PROGRESS),
    "samples": maybe(_WHOLE),
    "bytes": maybe(_WHOLE),
    "classes": maybe(_WHOLE),
    "version": maybe(_VERSION),
    "indexed": _BOOL,
    "managedBy": maybe(_TEXT),
    "createdAt": _TIME,
    "changedAt": _TIME,
}
_DETAIL: Schema = {
    "description": maybe(_TEXT),
    "license": maybe(_TEXT),
    "citation": maybe(_TEXT),
    "homepage": maybe(_TEXT),
    "metadata": maybe(_ANY),
    "source": _TEXT,
    "splits": list_of(_COUNT),
    "shapes": list_of(_TEXT),
    "badSamples": maybe(_ANY),
    "conditions": list_of(_ANY),
    "volume": maybe(_ANY),
    "spec": _ANY,
}

_RUN_SUMMARY: Schema = {
    "uid": _TEXT,
    "namespace": _TEXT,
    "name": _TEXT,
    "state": {"type": "string", "enum": list(STATES)},
    "reason": _TEXT,
    "message": _TEXT,
    "stalled": _BOOL,
    "suspended": _BOOL,
    "progress": maybe(obj(percentage=_WHOLE, estimatedRemainingSeconds=maybe(_WHOLE))),
    "metrics": list_of(obj(name=_TEXT, value=_TEXT)),
    "objective": maybe(obj(name=_TEXT, direction=_TEXT)),
    "datasets": list_of(obj(name=_TEXT, digest=maybe(_TEXT))),
    "parameters": {"type": "object", "additionalProperties": _TEXT},
    "gpus": _WHOLE,
    "nodes": list_of(_TEXT),
    "numNodes": _WHOLE,
    "gpuSeconds": _WHOLE,
    "attempt": _WHOLE,
    "restarts": _WHOLE,
    "queue": maybe(_TEXT),
    "startedAt": maybe(_TIME),
    "endedAt": maybe(_TIME),
    "managedBy": maybe(_TEXT),
    "createdAt": _TIME,
    "changedAt": _TIME,
}
_RUN_DETAIL: Schema = {
    "pending": maybe(obj(reason=_TEXT, message=_TEXT, since=maybe(_TEXT))),
    "conditions": list_of(_ANY),
    "image": _TEXT,
    "imageDigest": maybe(_TEXT),
    "codeRevision": maybe(_TEXT),
    "command": list_of(_TEXT),
    "args": list_of(_TEXT),
    "outputs": maybe(obj(claimName=_TEXT, path=_TEXT)),
    "checkpoint": maybe(obj(path=_TEXT, step=maybe(_WHOLE), time=maybe(_TEXT))),
    "failure": maybe(obj(reason=_TEXT, exitCode=maybe(_WHOLE), pod=maybe(_TEXT), lastLines=list_of(_TEXT))),
    "jobName": maybe(_TEXT),
    "spec": _ANY,
}
_POINT: Schema = {  # [step or null, time, value or null]; no prefixItems, which tools of OpenAPI still stumble over
    "type": "array",
    "items": {"type": ["number", "string", "null"]},
    "minItems": 3,
    "maxItems": 3,
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": {
        "type": "object",
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": _WHOLE,
            "detail": _TEXT,
            "code": _TEXT,
            "requestId": _TEXT,
            "errors": list_of(obj(field=_TEXT, message=_TEXT)),
        },
        "required": ["type", "title", "status", "detail", "code", "requestId"],
        "additionalProperties": False,
    },
    "Setup": obj(needed=_BOOL),
    "Person": obj(email=_TEXT, role=_TEXT, namespaces=list_of(_TEXT)),
    "Session": obj(email=_TEXT, role=_TEXT, namespaces=list_of(_TEXT), server=obj(version=_TEXT)),
    "User": obj(email=_TEXT, role=_TEXT, namespaces=list_of(_TEXT), createdAt=_TIME),
    "Users": obj(items=list_of(ref("User"))),
    "Token": obj(id=_WHOLE, name=_TEXT, createdAt=_TIME, usedAt=maybe(_TIME), expiresAt=maybe(_TIME)),
    "NewToken": obj(id=_WHOLE, name=_TEXT, createdAt=_TIME, usedAt=maybe(_TIME), expiresAt=maybe(_TIME), token=_TEXT),
    "Tokens": obj(items=list_of(ref("Token"))),
    "DatasetSummary": obj(**_SUMMARY),
    "Dataset": obj(**_SUMMARY, **_DETAIL),
    "Datasets": obj(items=list_of(ref("DatasetSummary")), next=maybe(_TEXT)),
    "Versions": obj(
        items=list_of(
            obj(
                digest=_TEXT,
                sequence=_WHOLE,
                sealedAt=_TIME,
                samples=_WHOLE,
                bytes=_WHOLE,
                current=_BOOL,
                dense=maybe(_ANY),
                classes=list_of(_TEXT),
                depth=_BOOL,
            )
        ),
        working=WORKING_SUMMARY,
    ),
    "History": obj(
        items=list_of(obj(at=_TIME, condition=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT)), next=maybe(_TEXT)
    ),
    "Facets": obj(
        total=_WHOLE,
        splits=list_of(_COUNT),
        labels=list_of(obj(label=maybe(_TEXT), text=_TEXT, samples=_WHOLE)),
        moreLabels=_BOOL,
    ),
    "Sample": obj(
        idx=_WHOLE,
        row=_WHOLE,
        key=_TEXT,
        split=_TEXT,
        label=maybe(_TEXT),
        labelText=_TEXT,
        group=maybe(_TEXT),
        bytes=_WHOLE,
        width=_WHOLE,
        height=_WHOLE,
        depth=_WHOLE,
        channels=_WHOLE,
        dtype=_TEXT,
        format=_TEXT,
        sha256=_TEXT,
        metadata={},
    ),
    "Samples": obj(
        items=list_of(ref("Sample")),
        total=_WHOLE,
        position=_WHOLE,
        next=maybe(_TEXT),
        previous=maybe(_TEXT),
        version=_VERSION,
    ),
    "RunSummary": obj(**_RUN_SUMMARY),
    "Run": obj(**_RUN_SUMMARY, **_RUN_DETAIL),
    "Runs": obj(items=list_of(ref("RunSummary")), next=maybe(_TEXT)),
    "RunMetrics": obj(names=list_of(_TEXT), series=list_of(obj(name=_TEXT, points=list_of(_POINT)))),
    "RunLogs": obj(
        parts=list_of(
            obj(
                attempt=_WHOLE,
                pod=_TEXT,
                bytes=_WHOLE,
                complete=_BOOL,
                gap=maybe(obj(**{"from": _WHOLE, "to": _WHOLE})),
            )
        ),
        attempt=maybe(_WHOLE),
        pod=maybe(_TEXT),
        text=_TEXT,
        first=_WHOLE,
        next=_WHOLE,
        complete=_BOOL,
    ),
    "Outputs": obj(
        path=_TEXT,
        items=list_of(
            obj(
                name=_TEXT,
                kind={"type": "string", "enum": ["file", "directory", "link", "other"]},
                bytes=maybe(_WHOLE),
                modified=maybe(_TIME),
            )
        ),
        next=maybe(_TEXT),
    ),
    "About": _ANY,
    **WORKING_SET_SCHEMAS,
    "Health": obj(status=_TEXT),
    "Document": _ANY,
}
