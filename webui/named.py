"""What a spec gives pods access to: each is reviewed for the person before the object is made. Pure.

Called by api/reviewed.py for TrainingRuns and Datasets. The operator makes the pod with its own rights: without the
review, whoever may create such objects could read every Secret and claim of the namespace through one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blueno.resources.api import (
    CLAIMS,
    CONFIG_MAPS,
    DATASETS,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    TRAINING_RUNS,
    Resource,
)
from webui.access import CONTENT

# By the names that Kubernetes' own fields have, wherever they stand: a field that is added later is not forgotten.
_REFERENCES: Final[Mapping[str, Resource]] = {  # {name} or a list of such
    "secretRef": SECRETS,
    "secretKeyRef": SECRETS,
    "imagePullSecrets": SECRETS,
    "configMapRef": CONFIG_MAPS,
    "configMapKeyRef": CONFIG_MAPS,
    "existingClaim": CLAIMS,  # of a Dataset's storage
    "claim": CLAIMS,  # a Dataset's source
}
_NAMES: Final[Mapping[str, Resource]] = {
    "secretName": SECRETS,
    "existingClaim": CLAIMS,
    "claimName": CLAIMS,
    "serviceAccountName": SERVICE_ACCOUNTS,
}
_FREE: Final = ("parameters", "nodeSelector", "metadata")  # their keys are the person's own words


@dataclass(frozen=True)
class Named:
    """An object that the spec names at `field`, and what the person must be allowed to do with it."""

    field: str
    resource: Resource
    name: str
    verb: str = "get"
    sub: str = ""

    @property
    def sentence(self) -> str:
        """Why it is refused."""
        what = f"{self.resource.kind} {self.name}" if self.name else f"{self.resource.plural} in this namespace"
        about = "read the samples of" if self.sub else self.verb
        return f"you may not {about} the {what}" if self.name else f"you may not {about} {what}"


def named_in(spec: Mapping[str, Any]) -> list[Named]:
    """Each once, where it stands first. `spec` may be any JSON object."""
    found: dict[tuple[str, str, str, str], Named] = {}
    for named in _everything(spec):
        found.setdefault((named.resource.kind, named.name, named.verb, named.sub), named)
    return list(found.values())


def _everything(spec: Mapping[str, Any]) -> Iterator[Named]:
    for key, value in spec.items():
        if key not in _FREE:
            yield from _walk(f"spec.{key}", key, value)
    for place, name in _names(spec.get("datasets"), "spec.datasets"):
        yield Named(place, DATASETS, name, sub=CONTENT)
    checkpoint = spec.get("checkpoint")
    before = checkpoint.get("from") if isinstance(checkpoint, dict) else None
    if isinstance(before, dict) and isinstance(before.get("run"), str):
        yield Named("spec.checkpoint.from.run", TRAINING_RUNS, before["run"])


def _walk(place: str, key: str, value: Any) -> Iterator[Named]:
    if key in _REFERENCES:
        for where, name in _names(value, place):
            yield Named(where, _REFERENCES[key], name)
    if key in _NAMES and isinstance(value, str):
        yield Named(place, _NAMES[key], value)
        if _NAMES[key] is SERVICE_ACCOUNTS:
            # The program runs with that account's rights, which is as much as making a pod of one's own.
            yield Named(place, PODS, "", verb="create")
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(f"{place}.{name[:64]}", name, item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(f"{place}[{number}]", "", item)


def _names(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """(place, name) of {name} or of each of a list of them."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        yield f"{place}.name", value["name"]
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _names(item, f"{place}[{number}]")
