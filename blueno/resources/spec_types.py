"""The types that the schemas give a spec, for objects that no schema has seen. Used by the parsers beside it.

The API server checks what is written, not what was stored before the schema said so, and `parse` shall raise nothing
but InvalidSpec. The trees below are those of crds/*.yaml (tests/unit/hostile compares them): a type, a list of one,
`{"*": type}` for free keys, or fields by name. `!` before a name: it must be there and not be empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from blueno.errors import InvalidSpec

Tree = Any  # str | list[Tree] | Mapping[str, Tree]
MAX_DEPTH: Final = 32  # of free JSON

_WORDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "text": ("a text", (str,)),
    "int": ("a whole number", (int,)),
    "bool": ("true or false", (bool,)),
    "amount": ("a number or a text", (int, str)),
    "object": ("an object", (Mapping,)),
    "any": ("anything", (object, bool)),
}
_RESOURCES: Final[Tree] = {"limits": {"*": "amount"}, "requests": {"*": "amount"}}
_GPUS: Final[Tree] = {"count": "int", "product": "text", "resourceName": "text"}
_TOLERATIONS: Final[Tree] = [
    {"effect": "text", "key": "text", "operator": "text", "tolerationSeconds": "int", "value": "text"}
]
_NAMED: Final[Tree] = {"!name": "text"}
_KEY: Final[Tree] = {"!key": "text", "!name": "text"}

DATASET: Final[Tree] = {
    **dict.fromkeys(("citation", "description", "displayName", "homepage", "license", "reclaimPolicy"), "text"),
    "suspend": "bool",
    "metadata": "object",
    "layout": {
        "type": "text", "labelsFile": "text", "columns": dict.fromkeys(("group", "label", "path", "split"), "text"),
    },
    "prepare": {
        **dict.fromkeys(("activeDeadlineSeconds", "backoffLimit", "maxBadSamples", "parallelism"), "int"),
        "ttlSecondsAfterFinished": "int",
        "onBadSample": "text",
        "gpus": _GPUS,
        "nodeSelector": {"*": "text"},
        "resources": _RESOURCES,
        "tolerations": _TOLERATIONS,
    },
    "source": {
        "archive": {"allowUnverified": "bool", "!files": [{"sha256": "text", "!url": "text"}]},
        "claim": {"!name": "text", "path": "text"},
        "tfds": {
            "!name": "text", "config": "text", "version": "text", "splits": ["text"], "maxSamplesPerSplit": "int",
            "mirror": {"allowUnverified": "bool", "!url": "text"},
        },
        "upload": {"secretRef": _NAMED},
    },
    "storage": {
        "subPath": "text",
        "claimTemplate": {"accessModes": ["text"], "size": "text", "storageClassName": "text"},
        "existingClaim": _NAMED,
        "hostPath": {"!path": "text"},
        "managedNFS": {"!size": "text"},
        "nfs": {"mountOptions": ["text"], "!path": "text", "!server": "text"},
    },
}  # fmt: skip

TRAINING_RUN: Final[Tree] = {
    **dict.fromkeys(("acceleratorProfile", "image", "imagePullPolicy", "onNodeLost", "priorityClassName"), "text"),
    **dict.fromkeys(("queueName", "runtimeClassName", "serviceAccountName", "shmSize", "workingDir"), "text"),
    **dict.fromkeys(("activeDeadlineSeconds", "backoffLimit", "numNodes", "numProcPerNode"), "int"),
    **dict.fromkeys(("terminationGracePeriodSeconds", "ttlSecondsAfterFinished"), "int"),
    **dict.fromkeys(("cancel", "suspend"), "bool"),
    "args": ["text"],
    "command": ["text"],
    "nodeSelector": {"*": "text"},
    "parameters": {"*": "text"},
    "checkpoint": {"from": {"!run": "text"}, "resume": "text"},
    "code": {"configMapRef": _NAMED, "git": {"!revision": "text", "!url": "text"}},
    "datasets": [{"!name": "text", "mountPath": "text", "version": "text"}],
    "env": [{"!name": "text", "value": "text", "valueFrom": {"configMapKeyRef": _KEY, "secretKeyRef": _KEY}}],
    "envFrom": [{"configMapRef": _NAMED, "secretRef": _NAMED, "prefix": "text"}],
    "gpus": _GPUS,
    "imagePullSecrets": [_NAMED],
    "metrics": {"objective": {"direction": "text", "!name": "text"}, "stdout": "bool"},
    "output": {"existingClaim": "text"},
    "podSecurity": {"runAsGroup": "int", "runAsUser": "int"},
    "resources": _RESOURCES,
    "tolerations": _TOLERATIONS,
}

SAMPLE: Final[Tree] = {
    **dict.fromkeys(("group", "key", "mediaType", "sha256", "split", "uri"), "text"),
    "label": "any",
    "datasetRef": _NAMED,
    "manifest": {"configMapRef": {"key": "text", "name": "text"}, "sha256": "text", "uri": "text"},
    "metadata": "object",
    "purgeOnDelete": "bool",
    "secretRef": {"name": "text"},
}


def check_types(spec: Any, tree: Tree, path: str = "spec") -> None:
    """Raises InvalidSpec at the first value of another type, or that is missing. What the tree does not name passes."""
    if isinstance(tree, str):
        words, types = _WORDS[tree]
        if not isinstance(spec, types) or (isinstance(spec, bool) and bool not in types):
            raise InvalidSpec(path, f"must be {words}, not {_name(spec)}")
    elif isinstance(tree, list):
        if not isinstance(spec, (list, tuple)):
            raise InvalidSpec(path, f"must be a list, not {_name(spec)}")
        for number, item in enumerate(spec):
            check_types(item, tree[0], f"{path}[{number}]")
    elif not isinstance(spec, Mapping):
        raise InvalidSpec(path, f"must be an object, not {_name(spec)}")
    elif "*" in tree:
        for key, item in spec.items():
            check_types(item, tree["*"], f"{path}.{key}")
    else:
        for key, inner in tree.items():
            name = key.removeprefix("!")
            if name in spec or key != name:
                value = spec.get(name)
                _check_field({} if value is None and isinstance(inner, Mapping) else value, inner, (key, path))


def _check_field(value: Any, tree: Tree, named: tuple[str, str]) -> None:
    key, path = named
    where = f"{path}.{key.removeprefix('!')}"
    if key.startswith("!") and (value is None or value in ("", [])):
        raise InvalidSpec(where, "is missing")
    check_types(value, tree, where)


def is_deep(value: Any, left: int = MAX_DEPTH) -> bool:
    """Whether free JSON is nested deeper than MAX_DEPTH. Looks no deeper than that itself."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return False
    return left == 0 or any(is_deep(item, left - 1) for item in value)


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if value is None:
        return "null"
    return {bool: "true or false", str: "a text", list: "a list", tuple: "a list"}.get(type(value), "a number")
