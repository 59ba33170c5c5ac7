"""Kinds of values that come from outside: each reads a text (path, query) or a JSON value, strictly, and describes
itself as JSON Schema. Used by the routes of api/, routes.py and openapi.py. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from webui.problems import FieldError

_WHOLE = re.compile(r"-?[0-9]{1,40}")
_REAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")
_ROWS = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*")
MISSING: Any = object()
LEFT_OUT: Any = object()  # as default: a field that was not given is not there, unlike one that is null


class Wrong(Exception):
    """A value that cannot be taken; `errors` are relative to it (their fields begin with "", "." or "[")."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors


def wrong(message: str) -> Wrong:
    """About the value itself."""
    return Wrong(FieldError("", message))


class Kind(Protocol):
    """One kind of value."""

    def parse(self, text: str) -> Any:
        """The value of a path or query parameter. Raises Wrong."""

    def check(self, value: Any) -> Any:
        """The value of a JSON value. Raises Wrong."""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the values it takes."""


@dataclass(frozen=True)
class Text:
    """Unicode without NUL and lone surrogates (PostgreSQL holds neither); `min` and `max` count characters."""

    max: int = 256
    min: int = 0
    pattern: str = ""
    hint: str = ""  # what the pattern asks for, in words

    def parse(self, text: str) -> str:
        return self.check(text)

    def check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text")
        if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
            raise wrong("must not hold NUL characters or half surrogate pairs")
        if not self.min <= len(value) <= self.max:
            raise wrong(f"must have {self.min} to {self.max} characters, not {len(value)}")
        if self.pattern and re.fullmatch(self.pattern, value) is None:
            raise wrong(self.hint or f"must match {self.pattern}")
        return value

    def schema(self) -> dict[str, Any]:
        # NUL is refused everywhere, so that a text from outside can always be stored.
        pattern = f"^(?:{self.pattern})$" if self.pattern else "^[^\\u0000]*$"
        return {"type": "string", "minLength": self.min, "maxLength": self.max, "pattern": pattern}


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds, both included."""

    min: int
    max: int

    def parse(self, text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise wrong("must be a whole number")
        return self.check(int(text))

    def check(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("must be a whole number")
        if not self.min <= value <= self.max:
            raise wrong(f"must be from {self.min} to {self.max}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.min, "maximum": self.max}


@dataclass(frozen=True)
class Real:
    """A finite number."""

    def parse(self, text: str) -> float:
        if not _REAL.fullmatch(text):
            raise wrong("must be a number like -1024 or 0.5")
        return self.check(float(text))

    def check(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise wrong("must be a finite number")
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        return self.check(text)

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise wrong(f"must be one of {', '.join(self.words)}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True)
class Rows:
    """Rows of a version in the order they are wanted, like `0-99,120`; `parse` gives the text back."""

    max: int

    def parse(self, text: str) -> str:
        if len(text) > 20 * self.max or not _ROWS.fullmatch(text):
            raise wrong("must be rows like 0-99,120")
        count = 0
        for part in text.split(","):
            first, _, last = part.partition("-")
            if last and int(last) < int(first):
                raise wrong(f"{part}: the last row comes before the first")
            count += int(last or first) - int(first) + 1
        if count > self.max:
            raise wrong(f"must be at most {self.max} rows, not {count}")
        return text

    def check(self, value: Any) -> str:
        return self.parse(value if isinstance(value, str) else "")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_ROWS.pattern}$", "maxLength": 20 * self.max}


@dataclass(frozen=True)
class Optional:
    """Null, or a value of a kind; of bodies only."""

    kind: Kind

    def parse(self, text: str) -> Any:
        return self.kind.parse(text)

    def check(self, value: Any) -> Any:
        return None if value is None else self.kind.check(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}


@dataclass(frozen=True)
class ListOf:
    """A JSON list of values of one kind."""

    item: Kind
    max: int

    def parse(self, text: str) -> Any:  # noqa: ARG002
        raise wrong("is a list, which only a body can hold")

    def check(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise wrong("must be a list")
        if len(value) > self.max:
            raise wrong(f"must have at most {self.max} entries, not {len(value)}")
        taken, errors = [], []
        for place, item in enumerate(value):
            try:
                taken.append(self.item.check(item))
            except Wrong as error:
                errors += [FieldError(f"[{place}]{e.field}", e.message) for e in error.errors]
        if errors:
            raise Wrong(*errors)
        return taken

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "maxItems": self.max}


@dataclass(frozen=True)
class Field:
    """A member of an Object. `default` stands in when it is left out; without one it is required. See LEFT_OUT."""

    kind: Kind
    default: Any = MISSING


@dataclass(frozen=True)
class Object:
    """A JSON object with these fields and no others."""

    fields: Mapping[str, Field] = field(default_factory=dict)

    def parse(self, text: str) -> Any:  # noqa: ARG002
        raise wrong("is an object, which only a body can hold")

    def check(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong("must be a JSON object")
        errors = [FieldError(f".{name[:64]}", "is not known here") for name in value if name not in self.fields]
        taken: dict[str, Any] = {}
        for name, known in self.fields.items():
            if name not in value:
                if known.default is MISSING:
                    errors.append(FieldError(f".{name}", "is missing"))
                if known.default is not LEFT_OUT:
                    taken[name] = known.default
                continue
            try:
                taken[name] = known.kind.check(value[name])
            except Wrong as error:
                errors += [FieldError(f".{name}{e.field}", e.message) for e in error.errors]
        if errors:
            raise Wrong(*errors[:20])
        return taken

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {name: known.kind.schema() for name, known in self.fields.items()},
            "required": [name for name, known in self.fields.items() if known.default is MISSING],
            "additionalProperties": False,
        }
