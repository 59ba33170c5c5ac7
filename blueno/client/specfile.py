"""A TrainingRun written as YAML, read with the care a stranger's file needs. Called by runs.py and blueno/local_run.

Says early what the API server would refuse later, so that a file that runs locally is one the cluster takes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from blueno import names
from blueno.client.words import plain
from blueno.errors import InvalidSpec

MOST = 1 << 20  # bytes; etcd takes 1.5 MiB
NODES = 100_000  # values in one file, with what its aliases repeat
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class RunFile:
    """What is submitted, or run locally. `namespace` is None when the file names none."""

    name: str
    namespace: str | None
    spec: Mapping[str, Any]

    def changed(self, name: str | None, parameters: Mapping[str, str]) -> RunFile:
        """With another name, and with parameters set over the file's. Raises InvalidSpec."""
        for key in parameters:
            if not _PARAMETER.fullmatch(key):
                raise InvalidSpec("spec.parameters", f"{plain(key, 80)!r} is no name: letters, digits and _")
        spec = dict(self.spec)
        if parameters:
            spec["parameters"] = {**(self.spec.get("parameters") or {}), **parameters}
        return RunFile(_checked_name(name or self.name, "metadata.name"), self.namespace, spec)

    def body(self) -> dict[str, Any]:
        """As an object of the API server that was just made; for TrainingRun.parse."""
        metadata = {"name": self.name, "namespace": self.namespace or "default", "uid": "local"}
        kind = {"apiVersion": names.API_VERSION, "kind": names.TRAINING_RUN_KIND}
        return {**kind, "metadata": metadata, "spec": self.spec}


def read(source: str | Path) -> RunFile:
    """From a file, or standard input for "-". Raises InvalidSpec."""
    return parse(document(source))


def document(source: str | Path, kind: str = names.TRAINING_RUN_KIND) -> Any:
    """The one YAML document of a file, or of standard input for "-"; it should be a `kind`. Raises InvalidSpec."""
    where = "standard input" if str(source) == "-" else str(source)
    try:
        if str(source) == "-":
            raw = sys.stdin.buffer.read(MOST + 1)
        else:
            with Path(source).open("rb") as file:
                raw = file.read(MOST + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name is not a path"
        raise InvalidSpec(plain(where, 200), f"cannot be read: {why}") from None
    if len(raw) > MOST:
        raise InvalidSpec(plain(where, 200), f"is larger than {MOST >> 20} MiB: that is no {kind}")
    return load(raw, plain(where, 200), kind)


def load(raw: bytes, where: str, kind: str = names.TRAINING_RUN_KIND) -> Any:
    """The one YAML document. Raises InvalidSpec with line and column."""
    try:
        documents = [one for one in yaml.load_all(raw, _Loader) if one is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        why = plain(error.problem or "it cannot be read", 200)
        raise InvalidSpec(f"{where}{place}", f"is not YAML: {why}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidSpec(where, f"is not YAML: {plain(str(error), 200)}") from None
    except RecursionError:
        raise InvalidSpec(where, "is nested too deeply") from None
    if len(documents) != 1:
        raise InvalidSpec(where, f"holds {len(documents)} objects: put one {kind} into one file")
    _count(documents[0], where, kind)
    return documents[0]


def parse(document: Any) -> RunFile:
    """From the object itself. Raises InvalidSpec."""
    if not isinstance(document, Mapping) or document.get("kind") != names.TRAINING_RUN_KIND:
        raise InvalidSpec("kind", f"must be {names.TRAINING_RUN_KIND}: this is another object")
    if document.get("apiVersion") != names.API_VERSION:
        raise InvalidSpec("apiVersion", f"must be {names.API_VERSION}")
    metadata, spec = document.get("metadata"), document.get("spec")
    if not isinstance(metadata, Mapping):
        raise InvalidSpec("metadata", "must name the run: metadata: {name: my-run}")
    if not isinstance(spec, Mapping):
        raise InvalidSpec("spec", "must say what runs: spec: {image: …, command: […]}")
    for key in ("labels", "annotations"):
        if metadata.get(key):
            raise InvalidSpec(f"metadata.{key}", "is not taken over by Blueno's server: use kubectl apply for them")
    namespace = metadata.get("namespace")
    if namespace is not None:
        _checked_name(namespace, "metadata.namespace")
    _check_texts(spec)
    return RunFile(_checked_name(metadata.get("name"), "metadata.name"), namespace, spec)


def _checked_name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        rule = "at most 63 characters: lower-case letters, digits and '-', with a letter or digit at both ends"
        raise InvalidSpec(where, f"must have {rule}")
    return value


def _check_texts(spec: Mapping[str, Any]) -> None:
    """YAML's 0.01 and true are no texts; Kubernetes takes only texts here."""
    parameters = spec.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise InvalidSpec("spec.parameters", "must be a map of names to texts")
    values = [(f"spec.parameters.{key}", value) for key, value in parameters.items()]
    for key in ("command", "args"):
        entries = spec.get(key) or []
        if not isinstance(entries, list):
            raise InvalidSpec(f"spec.{key}", "must be a list of texts")
        values += [(f"spec.{key}[{number}]", value) for number, value in enumerate(entries)]
    for key in ("env", "datasets"):
        entries = spec.get(key) or []
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise InvalidSpec(f"spec.{key}", "must be a list of objects, each with a name")
        values += [(f"spec.{key}[{number}].name", entry.get("name")) for number, entry in enumerate(entries)]
        values += [(f"spec.{key}.{entry['name']}", entry["value"]) for entry in entries if "value" in entry]
    for where, value in values:
        if not isinstance(value, str):
            shown = plain(str(value).lower() if isinstance(value, bool) else str(value), 40)
            raise InvalidSpec(plain(where, 200), f'must be a text: write "{shown}" in quotation marks')
        if "\0" in value:
            raise InvalidSpec(plain(where, 200), "must not hold a zero byte")


def _count(document: Any, where: str, kind: str) -> None:
    """Small files unfold by aliases into billions of values, or into themselves."""
    left, waiting = NODES, [document]
    while waiting:
        left -= 1
        if left < 0:
            raise InvalidSpec(where, f"unfolds into more than {NODES} values: that is no {kind}")
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


class _Loader(yaml.SafeLoader):
    """Texts, numbers, booleans, null, lists, maps; no times, and no key twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} is not a text", node.start_mark)
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} is there twice", node.start_mark)
    loader.flatten_mapping(node)
    return {loader.construct_object(key): loader.construct_object(value, deep=True) for key, value in node.value}


def _text(_loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)
