"""What tests/fakes/api_server.py says of the kinds it serves."""

from __future__ import annotations

from collections.abc import Iterator
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
