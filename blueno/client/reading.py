"""Reads fields out of the server's JSON and says which one is not what it should be. Used by values.py. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from blueno.client.words import plain
from blueno.errors import BluenoError
from blueno.resources.conditions import parse_time

T = TypeVar("T")


class Fields:
    """One JSON object. Each method raises BluenoError when the field is of another type."""

    def __init__(self, value: Any, where: str) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise self._wrong("", "an object")
        self.raw: Mapping[str, Any] = value

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it has to be there."""
        value = self.raw.get(key, default)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        """A text, or None when it is null or absent."""
        return None if self.raw.get(key) is None else self.text(key)

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = self.raw.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise self._wrong(key, "a number")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.number(key, default)
        if value != int(value):
            raise self._wrong(key, "a whole number")
        return int(value)

    def whole_or_none(self, key: str) -> int | None:
        """A whole number, or None when it is null or absent."""
        return None if self.raw.get(key) is None else self.whole(key)

    def truth(self, key: str) -> bool:
        """A boolean; absent is False."""
        value = self.raw.get(key) or False
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def time(self, key: str) -> datetime | None:
        """An RFC 3339 time, or None when it is null or absent."""
        text = self.text_or_none(key)
        moment = parse_time(text) if text is not None else None
        if text is not None and moment is None:
            raise self._wrong(key, "a time")
        return moment

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; absent is empty."""
        value = self._list(key)
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        """An object of texts; absent is empty."""
        value = self.raw.get(key)
        value = {} if value is None else value
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self._wrong(key, "an object of texts")
        return value

    def free(self, key: str) -> dict[str, Any]:
        """Any object; absent is empty."""
        value = self.raw.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value or {}

    def each(self, key: str) -> Iterator[Fields]:
        """A list of objects; absent is empty."""
        for number, item in enumerate(self._list(key)):
            yield Fields(item, f"{self._path(key)}[{number}]")

    def maybe(self, key: str, parse: Callable[[Fields], T]) -> T | None:
        """An object read by `parse`, or None when it is null or absent."""
        value = self.raw.get(key)
        return None if value is None else parse(Fields(value, self._path(key)))

    def _list(self, key: str) -> list[Any]:
        value = self.raw.get(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value or []

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if key else self.where

    def _wrong(self, key: str, wanted: str) -> BluenoError:
        return BluenoError(
            f"the server's answer is not understood: {plain(self._path(key), 200)} is not {wanted}; "
            "are client and server of about the same version?"
        )


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False
