"""What the operator and an ingest pod say to each other: Tasks one way, Results the other.

Tasks are made by controllers/sample/hand_out.py and worked on by blueno/ingest; Results go back to the report endpoint
(controllers/ingests.py) and become the status of their Samples. A pod is hostile until it was understood. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from blueno.resources.sample import KEY_LIMIT, REQUEST_LIMIT
from blueno.resources.sample_reasons import SampleReason as Reason

PUT: Final = "put"
REMOVE: Final = "remove"
SINGLES: Final = "singles"  # Samples with a URI
MANIFESTS: Final = "manifests"
LANES: Final = (SINGLES, MANIFESTS)  # worked on side by side, so that nobody waits behind a million lines

PAGE: Final = 256  # Tasks handed out at a time
WORK_BODY: Final = 2 << 20  # bytes of a request with Results
MESSAGE_LIMIT: Final = 600  # characters
REJECTED_FIRST: Final = 5
REJECTED_KEY: Final = 256  # characters

# How a Task may have ended, and whether trying again without a change by a person can help.
ENDS: Final[Mapping[str, bool]] = {  # reason: permanent
    Reason.AVAILABLE: True,
    Reason.PARTLY_AVAILABLE: True,
    Reason.BAD_SAMPLE: True,
    Reason.BAD_MANIFEST: True,
    Reason.NOTHING_USABLE: True,
    Reason.KEY_CONFLICT: True,
    Reason.CHECKSUM_MISMATCH: True,
    Reason.SOURCE_NOT_FOUND: True,
    Reason.SOURCE_NOT_ALLOWED: True,
    Reason.SOURCE_UNAVAILABLE: False,
    Reason.SECRET_NOT_FOUND: False,
    Reason.CONFIG_MAP_NOT_FOUND: False,
    Reason.NO_SPACE: False,
    Reason.DATA_SERVER_UNAVAILABLE: False,
    Reason.INGEST_FAILED: False,
    Reason.REMOVING: True,  # it is removed
}
_SUM = re.compile(r"[0-9a-f]{64}|")


@dataclass(frozen=True)
class Needs:
    """What a pod must have mounted for a Task; of a pod: what it has."""

    secrets: tuple[str, ...] = ()
    config_maps: tuple[str, ...] = ()
    volume: bool = False

    def covers(self, other: Needs) -> bool:
        """Whether a pod with this can do what needs that."""
        missing = set(other.secrets) - set(self.secrets) | set(other.config_maps) - set(self.config_maps)
        return not missing and (self.volume or not other.volume)

    def to_dict(self) -> dict[str, Any]:
        return {"secrets": list(self.secrets), "configMaps": list(self.config_maps), "volume": self.volume}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Needs:
        """Raises ValueError."""
        lists = [body.get(key, []) for key in ("secrets", "configMaps")]
        if not all(isinstance(found, list) and len(found) <= 64 for found in lists):
            raise ValueError("secrets and configMaps must be lists of names")
        if not all(isinstance(name, str) and len(name) <= 253 for found in lists for name in found):
            raise ValueError("secrets and configMaps must hold names")
        return cls(tuple(lists[0]), tuple(lists[1]), bool(body.get("volume", False)))


@dataclass(frozen=True)
class IngestOptions:
    """What an ingest pod is told by its environment."""

    needs: Needs = Needs()
    allowed_source_networks: tuple[str, ...] = ()
    max_source_bytes: int = 2 << 40

    def to_json(self) -> str:
        body = {"needs": self.needs.to_dict(), "allowedSourceNetworks": list(self.allowed_source_networks)}
        return json.dumps({**body, "maxSourceBytes": self.max_source_bytes}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> IngestOptions:
        """Raises ValueError."""
        body = json.loads(text)
        if not isinstance(body, Mapping):
            raise ValueError("must be a JSON object")
        networks = tuple(str(network) for network in body.get("allowedSourceNetworks", ()))
        return cls(Needs.from_dict(body.get("needs", {})), networks, int(body.get("maxSourceBytes", 2 << 40)))


@dataclass(frozen=True)
class Task:
    """One Sample to bring in or to take out. label and metadata: canonical JSON texts. "" and None: not given."""

    op: str  # PUT or REMOVE
    uid: str
    generation: int
    name: str
    request: str  # the annotation requested-at
    key: str  # "" with a manifest
    known_key: str = ""  # under which it went in before
    strayed: bool = False  # it may have gone in under a key that no status tells
    settled: bool = False  # it went in before, or began to: keys of a manifest may have to go
    purge: bool = False
    uri: str = ""
    sha256: str = ""
    secret: str = ""
    config_map: str = ""
    config_key: str = ""
    manifest_uri: str = ""
    manifest_sha256: str = ""
    label: str | None = None
    split: str | None = None
    group: str | None = None
    metadata: str | None = None
    media_type: str = "auto"

    @property
    def is_manifest(self) -> bool:
        return bool(self.config_map or self.manifest_uri)

    @property
    def label_value(self) -> Any:
        return None if self.label is None else json.loads(self.label)

    @property
    def metadata_value(self) -> Any:
        return None if self.metadata is None else json.loads(self.metadata)

    @property
    def needs(self) -> Needs:
        """What a pod has to have mounted."""
        if self.op == REMOVE:
            return Needs()
        secrets = (self.secret,) if self.secret else ()
        maps = (self.config_map,) if self.config_map else ()
        # Any line of a manifest may name a file on the volume.
        volume = self.is_manifest or self.uri.startswith("file:")
        return Needs(secrets, maps, volume)

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value not in ("", None, False)}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Task:
        """From the operator, which is trusted; a field that a newer one may send is left out."""
        known = {field.name for field in fields(cls)}
        blank = {"key": "", "request": ""}
        return cls(**(blank | {key: value for key, value in body.items() if key in known}))


@dataclass(frozen=True)
class Result:
    """How a Task ended: `reason` is a key of ENDS."""

    uid: str
    generation: int
    reason: str
    message: str = ""
    request: str = ""
    key: str = ""
    samples: int = 0
    bytes: int = 0
    rejected: int = 0
    first: tuple[tuple[str, str], ...] = ()  # at most REJECTED_FIRST (key, code)
    digest: str = ""
    shape: str = ""
    dtype: str = ""

    @property
    def permanent(self) -> bool:
        return ENDS[self.reason]

    def to_dict(self) -> dict[str, Any]:
        body = asdict(self) | {"first": [{"key": key[:REJECTED_KEY], "code": code} for key, code in self.first]}
        return body | {"message": self.message[:MESSAGE_LIMIT]}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Result:
        """Raises ValueError on anything that is not a Result."""

        def number(key: str) -> int:
            value = body.get(key, 0)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 60:
                raise ValueError(f"{key} must be a whole number")
            return value

        def text(key: str, most: int) -> str:
            value = body.get(key, "")
            if not isinstance(value, str) or len(value) > most or any("\ud800" <= sign <= "\udfff" for sign in value):
                raise ValueError(f"{key} must be a text of at most {most} characters")
            return value

        reason, digest = text("reason", 64), text("digest", 64)
        if reason not in ENDS:
            raise ValueError("reason is not one that a pod may report")
        if not _SUM.fullmatch(digest):
            raise ValueError("digest must be 64 lower-case hexadecimal digits")
        return cls(
            uid=text("uid", 64),
            generation=number("generation"),
            reason=reason,
            message=text("message", MESSAGE_LIMIT),
            request=text("request", REQUEST_LIMIT),
            key=text("key", KEY_LIMIT),
            samples=number("samples"),
            bytes=number("bytes"),
            rejected=number("rejected"),
            first=_first(body.get("first", [])),
            digest=digest,
            shape=text("shape", 64),
            dtype=text("dtype", 32),
        )


def _first(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or len(value) > REJECTED_FIRST:
        raise ValueError(f"first must be a list of at most {REJECTED_FIRST}")
    found = []
    for item in value:
        key, code = (item.get("key"), item.get("code")) if isinstance(item, Mapping) else (None, None)
        if not isinstance(key, str) or not isinstance(code, str) or len(key) > REJECTED_KEY or len(code) > 64:
            raise ValueError("first must hold objects with key and code")
        found.append((key, code))
    return tuple(found)
