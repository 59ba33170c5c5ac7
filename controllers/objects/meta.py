"""Metadata of everything the operator creates: our labels, the owner reference, nothing else of the parent's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueno import names


@dataclass(frozen=True)
class Owner:
    """The object that a child is made for: one of ours, or a claim that runs write to."""

    kind: str
    name: str
    namespace: str
    uid: str


def labels(owner: Owner, role: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Labels by which the child is found again. Foreign labels of the parent (Argo CD's, Flux's) are never copied."""
    return {
        "app.kubernetes.io/name": "blueno",
        "app.kubernetes.io/component": role,
        "app.kubernetes.io/managed-by": names.OPERATOR,
        names.MANAGED: "true",
        names.OWNER_KIND: owner.kind,
        names.OWNER_UID: owner.uid,
        names.OWNER_LABELS[owner.kind]: names.label_value(owner.name),
        names.ROLE_LABEL: role,
        **(extra or {}),
    }


def owner_reference(owner: Owner) -> dict[str, Any]:
    """Garbage collection removes the child with its owner; the child never holds the owner back."""
    return {
        "apiVersion": "v1" if owner.kind == names.CLAIM_KIND else names.API_VERSION,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
