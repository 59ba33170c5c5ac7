"""Which NFS exports Datasets may use, and how they are mounted. Pure.

Read from the operator's configuration by blueno/config.py; asked by controllers/dataset/storage.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from blueno.errors import InvalidSpec

ALLOWED: Final = "BLUENO_ALLOWED_NFS"
DRIVER: Final = "BLUENO_NFS_DRIVER"
MOUNT_OPTIONS: Final = "BLUENO_NFS_MOUNT_OPTIONS"
MANAGED: Final = "BLUENO_MANAGED_NFS"

IN_TREE: Final = "in-tree"
CSI: Final = "nfs.csi.k8s.io"
# hard: a server that is away makes programs wait, not fail. noresvport: the connection may come back on another port.
DEFAULT_MOUNT_OPTIONS: Final = ("nfsvers=4.1", "hard", "timeo=600", "retrans=2", "noresvport")

_EXAMPLE = '[{"server": "nfs.example.org", "path": "/exports/ml", "namespaces": ["team-*"]}]'
_SERVER = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?")
_OPTION = re.compile(r"[A-Za-z0-9_]+(=[-A-Za-z0-9_.:/]+)?")


@dataclass(frozen=True)
class AllowedNfs:
    """One entry: namespaces that fit a pattern may use `path` of `server` and whatever is below it."""

    server: str
    path: str
    namespaces: tuple[str, ...]  # patterns as in file names: team-*
    sub_paths: tuple[str, ...] = ()  # each ends with '/': where data sets may lie besides <namespace>/

    def covers(self, server: str, path: str, namespace: str) -> bool:
        """Whether a Dataset of `namespace` may use this export. Paths are compared part by part."""
        below = self.path == "/" or path == self.path or path.startswith(f"{self.path}/")
        same = self.server.lower() == server.lower()
        return same and below and any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)


def covering(allowed: Iterable[AllowedNfs], server: str, path: str, namespace: str) -> tuple[AllowedNfs, ...]:
    """The entries by which a Dataset of `namespace` may use the export; none: it may not."""
    return tuple(entry for entry in allowed if entry.covers(server, path, namespace))


def parse_allowed(text: str) -> tuple[AllowedNfs, ...]:
    """JSON: a list of {server, path, namespaces, subPaths?}. Raises InvalidSpec."""
    body = _json(ALLOWED, text)
    if not isinstance(body, list):
        raise InvalidSpec(ALLOWED, f"must be a list like {_EXAMPLE}")
    return tuple(_entry(number, entry) for number, entry in enumerate(body))


def parse_driver(text: str) -> str:
    """Who mounts. Raises InvalidSpec."""
    if text not in (IN_TREE, CSI):
        raise InvalidSpec(DRIVER, f"must be {IN_TREE} or {CSI}, not {text!r}")
    return text


def parse_mount_options(text: str) -> tuple[str, ...]:
    """Comma-separated, as `mount -o` takes them. Raises InvalidSpec."""
    options = tuple(part.strip() for part in text.split(",") if part.strip())
    for option in options:
        if _OPTION.fullmatch(option) is None:
            raise InvalidSpec(MOUNT_OPTIONS, f"{option[:80]!r} is no mount option; write them like nfsvers=4.1,hard")
    return options


def parse_managed(text: str) -> Mapping[str, Any]:
    """JSON: {storageClassName?, resources?} of the servers that the operator runs. Raises InvalidSpec."""
    body = _json(MANAGED, text)
    example = '{"storageClassName": "fast", "resources": {"requests": {"memory": "256Mi"}}}'
    if not isinstance(body, dict) or not set(body) <= {"storageClassName", "resources"}:
        raise InvalidSpec(MANAGED, f"must be an object with some of storageClassName, resources: {example}")
    if not isinstance(body.get("storageClassName", ""), str):
        raise InvalidSpec(MANAGED, "storageClassName must be a text")
    resources = body.get("resources", {})
    whole = isinstance(resources, dict) and set(resources) <= {"requests", "limits"}
    if not whole or not all(isinstance(amounts, dict) for amounts in resources.values()):
        raise InvalidSpec(MANAGED, f"resources must hold requests and limits: {example}")
    return body


def _json(variable: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(variable, f"is not JSON: {error}") from None


def _entry(number: int, entry: Any) -> AllowedNfs:
    where = f"entry {number}"
    known = {"server", "path", "namespaces", "subPaths"}
    if not isinstance(entry, dict) or not known - {"subPaths"} <= set(entry) <= known:
        raise InvalidSpec(ALLOWED, f"{where}: must have server, path, namespaces and perhaps subPaths: {_EXAMPLE}")
    server, path = entry["server"], entry["path"]
    if not isinstance(server, str) or _SERVER.fullmatch(server) is None:
        raise InvalidSpec(ALLOWED, f"{where}: server must be a host name or an address")
    if not isinstance(path, str) or not path.startswith("/") or (path != "/" and not _is_clean(path[1:])):
        raise InvalidSpec(ALLOWED, f"{where}: path must begin with '/' and have no '/' at its end, no '.' or '..' part")
    namespaces = _texts(where, "namespaces", entry["namespaces"])
    if not namespaces:
        raise InvalidSpec(ALLOWED, f'{where}: namespaces must name some, or be ["*"] for all')
    prefixes = tuple(prefix.removesuffix("/") for prefix in _texts(where, "subPaths", entry.get("subPaths", [])))
    if not all(_is_clean(prefix) for prefix in prefixes):
        raise InvalidSpec(ALLOWED, f"{where}: subPaths must be relative paths without '.' or '..' parts")
    return AllowedNfs(server, path, namespaces, tuple(f"{prefix}/" for prefix in prefixes))


def _texts(where: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise InvalidSpec(ALLOWED, f"{where}: {key} must be a list of texts")
    return tuple(value)


def _is_clean(path: str) -> bool:
    return not {"", ".", ".."} & set(path.split("/"))
