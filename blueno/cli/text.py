"""Runs and their outputs as text: columns, ages, GPU hours, curves. Pure; used by the commands of blueno/cli."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from blueno.client.outputs import OutputEntry
from blueno.client.values import Run, RunSummary
from blueno.client.words import plain

HEAD = ("NAME", "STATE", "REASON", "PROGRESS", "DATASETS", "GPUS", "GPU HOURS", "RESTARTS", "DURATION", "AGE")
COLOURS = {"succeeded": 32, "failed": 31, "running": 36, "pending": 33, "suspended": 35}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_BARS = "▁▂▃▄▅▆▇█"


def row(run: RunSummary, now: datetime) -> tuple[str, ...]:
    """One line of `run ls`."""
    return (
        plain(run.name, 253),
        plain(run.state, 20),
        plain(run.reason, 64),
        f"{run.progress.percentage}%" if run.progress is not None else "",
        plain(",".join(run.datasets), 60),
        str(run.gpus or ""),
        gpu_hours(run.gpu_seconds),
        str(run.restarts),
        took(run.duration(now)),
        age(run.created_at, now),
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines whose columns stand below each other, as kubectl prints them."""
    widths = [max(len(line[number]) for line in rows) for number in range(len(rows[0]))] if rows else []
    return ["   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows]


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """`Name:  value` below each other; empty ones are left out."""
    return [f"{key + ':':13} {plain(value)}" for key, value in pairs if value]


def coloured(line: str, word: str, colour: int) -> str:
    """`line` with its first `word` in colour; 0: none."""
    return line.replace(f" {word} ", f" \x1b[{colour}m{word}\x1b[0m ", 1) if colour and word else line


def gpu_hours(seconds: float) -> str:
    """GPU seconds as hours with two digits; nothing for none."""
    return f"{seconds / 3600:.2f}" if seconds > 0 else ""


def took(seconds: float) -> str:
    """`duration`; nothing for none."""
    return duration(seconds) if seconds > 0 else ""


def used(runs: Sequence[RunSummary], now: datetime) -> str:
    """What these runs had, all together."""
    held = took(sum(run.duration(now) for run in runs)) or "no time"
    hours = gpu_hours(sum(run.gpu_seconds for run in runs))
    return f"{len(runs)} run{'s' * (len(runs) != 1)} took {held}" + (f" and {hours} GPU hours" if hours else "")


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in kubectl's words: 45s, 12m, 3h, 5d."""
    if moment is None:
        return ""
    return duration((now - moment).total_seconds())


def duration(seconds: float) -> str:
    """In the largest fitting unit, and the next one while it matters."""
    left = max(0, int(seconds))
    if left < 120:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m{left % 60}s" if left < 600 else f"{left // 60}m"
    if left < 2 * 86400:
        return f"{left // 3600}h{left % 3600 // 60}m" if left < 36000 else f"{left // 3600}h"
    return f"{left // 86400}d"


def status(run: RunSummary) -> str:
    """One line: where it stands."""
    parts = [plain(run.state, 20), plain(run.reason, 64)]
    if run.progress is not None and not run.ended:
        parts.append(f"{run.progress.percentage}%")
        if run.progress.remaining_seconds is not None:
            parts.append(f"{duration(run.progress.remaining_seconds)} left")
    parts += [f"{plain(key, 40)}={plain(value, 40)}" for key, value in list(run.metrics.items())[:4]]
    message = plain(run.message)
    return "  ".join(part for part in parts if part) + (f": {message}" if message and not run.succeeded else "")


def output_row(entry: OutputEntry, now: datetime) -> tuple[str, ...]:
    """One line of `run outputs`."""
    mark = {"directory": "/", "link": "@", "file": ""}.get(entry.kind, "=")
    # Not cut: `download` takes it as it is. The server made it printable; a hostile one is not believed.
    name = plain(entry.name, len(entry.name))
    return name + mark, "" if entry.bytes is None else size(entry.bytes), age(entry.modified, now)


def size(count: int) -> str:
    """Bytes with binary units: 54525952 → 52 MiB."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 10 or unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def describe(run: Run, now: datetime) -> list[str]:
    """Everything about one run, a line each; empty fields are left out."""
    progress = "" if run.progress is None else f"{run.progress.percentage}%"
    fields: list[tuple[str, str]] = [
        ("Name", f"{run.namespace}/{run.name}"),
        ("State", f"{run.state} ({run.reason})" if run.reason else run.state),
        ("Message", run.message),
        ("Waits for", f"{run.pending.reason}: {run.pending.message}" if run.pending else ""),
        ("Progress", progress),
        ("Checkpoint", run.checkpoint.path if run.checkpoint else ""),
        ("Image", run.image_digest or run.image or ""),
        ("Code", run.code_revision or ""),
        ("Outputs", " ".join(f"{key}={value}" for key, value in run.outputs.items())),
        ("GPUs", str(run.gpus or "none")),
        ("GPU hours", gpu_hours(run.gpu_seconds)),
        ("Duration", took(run.duration(now))),
        ("Nodes", ", ".join(run.nodes)),
        ("Queue", run.queue or ""),
        ("Attempt", f"{run.attempt} ({run.restarts} restarts)"),
        ("Job", run.job_name or ""),
        ("Kept by", run.managed_by or ""),
        ("Created", _moment(run.created_at, now)),
        ("Started", _moment(run.started_at, now)),
        ("Ended", _moment(run.ended_at, now)),
        ("Deleted", _moment(run.deleted_at, now)),
    ]
    lines = [f"{key + ':':13}{plain(value)}" for key, value in fields if value]
    lines += _section("Data sets", {key: value or "not pinned yet" for key, value in run.datasets.items()})
    lines += _section("Parameters", run.parameters) + _section("Metrics", run.metrics)
    if run.failure is not None:
        code = "" if run.failure.exit_code is None else f", exit code {run.failure.exit_code}"
        lines.append(f"Failure:     {plain(run.failure.reason)}{code}")
        lines += [f"  {plain(line)}" for line in run.failure.last_lines]
    return lines


def curve(values: Sequence[float], width: int = 30) -> str:
    """A line of bars, the lowest value the lowest bar."""
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return ""
    step = max(1.0, len(values) / width)
    chosen = [values[int(number * step)] for number in range(min(width, len(values)))]
    low, high = min(chosen), max(chosen)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[int((value - low) * scale)] for value in chosen)


def _section(title: str, values: Mapping[str, Any]) -> list[str]:
    return [f"{title}:", *(f"  {plain(str(k), 80)}: {plain(str(v), 200)}" for k, v in values.items())] if values else []


def _moment(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f"{moment.strftime('%Y-%m-%d %H:%M:%S')} UTC, {age(moment, now)} ago"


def harmless(pieces: Iterable[str]) -> Iterable[str]:
    """A pod's output for a terminal: colours stay, every other command to the terminal is shown instead of obeyed."""
    held = ""
    for piece in pieces:
        text = held + piece
        cut = _unfinished(text)
        text, held = text[:cut], text[cut:]
        yield _shown(text)
    yield _shown(held)


def _unfinished(text: str) -> int:
    """Where a colour's command begins that is cut off at the end of `text`."""
    start = text.rfind("\x1b", max(0, len(text) - 16))
    tail = text[start + 1 :]
    open_ended = start >= 0 and (tail == "" or (tail[0] == "[" and all(sign in "0123456789;" for sign in tail[1:])))
    return start if open_ended else len(text)


def _shown(text: str) -> str:
    import re

    def sign(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        return chr(0x2400 + ord(found[0])) if ord(found[0]) < 32 else "�"

    return re.sub(r"(\x1b\[[0-9;]{0,12}m)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", sign, text)
