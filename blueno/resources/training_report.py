"""What a training pod tells the operator: Kubeflow Trainer's `trainerStatus`, and steps, points, checkpoints of ours.

Posted by blueno/report.py or by Kubeflow Trainer's own clients (transformers among them) to the report endpoint
(controllers/training_reports.py); the latest goes into the run's status, its points to the recorder. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

BODY_LIMIT: Final = 256 << 10  # bytes of one report
METRICS: Final = 256  # kept of one report or point
NAME: Final = 63  # characters of a metric's name
VALUE: Final = 64  # characters of a value as text
POINTS: Final = 500  # in one report
PATH: Final = 1024  # characters of a checkpoint's path
LEFT_OUT: Final = 20  # reasons told for one report
OLDEST: Final = timedelta(days=7)  # a pod that could not report for longer has lost its points' times
_FUTURE = timedelta(minutes=5)  # a pod's clock may be wrong
_LARGEST = 1 << 62
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,63}")
_SENDER = re.compile(r"[0-9a-f]{1,32}")
_STEPS: Final = ("current_step", "total_steps")  # of Kubeflow Trainer's clients: an axis and a constant, no curves


@dataclass(frozen=True)
class CheckpointReport:
    """A checkpoint that is whole: where it lies in the pod, after which step."""

    path: str
    step: int | None
    time: datetime


@dataclass(frozen=True)
class TrainingPoint:
    """Values of some metrics at one moment; names of at most 63 characters, finite numbers."""

    step: int | None
    time: datetime
    metrics: Mapping[str, float]
    again: bool = False  # it was sent before, to an operator that may not have passed it on

    def to_dict(self) -> dict[str, Any]:
        again = {"again": True} if self.again else {}
        return {"step": self.step, "time": self.time.isoformat(), "metrics": dict(self.metrics), **again}


@dataclass(frozen=True)
class TrainingReport:
    """The latest that a run's pods said; None for what they did not say."""

    attempt: int
    updated: datetime
    percentage: int | None = None  # 0–100
    remaining_seconds: int | None = None
    step: int | None = None
    metrics: tuple[tuple[str, str], ...] = ()  # (name, value): the last values, as Kubeflow Trainer has them
    checkpoint: CheckpointReport | None = None

    def after(self, before: TrainingReport | None) -> TrainingReport:
        """This report with what it does not say taken from the one before; only a checkpoint outlives its attempt."""
        if before is None:
            return self
        checkpoint = self.checkpoint or before.checkpoint
        if before.attempt != self.attempt:
            return replace(self, checkpoint=checkpoint)
        remaining = before.remaining_seconds if self.percentage is None else None
        return replace(
            self,
            percentage=before.percentage if self.percentage is None else self.percentage,
            remaining_seconds=remaining if self.remaining_seconds is None else self.remaining_seconds,
            step=before.step if self.step is None else self.step,
            metrics=tuple({**dict(before.metrics), **dict(self.metrics)}.items())[-METRICS:],
            checkpoint=checkpoint,
        )


@dataclass(frozen=True)
class Told:
    """One body, read: the report, its points, who in the pod sent it, and why parts of it were left out.

    `epoch`: the life of the operator that has taken points which the sender does not know to be stored; "": none.
    """

    report: TrainingReport
    points: tuple[TrainingPoint, ...]
    sender: str
    left_out: tuple[str, ...]
    epoch: str = ""


class _Reading:
    """Reads the parts of one body; what is only unusable is left out with a reason, what is no report is ValueError."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.left_out: list[str] = []

    def leave_out(self, reason: str) -> None:
        if len(self.left_out) < LEFT_OUT:
            self.left_out.append(reason)

    def time(self, text: Any) -> datetime:
        """RFC 3339; now for what is none, is in the future or long past."""
        try:
            found = datetime.fromisoformat(text if isinstance(text, str) else "")
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
            return found.astimezone(UTC) if self._now - OLDEST < found < self._now + _FUTURE else self._now
        except (ValueError, OverflowError):
            return self._now

    def values(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
        """Name → value as text, of those that are finite numbers under usable names."""
        found: dict[str, str] = {}
        for name, value in pairs:
            shown = repr(name if not isinstance(name, str) else name[:80])[:80]
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                self.leave_out(f"metric {shown}: a name has 1 to {NAME} printable characters")
            elif len(found) >= METRICS and name not in found:
                self.leave_out(f"metric {shown}: a report has at most {METRICS} metrics")
                return found
            elif (text := number_text(value)) is None:
                self.leave_out(f"metric {shown}: its value is no finite number")
            else:
                found[name] = text
        return found


def parse_report(body: Any, attempt: int, now: datetime) -> Told:
    """Raises ValueError with what is wrong; parts that cannot be used are left out and named in `left_out`."""
    reading = _Reading(now)
    whole = _mapping("the body", body)
    status = _mapping("trainerStatus", whole.get("trainerStatus") or {})
    metrics = reading.values(_named(status.get("metrics") or ()))
    step = _number("step", whole.get("step"), _LARGEST)
    updated = reading.time(status.get("lastUpdatedTime"))
    points = tuple(_points(whole.get("points"), reading))
    if whole.get("points") is None and (point := _point_of(metrics, step, updated)):
        points = (point,)
    remaining = _number("trainerStatus.estimatedRemainingSeconds", status.get("estimatedRemainingSeconds"), _LARGEST)
    report = TrainingReport(
        attempt=attempt,
        updated=updated,
        percentage=_number("trainerStatus.progressPercentage", status.get("progressPercentage"), 100),
        remaining_seconds=None if remaining is None else min(remaining, 10**9),
        step=_step_of(metrics) if step is None else step,
        metrics=tuple(metrics.items()),
        checkpoint=_checkpoint(whole.get("checkpoint"), reading),
    )
    sender, epoch = (_token(whole.get(key)) for key in ("sender", "epoch"))
    return Told(report, points, sender, tuple(reading.left_out), epoch)


def _token(value: Any) -> str:
    return value if isinstance(value, str) and _SENDER.fullmatch(value) else ""


def number_text(value: Any) -> str | None:
    """A finite number as short text; None for anything else. Text that is a number is left as it was written."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or not math.isfinite(float(value)):
            return None
    except (ValueError, OverflowError):
        return None
    if isinstance(value, str):
        value = value.strip()
        return value if len(value) <= VALUE and value.isascii() and "_" not in value else None
    return repr(value) if len(repr(value)) <= VALUE else repr(float(value))


def _points(raw: Any, reading: _Reading) -> Iterable[TrainingPoint]:
    if raw is None:
        return
    if not isinstance(raw, list) or len(raw) > POINTS:
        raise ValueError(f"points must be a list of at most {POINTS}")
    for entry in raw:
        point = _mapping("each of points", entry)
        values = reading.values(_mapping("points.metrics", point.get("metrics") or {}).items())
        step = _number("points.step", point.get("step"), _LARGEST)
        if values:
            numbers = {k: float(v) for k, v in values.items()}
            yield TrainingPoint(step, reading.time(point.get("time")), numbers, point.get("again") is True)


def _point_of(metrics: Mapping[str, str], step: int | None, time: datetime) -> TrainingPoint | None:
    """A client of Kubeflow Trainer's sends no points: its last values are one."""
    values = {name: float(value) for name, value in metrics.items() if name not in _STEPS}
    return TrainingPoint(_step_of(metrics) if step is None else step, time, values) if values else None


def _step_of(metrics: Mapping[str, str]) -> int | None:
    text = metrics.get(_STEPS[0], "")
    return int(text) if text.isdecimal() and int(text) <= _LARGEST else None


def _checkpoint(raw: Any, reading: _Reading) -> CheckpointReport | None:
    if raw is None:
        return None
    body = _mapping("checkpoint", raw)
    path = body.get("path")
    if not isinstance(path, str) or not 0 < len(path) <= PATH or not path.isprintable():
        raise ValueError(f"checkpoint.path must be a text of 1 to {PATH} printable characters")
    return CheckpointReport(
        path, _number("checkpoint.step", body.get("step"), _LARGEST), reading.time(body.get("time"))
    )


def _named(raw: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(raw, list | tuple):
        raise ValueError("trainerStatus.metrics must be a list of {name, value}")
    for entry in raw:
        metric = _mapping("each of trainerStatus.metrics", entry)
        yield metric.get("name"), metric.get("value")


def _mapping(what: str, raw: Any) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"{what} must be an object")
    return raw


def _number(what: str, value: Any, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{what} must be a whole number from 0 to {most}, not {str(value)[:40]!r}")
    return value
