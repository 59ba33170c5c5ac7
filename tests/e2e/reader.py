"""Reads objects of the test cluster over one connection. Used by kube.py, whose waits look twice a second.

A kubectl for each look computes for an eighth of a second, hack/cluster before it for a third; here it is 2 ms. What is
not plain (no such resource, an API server that is away) is None: then kubectl is asked, and says what a person reads.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

SECONDS = 20.0  # for one answer; kubectl, which is asked then, waits for ever
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class Place:
    """Where the objects of a resource are."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str) -> str:
        """Of all of them in the namespace."""
        return "/".join([self.root, *(["namespaces", namespace] if self.namespaced else []), self.plural])


class Reader:
    """Objects as the API server has them, or None. Threads may share it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._client: client.ApiClient | None = None
        self._places: dict[str, Place] = {}

    def get(self, namespace: str, kind: str, name: str) -> dict[str, Any] | None:
        """The object; {} when there is none of this name."""
        place = self._place(kind)
        if place is None or "/" in name:
            return None
        code, body = self._ask(f"{place.path(namespace)}/{name}")
        if code == 404 and (body.get("details") or {}).get("name") == name:  # the resource itself is there
            return {}
        return body if code == 200 else None

    def list(self, namespace: str, kind: str, selector: str) -> list[dict[str, Any]] | None:
        """All that the selector fits, without managedFields."""
        place = self._place(kind)
        if place is None:
            return None
        code, body = self._ask(place.path(namespace), labelSelector=selector)
        if code != 200:
            return None
        common = {"apiVersion": body["apiVersion"], "kind": str(body["kind"]).removesuffix("List")}
        for item in body["items"]:
            item["metadata"].pop("managedFields", None)
        return [{**common, **item} for item in body["items"]]

    def _place(self, kind: str) -> Place | None:
        with self._lock:
            if not self._places:
                for root in ("/api", "/apis"):
                    code, body = self._ask(root, accept=DISCOVERY)
                    if code != 200:
                        self._places = {}
                        return None
                    for name, place in _places(root, body):
                        self._places.setdefault(name, place)
            return self._places.get(kind)

    def _ask(self, path: str, accept: str = "application/json", **query: str) -> tuple[int, dict[str, Any]]:
        """Status and body; (0, {}) without an answer."""
        try:
            if self._client is None:
                self._client = config.new_client_from_config(str(self._kubeconfig))
            asked = self._client.param_serialize(
                *("GET", path),
                query_params=[(key, value) for key, value in query.items() if value],
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
            )
            answer = self._client.call_api(*asked, _request_timeout=SECONDS)
            return answer.status, _json(answer.read())
        except client.ApiException as error:
            return error.status or 0, {}
        except (HTTPError, OSError, ValueError):
            return 0, {}


def _places(root: str, discovered: Mapping[str, Any]) -> Iterator[tuple[str, Place]]:
    """Every name that kubectl knows a resource by, the preferred version's first."""
    for group in discovered["items"]:
        called = group["metadata"].get("name", "")
        for version in group["versions"]:
            base = "/".join(filter(None, (root, called, version["version"])))
            for each in version["resources"]:
                plural = each["resource"]
                place = Place(base, plural, each["scope"] == "Namespaced")
                for name in (plural, each.get("singularResource"), *(each.get("shortNames") or ())):
                    if name:
                        yield name, place
                        if called:
                            yield f"{name}.{called}", place


def _json(text: bytes) -> dict[str, Any]:
    """`404 page not found` is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
