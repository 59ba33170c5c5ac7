"""A working set as a plain dict, and the lines of its feed. Used by test_working.py and test_recorder_working.py."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

from blueno.data.digest import canonical_json

LABELS = (
    None,
    "cat",
    "dog",
    "<img src=x>",
    7,
    1.5,
    True,
    [1, "ü"],
    {"b": 1, "a": None},
    "tab\tand\\back\nslash",
    "é" * 300,
)
SPLITS = (None, "train", "test", "über", "𝕊" * 128)
FAMILY = "👨‍👩‍👧"


def a_key(rng: random.Random, spread: int) -> str:
    """Keys that share beginnings, are long, or hold what other programs stumble over."""
    number = rng.randrange(spread)
    kind = number % 7
    if kind == 0:
        return f"deep/{'x' * 600}/{number}"
    if kind == 1:
        return "\U0001f600" * 511 + FAMILY[0] * (1 + number % 400)
    if kind == 2:
        return f"{number} %_\\.\t' OR 1=1 -- \"{{}}"
    return f"train/c{number % 5}/{number:05}.png"


@dataclass
class Model:
    """The working set of one data set."""

    seed: int
    spread: int = 300
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)  # every one
    seq: int = 0
    folded: bool = True  # its feed tells only the last line of each key

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def put(self, key: str, **fields: Any) -> dict[str, Any]:
        """One sample, new or replaced; its record."""
        self.seq += 1
        content = hashlib.sha256(f"{key} {self.seq}".encode()).hexdigest()
        body: dict[str, Any] = {
            "op": "put",
            "seq": self.seq,
            "time": "2026-01-01T00:00:00.123Z",
            "key": key,
            "sha256": content,
            "object": content,
            "offset": 0,
            "bytes": 100 + self.seq,
            "by": "ada@example.org",
            **{name: value for name, value in fields.items() if value is not None},
        }
        self.samples[key] = body
        self.lines.append(canonical_json(body).encode())
        return body

    def remove(self, key: str) -> None:
        """One sample less, or a removal of what is not there."""
        self.seq += 1
        self.samples.pop(key, None)
        body = {"op": "remove", "seq": self.seq, "time": "2026-01-01T00:00:00Z", "key": key, "by": "ada@example.org"}
        self.lines.append(canonical_json(body).encode())

    def step(self) -> None:
        """Something happens."""
        rng, key = self.rng, a_key(self.rng, self.spread)
        if rng.random() < 0.2:
            self.remove(key)
        else:
            metadata = {"n": self.seq, "t": "\\\t"} if rng.random() < 0.3 else None
            self.put(
                key,
                split=rng.choice(SPLITS),
                label=rng.choice(LABELS),
                group=rng.choice((None, "g\n1")),
                metadata=metadata,
            )

    def feed(self, after: int) -> list[bytes]:
        """What a data server tells: the last line of each key, or all of them."""
        lines = [(json.loads(line)["seq"], json.loads(line)["key"], line) for line in self.lines]
        last = {key: seq for seq, key, _ in lines}
        return [line for seq, key, line in lines if seq > after and (not self.folded or last[key] == seq)]

    def matching(self, **wanted: Any) -> list[str]:
        """Keys in the order in which they are told, of samples that fit a filter."""
        found = [
            key
            for key, body in self.samples.items()
            if wanted.get("split") in (None, body.get("split"))
            and (wanted.get("label") is None or wanted["label"] == label_of(body))
            and key.startswith(wanted.get("prefix", ""))
            and body["seq"] > wanted.get("after", 0)
        ]
        return sorted(found, key=lambda key: (key[:512].encode(), tail_of(key)))


def label_of(body: dict[str, Any]) -> str:
    """As a filter says it."""
    return canonical_json(body["label"]) if "label" in body else "null"


def tail_of(key: str) -> int:
    """How keys with one beginning of 512 characters are told apart."""
    if len(key) <= 512:
        return 0
    return int.from_bytes(hashlib.sha256(key[512:].encode()).digest()[:8], "big", signed=True)


def etag_of(body: dict[str, Any]) -> str:
    """As the data server says it."""
    record = {name: body.get(name) for name in ("sha256", "split", "label", "group", "metadata")}
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()[:32]
