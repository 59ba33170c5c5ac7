"""TrainingRuns in the fake cluster, as tests of this folder make them and read them."""

from __future__ import annotations

from typing import Any

from blueno import names
from tests.loop.conftest import World

RUN = names.TRAINING_RUN_KIND


def a_run_manifest(name: str = "train", **spec: Any) -> dict[str, Any]:
    """What a user applies."""
    return {
        "kind": RUN,
        "metadata": {"name": name, "namespace": "lab"},
        "spec": {"image": "registry.example.org/train:1", "backoffLimit": 0, **spec},
    }


def said(world: World, name: str = "train", kind: str = "Succeeded") -> tuple[str, str]:
    """Status and reason of a run's condition."""
    found = (c for c in world.api.read(RUN, name)["status"].get("conditions", ()) if c["type"] == kind)
    return next(((c["status"], c["reason"]) for c in found), ("", ""))


async def completed(world: World, name: str = "train", seconds: float = 45) -> None:
    await world.until(lambda: said(world, name) == ("True", "Completed"), f"{name} is Completed", seconds)


def writes_of(world: World, kinds: tuple[str, ...] = ("jobs", "trainingruns", "events", "services")) -> list[str]:
    """Writes for runs, as "POST jobs" and "PATCH trainingruns/…/status"."""
    return [f"{seen.verb} {seen.path}" for seen in world.api.writes() if any(f"/{kind}" in seen.path for kind in kinds)]
