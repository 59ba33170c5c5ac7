"""JSON Schemas of the answers, for the OpenAPI document and the tests that hold every answer against it. Pure."""

from __future__ import annotations

from typing import Final

from blueno.resources.run_row import STATES
from webui.pixel_schemas import ABOUT
from webui.schema_parts import ANY, BOOL, TEXT, TIME, WHOLE, Schema, list_of, maybe, obj, ref
from webui.working_schemas import WORKING_SCHEMAS
from webui.working_set_schemas import WORKING_SET_SCHEMAS, WORKING_SUMMARY

__all__ = ("SCHEMAS", "ref")

_VERSION = obj(digest=TEXT, sequence=WHOLE)
_COUNT = obj(name=TEXT, samples=WHOLE)
_PROGRESS = obj(stage=maybe(TEXT), percentage=WHOLE, estimatedRemainingSeconds=maybe(WHOLE))
_SUMMARY: Schema = {
    "uid": TEXT,
    "namespace": TEXT,
    "name": TEXT,
    "displayName": maybe(TEXT),
    "ready": BOOL,
    "reconciling": BOOL,
    "stalled": BOOL,
    "reason": TEXT,
    "message": TEXT,
    "progress": maybe(_PROGRESS),
    "samples": maybe(WHOLE),
    "bytes": maybe(WHOLE),
    "classes": maybe(WHOLE),
    "version": maybe(_VERSION),
    "indexed": BOOL,
    "managedBy": maybe(TEXT),
    "createdAt": TIME,
    "changedAt": TIME,
}
_DETAIL: Schema = {
    "description": maybe(TEXT),
    "license": maybe(TEXT),
    "citation": maybe(TEXT),
    "homepage": maybe(TEXT),
    "metadata": maybe(ANY),
    "source": TEXT,
    "splits": list_of(_COUNT),
    "shapes": list_of(TEXT),
    "badSamples": maybe(ANY),
    "conditions": list_of(ANY),
    "volume": maybe(ANY),
    "lastHandledRequest": maybe(TEXT),  # of seal, retry and refresh: which the operator has acted on
    "spec": ANY,
}

_RUN_SUMMARY: Schema = {
    "uid": TEXT,
    "namespace": TEXT,
    "name": TEXT,
    "state": {"type": "string", "enum": list(STATES)},
    "reason": TEXT,
    "message": TEXT,
    "stalled": BOOL,
    "suspended": BOOL,
    "progress": maybe(obj(percentage=WHOLE, estimatedRemainingSeconds=maybe(WHOLE))),
    "metrics": list_of(obj(name=TEXT, value=TEXT)),
    "objective": maybe(obj(name=TEXT, direction=TEXT)),
    "datasets": list_of(obj(name=TEXT, digest=maybe(TEXT))),
    "parameters": {"type": "object", "additionalProperties": TEXT},
    "gpus": WHOLE,
    "nodes": list_of(TEXT),
    "numNodes": WHOLE,
    "gpuSeconds": WHOLE,
    "wallSeconds": WHOLE,
    "runningSince": maybe(TIME),
    "attempt": WHOLE,
    "restarts": WHOLE,
    "queue": maybe(TEXT),
    "startedAt": maybe(TIME),
    "endedAt": maybe(TIME),
    "managedBy": maybe(TEXT),
    "createdAt": TIME,
    "changedAt": TIME,
}
_RUN_DETAIL: Schema = {
    "pending": maybe(obj(reason=TEXT, message=TEXT, since=maybe(TEXT))),
    "conditions": list_of(ANY),
    "image": TEXT,
    "imageDigest": maybe(TEXT),
    "codeRevision": maybe(TEXT),
    "command": list_of(TEXT),
    "args": list_of(TEXT),
    "outputs": maybe(obj(claimName=TEXT, path=TEXT)),
    "checkpoint": maybe(obj(path=TEXT, step=maybe(WHOLE), time=maybe(TEXT))),
    "failure": maybe(obj(reason=TEXT, exitCode=maybe(WHOLE), pod=maybe(TEXT), lastLines=list_of(TEXT))),
    "jobName": maybe(TEXT),
    "spec": ANY,
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
            "type": TEXT,
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT,
            "code": TEXT,
            "requestId": TEXT,
            "errors": list_of(obj(field=TEXT, message=TEXT)),
            "needed": WHOLE,  # bytes; of no_space
            "free": WHOLE,
            "limit": WHOLE,  # bytes; of too_large
            "message": TEXT,  # the detail once more, for clients of 2019
        },
        "required": ["type", "title", "status", "detail", "code", "requestId"],
        "additionalProperties": False,
    },
    "Setup": obj(needed=BOOL),
    "Person": obj(email=TEXT, role=TEXT, namespaces=list_of(TEXT)),
    "Session": obj(email=TEXT, role=TEXT, namespaces=list_of(TEXT), server=obj(version=TEXT)),
    "User": obj(email=TEXT, role=TEXT, namespaces=list_of(TEXT), createdAt=TIME),
    "Password": obj(password=TEXT),
    "Users": obj(items=list_of(ref("User"))),
    "Token": obj(id=WHOLE, name=TEXT, createdAt=TIME, usedAt=maybe(TIME), expiresAt=maybe(TIME)),
    "NewToken": obj(id=WHOLE, name=TEXT, createdAt=TIME, usedAt=maybe(TIME), expiresAt=maybe(TIME), token=TEXT),
    "Tokens": obj(items=list_of(ref("Token"))),
    "DatasetSummary": obj(**_SUMMARY),
    "Dataset": obj(**_SUMMARY, **_DETAIL),
    "Datasets": obj(items=list_of(ref("DatasetSummary")), next=maybe(TEXT)),
    "Requested": obj(requestedAt=TIME),
    "Deleting": obj(uid=TEXT),
    **WORKING_SCHEMAS,
    "Versions": obj(
        items=list_of(
            obj(
                digest=TEXT,
                sequence=WHOLE,
                sealedAt=TIME,
                samples=WHOLE,
                bytes=WHOLE,
                current=BOOL,
                dense=maybe(ANY),
                classes=list_of(TEXT),
                depth=BOOL,
            )
        ),
        working=WORKING_SUMMARY,
    ),
    "History": obj(
        items=list_of(obj(at=TIME, condition=TEXT, status=TEXT, reason=TEXT, message=TEXT)), next=maybe(TEXT)
    ),
    "Facets": obj(
        total=WHOLE,
        splits=list_of(_COUNT),
        labels=list_of(obj(label=maybe(TEXT), text=TEXT, samples=WHOLE)),
        moreLabels=BOOL,
    ),
    "Sample": obj(
        idx=WHOLE,
        row=WHOLE,
        key=TEXT,
        split=TEXT,
        label=maybe(TEXT),
        labelText=TEXT,
        group=maybe(TEXT),
        bytes=WHOLE,
        width=WHOLE,
        height=WHOLE,
        depth=WHOLE,
        channels=WHOLE,
        dtype=TEXT,
        format=TEXT,
        sha256=TEXT,
        metadata={},
    ),
    "Samples": obj(
        items=list_of(ref("Sample")),
        total=WHOLE,
        position=WHOLE,
        next=maybe(TEXT),
        previous=maybe(TEXT),
        version=_VERSION,
    ),
    "RunSummary": obj(**_RUN_SUMMARY),
    "Run": obj(**_RUN_SUMMARY, **_RUN_DETAIL),
    "Runs": obj(items=list_of(ref("RunSummary")), next=maybe(TEXT)),
    "RunMetrics": obj(names=list_of(TEXT), series=list_of(obj(name=TEXT, points=list_of(_POINT)))),
    "RunLogs": obj(
        parts=list_of(
            obj(
                attempt=WHOLE,
                pod=TEXT,
                bytes=WHOLE,
                complete=BOOL,
                gap=maybe(obj(**{"from": WHOLE, "to": WHOLE})),
            )
        ),
        attempt=maybe(WHOLE),
        pod=maybe(TEXT),
        text=TEXT,
        first=WHOLE,
        next=WHOLE,
        complete=BOOL,
    ),
    "Outputs": obj(
        path=TEXT,
        items=list_of(
            obj(
                name=TEXT,
                kind={"type": "string", "enum": ["file", "directory", "link", "other"]},
                bytes=maybe(WHOLE),
                modified=maybe(TIME),
            )
        ),
        next=maybe(TEXT),
    ),
    **WORKING_SET_SCHEMAS,
    "About": ABOUT,
    "Health": obj(status=TEXT),
    "Document": ANY,
}
