"""What the server says about runs, as frozen values. Built by runs.py and logs.py from JSON; printed by blueno/cli."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from blueno.client.reading import Fields

ENDED = ("succeeded", "failed")
STATES = ("pending", "running", "suspended", *ENDED)


@dataclass(frozen=True)
class Progress:
    """As the program reported it."""

    percentage: int  # 0 – 100
    remaining_seconds: int | None

    @classmethod
    def parse(cls, fields: Fields) -> Progress:
        """From JSON. Raises BluenoError."""
        return cls(fields.whole("percentage", 0), fields.whole_or_none("estimatedRemainingSeconds"))


@dataclass(frozen=True)
class RunSummary:
    """One run as in a list. Times are aware, in UTC. `raw` is the JSON it was read from."""

    uid: str
    namespace: str
    name: str
    state: str  # one of STATES
    reason: str
    message: str
    stalled: bool
    progress: Progress | None
    metrics: Mapping[str, str]  # last values
    datasets: Mapping[str, str | None]  # name → digest, None before it is pinned
    parameters: Mapping[str, str]
    gpus: int  # of all nodes together
    gpu_seconds: float  # of attempts that are over
    wall_seconds: float  # in which it had its nodes, of attempts that are over
    running_since: datetime | None  # while it runs
    nodes: tuple[str, ...]
    attempt: int
    restarts: int
    queue: str | None
    managed_by: str | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def ended(self) -> bool:
        """Whether it has succeeded or failed for good."""
        return self.state in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.state == "succeeded"

    def duration(self, now: datetime) -> float:
        """Seconds in which it had its nodes, by `now` (aware); suspended or waiting it has none."""
        running = 0.0 if self.running_since is None else (now - self.running_since).total_seconds()
        return self.wall_seconds + max(0.0, running)

    @classmethod
    def parse(cls, value: Any, where: str = "run") -> Self:
        """From JSON. Raises BluenoError for what is not understood."""
        fields = Fields(value, where)
        return cls(**_common(fields), **cls._more(fields))

    @classmethod
    def _more(cls, _fields: Fields) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Failure:
    """How a run failed."""

    reason: str
    exit_code: int | None
    pod: str | None
    last_lines: tuple[str, ...]

    @classmethod
    def parse(cls, fields: Fields) -> Failure:
        """From JSON. Raises BluenoError."""
        pod, code = fields.text_or_none("pod"), fields.whole_or_none("exitCode")
        return cls(fields.text("reason", ""), code, pod, fields.texts("lastLines"))


@dataclass(frozen=True)
class Checkpoint:
    """The last one that the program reported; `path` is as the pod sees it."""

    path: str
    step: int | None
    time: datetime | None

    @classmethod
    def parse(cls, fields: Fields) -> Checkpoint:
        """From JSON. Raises BluenoError."""
        return cls(fields.text("path"), fields.whole_or_none("step"), fields.time("time"))


@dataclass(frozen=True)
class Pending:
    """Why nothing runs yet."""

    reason: str
    message: str
    since: datetime | None

    @classmethod
    def parse(cls, fields: Fields) -> Pending:
        """From JSON. Raises BluenoError."""
        return cls(fields.text("reason", ""), fields.text("message", ""), fields.time("since"))


@dataclass(frozen=True)
class Run(RunSummary):
    """Everything about one run. `spec` is the object's own, with the cluster's defaults."""

    spec: Mapping[str, Any] = field(repr=False)
    deleted_at: datetime | None  # it is gone from the cluster; what was known of it is kept for some days
    image: str | None
    image_digest: str | None
    code_revision: str | None
    job_name: str | None
    pending: Pending | None
    failure: Failure | None
    checkpoint: Checkpoint | None
    outputs: Mapping[str, str]  # claimName, path; empty before it has any

    @classmethod
    def _more(cls, _fields: Fields) -> dict[str, Any]:
        return {
            "spec": _fields.free("spec"),
            "deleted_at": _fields.time("deletedAt"),
            "image": _fields.text_or_none("image"),
            "image_digest": _fields.text_or_none("imageDigest"),
            "code_revision": _fields.text_or_none("codeRevision"),
            "job_name": _fields.text_or_none("jobName"),
            "pending": _fields.maybe("pending", Pending.parse),
            "failure": _fields.maybe("failure", Failure.parse),
            "checkpoint": _fields.maybe("checkpoint", Checkpoint.parse),
            "outputs": _fields.mapping("outputs"),
        }


@dataclass(frozen=True)
class Series:
    """One metric: points in the order of time, each (step or None, time, value); NaN is a value."""

    name: str
    points: tuple[tuple[int | None, datetime | None, float], ...]


@dataclass(frozen=True)
class Metrics:
    """`names`: all that the run has reported; `series`: those that were asked for."""

    names: tuple[str, ...]
    series: tuple[Series, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, value: Any) -> Metrics:
        """From JSON. Raises BluenoError."""
        fields = Fields(value, "metrics")
        series = tuple(Series(one.text("name"), tuple(_points(one))) for one in fields.each("series"))
        return cls(fields.texts("names"), series, fields.raw)


@dataclass(frozen=True)
class Part:
    """The log of one pod of one attempt. `bytes` counts what there was; `complete`: no more will come."""

    attempt: int
    pod: str
    bytes: int
    complete: bool

    @classmethod
    def parse(cls, fields: Fields) -> Part:
        """From JSON. Raises BluenoError."""
        return cls(fields.whole("attempt"), fields.text("pod"), fields.whole("bytes", 0), fields.truth("complete"))


def _common(fields: Fields) -> dict[str, Any]:
    return {
        "uid": fields.text("uid", ""),
        "namespace": fields.text("namespace"),
        "name": fields.text("name"),
        "state": fields.text("state"),
        "reason": fields.text("reason", ""),
        "message": fields.text("message", ""),
        "stalled": fields.truth("stalled"),
        "progress": fields.maybe("progress", Progress.parse),
        "metrics": {one.text("name"): one.text("value") for one in fields.each("metrics")},
        "datasets": {one.text("name"): one.text_or_none("digest") for one in fields.each("datasets")},
        "parameters": fields.mapping("parameters"),
        "gpus": fields.whole("gpus", 0),
        "gpu_seconds": fields.number("gpuSeconds", 0.0),
        "wall_seconds": fields.number("wallSeconds", 0.0),
        "running_since": fields.time("runningSince"),
        "nodes": fields.texts("nodes"),
        "attempt": fields.whole("attempt", 0),
        "restarts": fields.whole("restarts", 0),
        "queue": fields.text_or_none("queue"),
        "managed_by": fields.text_or_none("managedBy"),
        "created_at": fields.time("createdAt"),
        "started_at": fields.time("startedAt"),
        "ended_at": fields.time("endedAt"),
        "raw": fields.raw,
    }


def _points(series: Fields) -> list[tuple[int | None, datetime | None, float]]:
    found = []
    for number, point in enumerate(series.raw.get("points") or ()):
        values = point if isinstance(point, list) and len(point) == 3 else ["no point"] * 3
        one = Fields(dict(zip(("step", "time", "value"), values, strict=True)), f"points[{number}]")
        found.append((one.whole_or_none("step"), one.time("time"), one.number("value", math.nan)))
    return found
