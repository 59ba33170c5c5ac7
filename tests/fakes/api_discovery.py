"""What tests/fakes/api_server.py serves, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from blueno.resources.api import BY_KIND, TOKEN_REVIEWS, Resource

Body = dict[str, Any]

SERVED = (
    *BY_KIND.values(),
    TOKEN_REVIEWS,
    # kopf waits until discovery shows these two, even when it is told to watch neither.
    Resource("", "v1", "namespaces", "Namespace", namespaced=False),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False),
)


_REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}


class Refused(Exception):
    """An answer of 400 or more. `causes` are the (field, message) of a Status."""

    def __init__(self, status: int, message: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.causes = causes

    @property
    def body(self) -> Body:
        """The Status."""
        found = [{"field": field, "message": message} for field, message in self.causes]
        details = {"details": {"causes": found}} if found else {}
        reason = _REASONS.get(self.status, "")
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason}
        return {**status, "message": str(self), "code": self.status, **details}


@dataclass
class Target:
    """What a URL points at."""

    resource: Resource
    namespace: str | None
    name: str | None
    sub: str | None


def discovery(path: str) -> Body | None:
    """What the server says of itself, or None when `path` is about objects."""
    groups = {resource.group for resource in SERVED if resource.group}
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = {r.group: {"groupVersion": r.api_version, "version": r.version} for r in SERVED if r.group}
        listed = [{"name": g, "versions": [versions[g]], "preferredVersion": versions[g]} for g in sorted(groups)]
        return {"kind": "APIGroupList", "groups": listed}
    served = [r for r in SERVED if path == f"/api{'s' if r.group else ''}/{r.api_version}"]
    return {"kind": "APIResourceList", "resources": list(_described(served))} if served else None


def _described(resources: list[Resource]) -> Iterator[Body]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    for resource in resources:
        body = {"name": resource.plural, "kind": resource.kind, "namespaced": resource.namespaced, "verbs": verbs}
        yield {**body, "singularName": resource.kind.lower()}
        yield {**body, "name": f"{resource.plural}/status", "verbs": ["get", "patch"]}


def target_of(path: str) -> Target:
    """What a URL path points at; Refused when this server has no such thing."""
    parts = path.strip("/").split("/")
    group, parts = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
    namespace = parts[2] if parts[1:2] == ["namespaces"] else None
    rest = parts[3:] if namespace is not None else parts[1:]
    for resource in SERVED:
        if (resource.group, resource.version, resource.plural) == (group, parts[0], rest[0] if rest else ""):
            name, sub = [*rest[1:3], None, None][:2]
            return Target(resource, namespace, name, sub)
    raise Refused(404, f"the server could not find {path}")
