"""What a preparation pod tells the operator: Progress while it works, one Outcome when it ends.

Progress goes to the report endpoint (controllers/reports.py), the Outcome is the pod's termination message
(read by controllers/dataset/observe.py). Both are written by blueno/prep. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# A pod that ends with this exit code has failed for good: the Job's podFailurePolicy stops retrying.
PERMANENT_EXIT_CODE = 10

# Codes a failed Outcome may carry (all are reasons of the Dataset's Ready condition), and whether trying again
# without a change by a person can help. The operator obeys `Outcome.permanent`; this table is where it comes from.
FAILURE_CODES: Mapping[str, bool] = {  # code: permanent
    "InvalidSpec": True,
    "SourceNotFound": True,
    "SourceNotAllowed": True,
    "ChecksumMismatch": True,
    "AdoptionMismatch": True,
    "TooManyBadSamples": True,
    "VolumePermissionDenied": False,
    "WaitingForVolume": False,
    "NoSpace": False,
    "SourceUnavailable": False,
    "PrepFailed": False,
}

WAITING_FOR_SPACE = "WaitingForSpace"
STAGES = ("Downloading", "Preparing", "Publishing", WAITING_FOR_SPACE)
MESSAGE_LIMIT = 4096  # bytes kubelet keeps of a termination message
_KEY, _SHORT_KEY = 200, 60  # characters of a bad sample's name; bytes of it when there is no room


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `sealed` and `opened` say which part of the fields is meaningful; neither: it failed."""

    sealed: bool
    opened: bool = False  # the volume is ready for samples, and there was nothing to seal
    # sealed
    digest: str = ""  # 64 hexadecimal digits
    sequence: int = 0  # 1 for the first version on this volume
    samples: int = 0
    bytes: int = 0  # of the version's files
    sealed_at: str = ""  # RFC 3339, UTC
    splits: tuple[tuple[str, int], ...] = ()  # (name, samples)
    classes: int = 0
    shapes: tuple[str, ...] = ()  # at most 8, for example "28x28x1 uint8"
    bad_samples: int = 0
    bad_first: tuple[tuple[str, str], ...] = ()  # at most 5 (key, code)
    capacity_bytes: int = 0  # of the volume
    free_bytes: int = 0
    writable: bool = False  # proven: samples can be added to the working set
    revision: int = 0  # of the working set that the version holds
    # failed
    code: str = ""  # a key of FAILURE_CODES
    message: str = ""
    permanent: bool = False
    owner: str = ""  # with AdoptionMismatch: uid of the Dataset of this cluster that owns the directory

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.sealed or self.opened

    def to_json(self) -> str:
        """At most MESSAGE_LIMIT bytes: what is over-long is cut, never the JSON; kubelet would cut anywhere."""
        cut = self
        while (surplus := len(cut._dump().encode()) - MESSAGE_LIMIT) > 0:
            if cut.message:
                kept = _cut(cut.message, max(0, len(cut.message.encode()) - surplus - 16))
                cut = replace(cut, message=f"{kept} …" if kept else "")
            elif cut.splits:  # names of splits are anybody's
                cut = replace(cut, splits=cut.splits[:-1])
            else:
                short = tuple((_cut(key, _SHORT_KEY), code) for key, code in cut.bad_first)
                cut = replace(cut, bad_first=short, shapes=cut.shapes[:-1])
        return cut._dump()

    def _dump(self) -> str:
        volume = {"capacityBytes": self.capacity_bytes, "freeBytes": self.free_bytes, "writable": self.writable}
        bad = [{"key": key[:_KEY], "code": code} for key, code in self.bad_first]
        body: dict[str, Any] = {"badSamples": self.bad_samples, "badFirst": bad, "volume": volume}
        if self.sealed:
            body |= {
                "outcome": "Sealed",
                "digest": self.digest,
                "sequence": self.sequence,
                "samples": self.samples,
                "bytes": self.bytes,
                "sealedAt": self.sealed_at,
                "splits": [{"name": name, "samples": samples} for name, samples in self.splits],
                "classes": self.classes,
                "shapes": list(self.shapes),
                "revision": self.revision,
            }
        elif self.opened:
            body |= {"outcome": "Open"}
        else:
            failed = {"outcome": "Failed", "code": self.code, "message": self.message, "permanent": self.permanent}
            body |= {**failed, "owner": self.owner[:64]}
        return json.dumps(body, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Outcome | None:
        """The Outcome in a termination message, or None when the text is none (a killed pod, a foreign image)."""
        try:
            body = json.loads(text)
            kind = body["outcome"]
            volume, bad = body["volume"], tuple((str(b["key"]), str(b["code"])) for b in body["badFirst"])
            common: dict[str, Any] = {
                "bad_samples": int(body["badSamples"]),
                "bad_first": bad,
                "capacity_bytes": int(volume["capacityBytes"]),
                "free_bytes": int(volume["freeBytes"]),
                "writable": volume.get("writable") is True,
            }
            if kind == "Open":
                return cls(sealed=False, opened=True, **common)
            if kind == "Failed":
                code = body["code"] if body["code"] in FAILURE_CODES else "PrepFailed"
                return cls(
                    sealed=False,
                    code=code,
                    message=str(body["message"]),
                    permanent=bool(body["permanent"]),
                    owner=str(body.get("owner", "")),
                    **common,
                )
            if kind != "Sealed":
                return None
            return cls(
                sealed=True,
                digest=str(body["digest"]),
                sequence=int(body["sequence"]),
                samples=int(body["samples"]),
                bytes=int(body["bytes"]),
                sealed_at=str(body["sealedAt"]),
                splits=tuple((str(s["name"]), int(s["samples"])) for s in body["splits"]),
                classes=int(body["classes"]),
                shapes=tuple(str(s) for s in body["shapes"]),
                revision=int(body["revision"]),
                **common,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True)
class Progress:
    """One report of a working pod. Totals are 0 while unknown; percentage never runs backwards within an attempt."""

    work: str  # the Work's hash
    attempt: int
    stage: str  # one of STAGES
    percentage: int  # 0–100 of the whole work, not of the stage
    estimated_remaining_seconds: int | None = None
    samples_done: int = 0
    samples_total: int = 0
    shards_done: int = 0
    shards_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    waiting_code: str = ""  # "SourceUnavailable" while a source is being retried; else ""
    waiting_message: str = ""  # with it, and with the stage WaitingForSpace
    needed_bytes: int = 0  # that have to be free, with the stage WaitingForSpace; else 0
    free_bytes: int = 0  # of the volume, as last seen
    capacity_bytes: int = 0  # of the volume; 0 while unknown

    def to_dict(self) -> dict[str, Any]:
        return {
            "work": self.work,
            "attempt": self.attempt,
            "stage": self.stage,
            "percentage": self.percentage,
            "estimatedRemainingSeconds": self.estimated_remaining_seconds,
            "samplesDone": self.samples_done,
            "samplesTotal": self.samples_total,
            "shardsDone": self.shards_done,
            "shardsTotal": self.shards_total,
            "bytesDone": self.bytes_done,
            "bytesTotal": self.bytes_total,
            "waitingCode": self.waiting_code,
            "waitingMessage": self.waiting_message,
            "neededBytes": self.needed_bytes,
            "freeBytes": self.free_bytes,
            "capacityBytes": self.capacity_bytes,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Progress:
        """Raises ValueError on anything that is not a report: the body comes from a pod and may be hostile."""

        def number(key: str, most: int = 1 << 60) -> int:
            value = body.get(key, 0)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
                raise ValueError(f"{key} must be a whole number from 0 to {most}, not {value!r:.40}")
            return value

        def text(key: str, most: int) -> str:
            value = body.get(key, "")
            if not isinstance(value, str) or len(value) > most:
                raise ValueError(f"{key} must be a text of at most {most} characters")
            return value

        stage = text("stage", 32)
        if stage not in STAGES:
            raise ValueError(f"stage must be one of {', '.join(STAGES)}")
        waiting = text("waitingCode", 64)
        if waiting and waiting not in FAILURE_CODES:
            raise ValueError("waitingCode is not a known code")
        remaining = None
        if body.get("estimatedRemainingSeconds") is not None:
            remaining = number("estimatedRemainingSeconds", 10**9)
        return cls(
            work=text("work", 64),
            attempt=number("attempt", 10**6),
            stage=stage,
            percentage=number("percentage", 100),
            estimated_remaining_seconds=remaining,
            samples_done=number("samplesDone"),
            samples_total=number("samplesTotal"),
            shards_done=number("shardsDone"),
            shards_total=number("shardsTotal"),
            bytes_done=number("bytesDone"),
            bytes_total=number("bytesTotal"),
            waiting_code=waiting,
            waiting_message=text("waitingMessage", 1024),
            needed_bytes=number("neededBytes"),
            free_bytes=number("freeBytes"),
            capacity_bytes=number("capacityBytes"),
        )


def _cut(text: str, size: int) -> str:
    """At most `size` bytes of it."""
    return text.encode()[:size].decode(errors="ignore")
