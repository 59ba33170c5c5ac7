"""Data sets, versions and samples as text. Pure; takes the server's JSON, used by dataset_*.py and sample_*.py."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from blueno.cli import text
from blueno.client.words import plain
from blueno.resources.conditions import parse_time

Body = Mapping[str, Any]

HEAD = ("NAME", "READY", "STATUS", "PROGRESS", "SAMPLES", "SIZE", "VERSION", "AGE")  # as kubectl get datasets
VERSIONS = ("VERSION", "DIGEST", "SAMPLES", "SIZE", "CLASSES", "SEALED", "CURRENT")
SAMPLES = ("KEY", "SPLIT", "LABEL", "SIZE", "SHAPE", "SHA256")
WORKING = ("KEY", "SPLIT", "LABEL", "SIZE", "BY", "AGE", "SHA256")
LABEL = 40  # characters of a label in a table


def row(body: Body, now: datetime) -> tuple[str, ...]:
    """One line of `dataset ls`."""
    ready = body.get("ready")
    return (
        _text(body, "name", 253),
        {True: "True", False: "False"}.get(ready, "Unknown"),  # type: ignore[arg-type]
        _text(body, "reason", 64),
        progress(body),
        _number(body.get("samples")),
        _size(body.get("bytes")),
        version(body),
        text.age(parse_time(str(body.get("createdAt") or "")), now),
    )


def colour(body: Body) -> int:
    """Of its status: green when it can be used, red when only a person can help, else yellow."""
    if body.get("stalled"):
        return 31
    return 32 if body.get("ready") else 33


def progress(body: Body) -> str:
    """`43% 2m`, while it is prepared."""
    found = body.get("progress")
    if not isinstance(found, Mapping) or not body.get("reconciling", True):
        return ""
    left = found.get("estimatedRemainingSeconds")
    return f"{found.get('percentage')}%" + (f" {text.duration(left)}" if isinstance(left, int) else "")


def version(body: Body) -> str:
    """`3 (1a2b3c4d)`."""
    found = body.get("version")
    if not isinstance(found, Mapping):
        return ""
    return f"{found.get('sequence')} ({_short(found, 'digest', 8)})"


def status(body: Body) -> str:
    """One line: where it stands."""
    parts = [_text(body, "reason", 64), progress(body), f"version {version(body)}" if version(body) else ""]
    message = plain(str(body.get("message") or ""))
    return "  ".join(part for part in parts if part) + (f": {message}" if message else "")


def describe(body: Body, now: datetime) -> list[str]:
    """Everything about one data set, a line each; what is empty is left out."""
    created = parse_time(str(body.get("createdAt") or ""))
    volume = body.get("volume") if isinstance(body.get("volume"), Mapping) else {}
    fields = [
        ("Name", f"{body.get('namespace')}/{body.get('name')}"),
        ("Display name", str(body.get("displayName") or "")),
        ("Description", str(body.get("description") or "")),
        ("Status", f"{body.get('reason')}" + ("" if body.get("ready") else " (not ready)")),
        ("Message", str(body.get("message") or "")),
        ("Progress", progress(body)),
        ("Source", str(body.get("source") or "")),
        ("Version", version(body)),
        ("Digest", str((body.get("version") or {}).get("digest") or "")),
        ("Samples", _number(body.get("samples"))),
        ("Size", _size(body.get("bytes"))),
        ("Classes", _number(body.get("classes"))),
        ("Splits", ", ".join(f"{one.get('name')} {one.get('samples')}" for one in body.get("splits") or ())),
        ("Shapes", ", ".join(str(shape) for shape in body.get("shapes") or ())),
        ("Bad samples", _bad(body.get("badSamples"))),
        ("License", str(body.get("license") or "")),
        ("Homepage", str(body.get("homepage") or "")),
        ("Claim", str((volume or {}).get("claimName") or "")),
        ("Kept by", str(body.get("managedBy") or "")),
        ("Created", "" if created is None else f"{created:%Y-%m-%d %H:%M:%S} UTC, {text.age(created, now)} ago"),
    ]
    lines = text.fields(fields)
    conditions = [one for one in body.get("conditions") or () if isinstance(one, Mapping)]
    if conditions:
        lines.append("Conditions:")
        rows = [
            tuple(plain(str(one.get(k) or ""), 300) for k in ("type", "status", "reason", "message"))
            for one in conditions
        ]
        lines += [f"  {line}" for line in text.columns(rows)]
    return lines


def version_row(body: Body, now: datetime) -> tuple[str, ...]:
    """One line of `dataset versions`."""
    sealed = text.age(parse_time(str(body.get("sealedAt") or "")), now)
    return (
        _number(body.get("sequence")),
        _short(body, "digest", 16),
        _number(body.get("samples")),
        _size(body.get("bytes")),
        _number(len(body.get("classes") or ()) or None),
        sealed,
        "yes" if body.get("current") else "",
    )


def sample_row(body: Body) -> tuple[str, ...]:
    """One line of `sample ls`, of a sealed version."""
    return (*_sample(body), shape(body), _short(body, "sha256", 12))


def working_row(body: Body, now: datetime) -> tuple[str, ...]:
    """One line of `sample ls` of what is not sealed yet."""
    age = text.age(parse_time(str(body.get("time") or "")), now)
    return (*_sample(body), _text(body, "by", 40), age, _short(body, "sha256", 12))


def shape(body: Body) -> str:
    """`28×28`, `32×32×3`, `64×512×512`: depth, height, width and channels, without a depth or channels of 1."""
    sides = [body.get(key) for key in ("depth", "height", "width", "channels")]
    if not all(isinstance(side, int) for side in sides):
        return ""
    shown = [side for place, side in enumerate(sides) if side != 1 or place in (1, 2)]
    return "×".join(str(side) for side in shown)


def label(value: Any) -> str:
    """A label for a person: a text as it is, anything else as JSON."""
    if value is None:
        return ""
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LABEL)


def describe_sample(body: Body) -> list[str]:
    """Everything about one sample."""
    known = ("key", "split", "label", "group", "bytes", "sha256", "etag", "format", "dtype", "by", "time")
    titles = {"sha256": "SHA-256", "etag": "ETag", "dtype": "Type", "by": "Added by", "time": "Added at"}
    fields = []
    for key in known:
        value = body.get(key)
        shown = label(value) if key == "label" else _size(value) if key == "bytes" else str(value or "")
        fields.append((titles.get(key, key.capitalize()), shown))
    fields.insert(5, ("Shape", shape(body)))
    metadata = body.get("metadata")
    lines = text.fields(fields)
    if isinstance(metadata, Mapping) and metadata:
        lines.append("Metadata:")
        lines += [f"  {plain(str(key), 80)}: {_value(value)}" for key, value in metadata.items()]
    return lines


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    return text.columns([tuple(head), *(tuple(one) for one in rows)])


def _sample(body: Body) -> tuple[str, ...]:
    key = str(body.get("key") or "")
    return plain(key, 200), _text(body, "split", 40), label(body.get("label")), _size(body.get("bytes"))


def _bad(value: Any) -> str:
    if not isinstance(value, Mapping) or not value.get("count"):
        return ""
    first = ", ".join(
        f"{one.get('key')} ({one.get('code')})" for one in value.get("first") or () if isinstance(one, Mapping)
    )
    return f"{value['count']}" + (f": {first}" if first else "")


def _value(value: Any) -> str:
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 200)


def _text(body: Body, key: str, limit: int) -> str:
    return plain(str(body.get(key) or ""), limit)


def _short(body: Body, key: str, digits: int) -> str:
    return plain(str(body.get(key) or "")[:digits], digits)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _size(value: Any) -> str:
    return text.size(value) if isinstance(value, int) and not isinstance(value, bool) else ""
