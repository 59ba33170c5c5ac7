"""A sample's `info` of 2019 and today's record (label, split, metadata), both ways. Pure; used by samples.py,
listing.py and elsewhere.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from webui.api.platform import urls
from webui.api.targets import Target
from webui.kinds import Text, Wrong
from webui.problems import FieldError, Problem, invalid

_SPLIT = Text(max=128, min=1)
_IMAGE_2D = {"type": "2D"}


@dataclass(frozen=True)
class Info:
    """What a client said of a new sample. `metadata` is the rest: its own words, and the address if that is unusual."""

    url: str
    label: Any
    split: str | None
    metadata: dict[str, Any] | None


def parse_info(info: Mapping[str, Any], dataset: str, key: str) -> Info:
    """Raises Problem 400 without an address, 422 for a bad split."""
    data = info.get("data")
    url = data.get("url") if isinstance(data, dict) else None
    if not isinstance(url, str):
        raise Problem(400, "bad_url", "info.data.url is missing: where are the sample's data?")
    split = info.get("split")
    if split is not None:
        try:
            split = _SPLIT.check(split)
        except Wrong as error:
            raise invalid([FieldError("body.info.split", one.message) for one in error.errors]) from None
    metadata = {name: value for name, value in info.items() if name not in ("label", "split") and value is not None}
    if data == {"url": urls.of_sample(dataset, key)}:
        del metadata["data"]
    return Info(url, info.get("label"), split, metadata or None)


def line(key: str, info: Info) -> dict[str, Any]:
    """The sample's line of a bundle, but for its content."""
    said = {"label": info.label, "split": info.split, "metadata": info.metadata}
    return {"key": key} | {name: value for name, value in said.items() if value is not None}


def shown(record: Mapping[str, Any], dataset: str, place: Target) -> dict[str, Any]:
    """A sample of a list. `record` has key, time and, when they were given, label, split, metadata."""
    key, metadata = str(record["key"]), record.get("metadata")
    info: dict[str, Any] = dict(metadata) if isinstance(metadata, dict) else {}
    info.setdefault("data", {"url": urls.of_sample(dataset, key)})
    for name in ("label", "split"):
        if record.get(name) is not None:
            info[name] = record[name]
    image = info.get("image", _IMAGE_2D if urls.shows_itself(info["data"]) else None)
    if isinstance(image, dict):  # made when it is looked at, so it is always there
        query = f"key={quote(key, safe='')}&sha256={record.get('sha256')}"
        url = f"/api/v1/datasets/{place.namespace}/{place.name}/working/image?{query}"
        info["image"] = {**image, "status": "CREATED", "url": image.get("url") or url}
    return {"name": key, "info": info, "created_at": record["time"], "last_updated": record["time"]}


@dataclass(frozen=True)
class Wanted:
    """What a list is narrowed to; a label is given as JSON, or as the text that it is."""

    prefix: str = ""
    label: str | None = None
    split: str | None = None

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Whether a sample belongs to the list."""
        if self.split is not None and record.get("split") != self.split:
            return False
        if self.prefix and not str(record["key"]).lower().startswith(self.prefix.lower()):
            return False
        return self.label is None or _is_label(record.get("label"), self.label)


def _is_label(value: Any, wanted: str) -> bool:
    if value is None:
        return wanted == "null"
    return value == wanted or canonical(value) == canonical_text(wanted)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_text(text: str) -> str:
    """The same of a JSON text; of another text, of that text."""
    try:
        return canonical(json.loads(text))
    except (ValueError, RecursionError):
        return canonical(text)
