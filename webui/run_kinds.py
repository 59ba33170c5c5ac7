"""Kinds of values that only training runs need (see kinds.py). Used by api/. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webui.kinds import Text, wrong

_LONGEST = 4096  # characters; a query has at most requests.QUERY_LIMIT
_WORDS = r"^[^,\u0000]{1,256}(,[^,\u0000]{1,256})*$"


@dataclass(frozen=True)
class YesNo:
    """true or false."""

    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise wrong("must be true or false")
        return text == "true"

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise wrong("must be true or false")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Words:
    """Words with commas in between, like `loss,accuracy`; each once."""

    max: int

    def parse(self, text: str) -> tuple[str, ...]:
        if len(text) > _LONGEST:
            raise wrong(f"must have at most {_LONGEST} characters")
        found = tuple(dict.fromkeys(text.split(",")))
        if not all(found) or len(found) > self.max:
            raise wrong(f"must be 1 to {self.max} names with commas in between")
        return tuple(Text(max=256).check(word) for word in found)

    def check(self, value: Any) -> tuple[str, ...]:
        return self.parse(value if isinstance(value, str) else "")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "pattern": _WORDS, "maxLength": _LONGEST}


@dataclass(frozen=True)
class AnyObject:
    """A JSON object that somebody else judges (the API server); only what no text can hold is refused."""

    def parse(self, text: str) -> Any:  # noqa: ARG002
        raise wrong("is an object, which only a body can hold")

    def check(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong("must be a JSON object")
        _check_texts(value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


def _check_texts(value: Any) -> None:
    """Bodies are nested at most requests.DEPTH_LIMIT deep."""
    if isinstance(value, str):
        Text(max=1 << 20).check(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            Text(max=1 << 20).check(key)
            _check_texts(item)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
