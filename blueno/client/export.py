"""Objects as YAML for Git: what a person wrote, without defaults and status, always in the same order. Pure.

Called by runs.py (`export`) and blueno/cli (`export`, and `--dry-run -o yaml`, of runs and data sets).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from blueno import names

# What the API server fills in: the defaults of crds/trainingrun.yaml, which tests compare. A path with no entry here
# stays as it is.
DEFAULTS: Mapping[str, Any] = {
    "podSecurity.runAsUser": names.UID,
    "podSecurity.runAsGroup": names.UID,
    "gpus.resourceName": "nvidia.com/gpu",
    "shmSize": "2Gi",
    "suspend": False,
    "backoffLimit": 0,
    "terminationGracePeriodSeconds": 30,
    "checkpoint.resume": "Auto",
    "metrics.stdout": False,
    "numNodes": 1,
    "onNodeLost": "Wait",
}
# The order people write in; fields that are not here follow in the order of the alphabet.
ORDER = (
    *("image", "command", "args", "workingDir", "code", "env", "envFrom", "parameters", "datasets", "output"),
    *("checkpoint", "metrics", "gpus", "numNodes", "resources"),
)
DATASET_DEFAULTS: Mapping[str, Any] = {  # of crds/dataset.yaml
    "reclaimPolicy": "Retain",
    "prepare.parallelism": 1,
    "prepare.gpus.resourceName": "nvidia.com/gpu",
    "prepare.onBadSample": "Skip",
    "prepare.maxBadSamples": 100,
    "prepare.backoffLimit": 3,
    "prepare.ttlSecondsAfterFinished": 3600,
    "suspend": False,
}
DATASET_ORDER = (
    *("displayName", "description", "license", "citation", "homepage", "metadata", "source", "layout", "storage"),
    *("reclaimPolicy", "prepare", "currentVersion", "suspend"),
)
FIRST = ("name", "key", "count", "url", "claimName")
# Texts that YAML (1.1, and what Kubernetes makes of it) would take for something else without quotation marks.
_NO_TEXT = re.compile(r"[-+.0-9~=<]|(?:y|n|yes|no|on|off|true|false|null)$", re.IGNORECASE)


def clean_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` without defaults, nulls and what is empty then."""
    return _without_defaults(spec, "", DEFAULTS)


def to_yaml(name: str, namespace: str | None, spec: Mapping[str, Any]) -> str:
    """The object of kind TrainingRun as YAML, ready for `kubectl apply`."""
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    head = {"apiVersion": names.API_VERSION, "kind": names.TRAINING_RUN_KIND, "metadata": metadata}
    return dump({**head, "spec": _ordered(clean_spec(spec), ORDER)})


def dataset_yaml(body: Mapping[str, Any]) -> str:
    """The object of kind Dataset as YAML; of `body` only metadata that a person writes, and the spec."""
    metadata = {
        key: body["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in body["metadata"]
    }
    head = {"apiVersion": names.API_VERSION, "kind": names.DATASET_KIND, "metadata": metadata}
    # What a source is called stays, however empty: `upload: {}`.
    cleaned = _without_defaults(body["spec"], "", DATASET_DEFAULTS) | {"source": body["spec"].get("source", {})}
    return dump({**head, "spec": _ordered(cleaned, DATASET_ORDER)})


def dump(value: Any) -> str:
    """Any JSON value as YAML, keys in the order they have."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)


def _without_defaults(value: Mapping[str, Any], path: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        if item is None or (where in defaults and defaults[where] == item and type(defaults[where]) is type(item)):
            continue
        if isinstance(item, Mapping):
            cleaned = _without_defaults(item, where, defaults)
            if not cleaned and item:
                continue
            item = cleaned
        kept[key] = item
    return kept


def _ordered(value: Any, first: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        places = {key: number for number, key in enumerate(first)}
        keys = sorted(value, key=lambda key: (places.get(key, len(first)), key))
        return {key: _ordered(value[key], FIRST) for key in keys}
    if isinstance(value, list | tuple):
        return [_ordered(item, FIRST) for item in value]
    return value


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _data: Any) -> bool:
        """Equal values are written out: a person reads this. (Lists stand unindented below their key, as kubectl's.)"""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text and _is_block(text) else None
    if style is None and (_NO_TEXT.match(text) or not text.isprintable()):  # U+0085 and the like end lines in YAML
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_block(text: str) -> bool:
    """Whether a reader of YAML sees the same text below `|`."""
    return text[0] not in " \n" and all(line.isprintable() and line == line.rstrip() for line in text.split("\n"))


_Dumper.add_representer(str, _text)
