"""A Sample as a frozen value. `Sample.parse(body)` is called by controllers/sample/kind.py. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.conditions import Condition, find, is_true, parse_conditions, parse_time
from blueno.resources.spec_types import MAX_DEPTH, SAMPLE, check_types, is_deep

MEDIA_TYPES: Final = ("auto", "image2D", "volume3D")
SCHEMES: Final = ("file", "http", "https", "s3", "gs", "az")
LABEL_LIMIT: Final = 4096  # bytes of JSON in spec.label
METADATA_LIMIT: Final = 16384  # bytes of JSON in spec.metadata
KEY_LIMIT: Final = 1024  # characters
SPLIT_LIMIT: Final = 128
REQUEST_LIMIT: Final = 128  # characters of the annotation requested-at that status can echo


@dataclass(frozen=True)
class Manifest:
    """`spec.manifest`: a key of a ConfigMap, or a URI."""

    config_map: str = ""
    key: str = ""
    uri: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Sample:
    """One Sample: identity, spec and the part of the status that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int
    observed_generation: int  # -1 before the first status
    dataset: str
    uri: str  # "" with a manifest
    sha256: str
    secret: str
    manifest: Manifest | None
    key: str
    label: str | None  # canonical JSON
    split: str | None
    group: str | None
    metadata: str | None  # canonical JSON
    media_type: str
    purge: bool
    created: datetime | None
    deleting: bool
    finalizers: tuple[str, ...]
    owners: tuple[str, ...]  # uids
    requested_at: str | None  # the annotation
    conditions: tuple[Condition, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def guarded(self) -> bool:
        """Whether it may have something in the working set: our finalizer is on it."""
        return names.ERASE_FINALIZER in self.finalizers

    @property
    def reason(self) -> str:
        """What its Ready condition said last; "" before the first time."""
        ready = find(self.conditions, "Ready")
        return ready.reason if ready is not None else ""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Sample:
        """Raises InvalidSpec for what the schema cannot see or an older one let pass."""
        spec = body.get("spec") or {}
        check_types(spec, SAMPLE)
        return cls(**identity(body), **_content(spec))


def identity(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a Sample whatever its spec says."""
    meta, status = body["metadata"], body.get("status") or {}
    asked = (meta.get("annotations") or {}).get(names.REQUESTED_AT)
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
        "generation": meta.get("generation", 1),
        "observed_generation": status.get("observedGeneration", -1),
        "created": parse_time(meta.get("creationTimestamp", "")),
        "deleting": bool(meta.get("deletionTimestamp")),
        "finalizers": tuple(meta.get("finalizers") or ()),
        "owners": tuple(str(owner.get("uid")) for owner in meta.get("ownerReferences") or ()),
        "requested_at": str(asked)[:REQUEST_LIMIT] if asked else None,
        "conditions": parse_conditions(status.get("conditions") or ()),
        "status": status,
        "dataset": dataset_of(body),
    }


def unreadable(body: Mapping[str, Any]) -> Sample:
    """A Sample whose spec cannot be understood: who it is, and nothing of what it asks for."""
    empty: dict[str, Any] = {
        "uri": "",
        "sha256": "",
        "secret": "",
        "manifest": None,
        "key": "",
        "label": None,
        "split": None,
    }
    return Sample(**identity(body), **empty, group=None, metadata=None, media_type="auto", purge=False)


def dataset_of(body: Mapping[str, Any]) -> str:
    """Name of the Dataset that a Sample names; "" when it names none."""
    spec = body.get("spec")
    ref = spec.get("datasetRef") if isinstance(spec, Mapping) else None
    name = ref.get("name") if isinstance(ref, Mapping) else None
    return name if isinstance(name, str) else ""


def is_settled(body: Mapping[str, Any]) -> bool:
    """Whether status says how what spec and `blueno.dev/requested-at` ask for has ended; in which Dataset apart."""
    meta, status = body["metadata"], body.get("status") or {}
    asked = (meta.get("annotations") or {}).get(names.REQUESTED_AT)
    if status.get("observedGeneration", -1) != meta.get("generation", 1):
        return False
    if asked and status.get("lastHandledRequest") != str(asked)[:REQUEST_LIMIT]:
        return False
    conditions = parse_conditions(status.get("conditions") or ())
    return is_true(conditions, "Ready") or is_true(conditions, "Stalled")


def canonical(value: Any) -> str:
    """JSON in one spelling: sorted keys, no blanks, as in journals and indexes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def check_key(key: str, path: str) -> None:
    """Raises InvalidSpec: what the working set takes as a key, split or group."""
    if any(ord(sign) < 32 or ord(sign) == 127 or 0xD800 <= ord(sign) <= 0xDFFF for sign in key):
        raise InvalidSpec(path, "must not hold control characters")


def _content(spec: Mapping[str, Any]) -> dict[str, Any]:
    given = spec.get("manifest")
    if bool(spec.get("uri")) == bool(given):
        raise InvalidSpec("spec", "set exactly one of uri, manifest")
    for field_name in ("key", "split", "group"):
        check_key(spec.get(field_name) or "", f"spec.{field_name}")
    return {
        "uri": spec.get("uri") or "",
        "sha256": (spec.get("sha256") or "").lower(),
        "secret": (spec.get("secretRef") or {}).get("name") or "",
        "manifest": _manifest(given) if given else None,
        "key": spec.get("key") or "",
        "label": _json(spec, "label", LABEL_LIMIT),
        "split": spec.get("split"),
        "group": spec.get("group"),
        "metadata": _json(spec, "metadata", METADATA_LIMIT),
        "media_type": spec.get("mediaType") or "auto",
        "purge": bool(spec.get("purgeOnDelete", False)),
    }


def _manifest(given: Mapping[str, Any]) -> Manifest:
    config_map, uri = given.get("configMapRef") or {}, given.get("uri") or ""
    if bool(config_map) == bool(uri):
        raise InvalidSpec("spec.manifest", "set exactly one of configMapRef, uri")
    if config_map and not (config_map.get("name") and config_map.get("key")):
        raise InvalidSpec("spec.manifest.configMapRef", "names a ConfigMap and its key")
    return Manifest(config_map.get("name") or "", config_map.get("key") or "", uri, (given.get("sha256") or "").lower())


def _json(spec: Mapping[str, Any], name: str, limit: int) -> str | None:
    """The schema can only count the keys of free JSON."""
    value = spec.get(name)
    if value is None:
        return None
    if is_deep(value):
        raise InvalidSpec(f"spec.{name}", f"must not be nested deeper than {MAX_DEPTH} levels")
    text = canonical(value)
    if len(text.encode(errors="surrogatepass")) > limit:
        raise InvalidSpec(f"spec.{name}", f"must be at most {limit} bytes of JSON")
    if any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise InvalidSpec(f"spec.{name}", "must not hold half surrogate pairs")
    return text
