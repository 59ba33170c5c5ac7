"""What the API server thinks of a TrainingRun: the schema of crds/trainingrun.yaml, without its CEL rules. Used by
tests/web for AccessServer.api.judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from blueno import names
from tests.fakes.api_discovery import Refused

CRD = Path(__file__).parents[2] / "crds" / "trainingrun.yaml"


def judge(body: dict[str, Any], query: Mapping[str, str]) -> None:
    """Refuses as an API server does: 400 for fields that nobody knows, 422 with causes for the rest."""
    if body["kind"] != names.TRAINING_RUN_KIND:
        return
    strange = list(_unknown(_schema(), body.get("spec"), "spec"))
    if strange and query.get("fieldValidation") == "Strict":
        said = ", ".join(f'unknown field "{path}"' for path in strange)
        kind = names.TRAINING_RUN_KIND
        text = f'{kind} in version "{names.VERSION}" cannot be handled as a {kind}: strict decoding error: {said}'
        raise Refused(400, text)
    errors = list(jsonschema_rs.Draft4Validator(_schema()).iter_errors(body.get("spec")))
    if errors:
        causes = tuple((_path(error), f"Invalid value: {error.message[:100]}") for error in errors)
        listed = ", ".join(f"{path}: {message}" for path, message in causes)
        name = f"{names.TRAINING_RUN_KIND}.{names.GROUP}"
        raise Refused(422, f'{name} "{body["metadata"]["name"]}" is invalid: [{listed}]', causes)


@cache
def _schema() -> Any:
    found = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return _as_draft4(found)


def _as_draft4(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_as_draft4(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _as_draft4(value) for key, value in schema.items() if not key.startswith("x-")}
    if isinstance(found.get("pattern"), str):  # RE2's class of control characters
        found["pattern"] = found["pattern"].replace("[:cntrl:]", "\\x00-\\x1f\\x7f")
    if schema.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    return found


def _unknown(schema: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            if key in known or more:
                yield from _unknown(known.get(key, more), item, f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from _unknown(schema["items"], item, f"{path}[{number}]")


def _path(error: jsonschema_rs.ValidationError) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    missing = getattr(error.kind, "property", "")
    return f"spec{parts}" + (f".{missing}" if missing else "")
