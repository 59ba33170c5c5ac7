"""Where a run's pods may go: the spec together with its accelerator profile. Pure; called by pod.py and words.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from blueno.resources.accelerator import AcceleratorProfile
from blueno.resources.run_parts import Gpus, Placement
from controllers.objects.pod import together

NVIDIA = "nvidia.com/gpu"
GPU_TOLERATION: Mapping[str, Any] = {"key": NVIDIA, "operator": "Exists", "effect": "NoSchedule"}
GPU_PRODUCT_LABEL = "nvidia.com/gpu.product"  # set by NVIDIA's feature discovery


def placed(place: Placement, profiles: Mapping[str, AcceleratorProfile]) -> Placement:
    """`place` with what its profile adds; what the run says itself wins. An unknown profile adds nothing."""
    profile = profiles.get(place.profile or "", AcceleratorProfile())
    gpus = Gpus(
        place.gpus.count,
        place.gpus.resource_name or profile.resource_name or NVIDIA,
        place.gpus.product or profile.product,
    )
    tolerations = (*place.tolerations, *(t for t in profile.tolerations if t not in place.tolerations))
    if gpus.count and GPU_TOLERATION not in tolerations:
        tolerations = (*tolerations, GPU_TOLERATION)
    return replace(
        place,
        gpus=gpus,
        node_selector={**profile.node_selector, **place.node_selector},
        tolerations=tolerations,
        priority_class=place.priority_class or profile.priority_class,
        runtime_class=place.runtime_class or profile.runtime_class,
    )


def resources(place: Placement) -> dict[str, Any]:
    """The spec's resources with the GPUs: Kubernetes wants extended resources among the limits."""
    found = {key: dict(value) for key, value in place.resources.items()}
    if place.gpus.count:
        found["limits"] = {**found.get("limits", {}), place.gpus.resource_name or NVIDIA: str(place.gpus.count)}
    return found


def affinity(place: Placement, claims: Sequence[str] = ()) -> Mapping[str, Any]:
    """Only nodes with the product asked for, and where the pods are that mount `claims`, one node's each."""
    found: dict[str, Any] = {}
    if place.gpus.product:
        is_product = {"key": GPU_PRODUCT_LABEL, "operator": "In", "values": [place.gpus.product]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [is_product]}]}
        found["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    if claims:
        found["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": together(claims)}
    return found
