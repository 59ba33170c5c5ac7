"""Query parameters, read strictly: what is not understood is refused by name, never guessed. Called by app.py. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from typing import Final

from blueno.dataserver.intensity import Window
from blueno.dataserver.problems import Problem, wrong
from blueno.dataserver.sheet import LARGEST, MOST_ROWS, SMALLEST, SheetQuery
from blueno.dataserver.views import AXES, MOST, View

MOST_SLICES: Final = 64
MOST_ASKED: Final = 4096  # `size` is the most that a caller wants: MOST may be what there is
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", re.ASCII)


class Parameters:
    """The parameters of one request. Each may be given once."""

    def __init__(self, items: Iterable[tuple[str, str]], known: Collection[str]) -> None:
        """Raises Problem 422 for a name that is unknown or given twice."""
        self._values: dict[str, str] = {}
        for name, value in items:
            if name not in known:
                accepted = ", ".join(sorted(known)) or "none"
                wrong(name[:64], f"there is no such parameter here; accepted: {accepted}")
            if name in self._values:
                wrong(name, "is given twice")
            self._values[name] = value

    def number(self, name: str, default: int | None, least: int, most: int) -> int | None:
        """A whole number from `least` to `most`."""
        text = self._values.get(name)
        if text is None:
            return default
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            wrong(name, f"must be a whole number from {least} to {most}")
        return int(text)

    def text(self, name: str) -> str:
        """As it was sent; "" when it was not."""
        return self._values.get(name, "")

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of `choices`."""
        text = self._values.get(name, default)
        if text not in choices:
            wrong(name, f"must be one of {', '.join(choices)}")
        return text

    def window(self) -> Window | None:
        """`low` and `high`, both or neither."""
        if not {"low", "high"} & self._values.keys():
            return None
        low, high = self._decimal("low"), self._decimal("high")
        if low >= high:
            wrong("high", "must be greater than `low`")
        return Window(low, high)

    def rows(self) -> tuple[int, ...]:
        """`rows`: numbers and ranges, in the order given."""
        text = self._values.get("rows")
        if text is None:
            wrong("rows", "is missing; for example rows=0-99,120")
        found: list[int] = []
        for part in text.split(","):
            match = _RANGE.fullmatch(part)
            if match is None:
                wrong("rows", "must be numbers and ranges with commas between them, for example 0-99,120")
            first, last = int(match[1]), int(match[2] or match[1])
            if first > last:
                wrong("rows", f"{first}-{last} is no range: its end lies before its start")
            if len(found) + last - first + 1 > MOST_ROWS:
                wrong("rows", f"names more than {MOST_ROWS} samples")
            found.extend(range(first, last + 1))
        return tuple(found)

    def _decimal(self, name: str) -> float:
        text = self._values.get(name)
        if text is None:
            wrong(name, "is missing: `low` and `high` belong together")
        if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
            wrong(name, "must be a finite number")
        return float(text)


def sheet_query(items: Iterable[tuple[str, str]]) -> SheetQuery:
    """Of GET …/sheet."""
    given = Parameters(items, ("rows", "cell", "columns", "low", "high"))
    return SheetQuery(
        rows=given.rows(),
        cell=given.number("cell", 96, SMALLEST, LARGEST) or 96,
        columns=given.number("columns", 10, 1, MOST_ROWS) or 10,
        window=given.window(),
    )


def view(items: Iterable[tuple[str, str]]) -> View:
    """Of GET …/image."""
    given = Parameters(items, ("size", "axis", "slice", "low", "high"))
    return View(
        size=min(MOST, given.number("size", MOST, SMALLEST, MOST_ASKED) or MOST),
        axis=given.choice("axis", AXES, "axial"),
        slice=given.number("slice", None, 0, 2**31 - 1),
        window=given.window(),
    )


def montage(items: Iterable[tuple[str, str]]) -> tuple[int, View]:
    """Of GET …/montage: (slices, how each is shown)."""
    given = Parameters(items, ("count", "size", "axis", "low", "high"))
    how = View(
        size=given.number("size", 128, SMALLEST, 512) or 128,
        axis=given.choice("axis", AXES, "axial"),
        window=given.window(),
    )
    return given.number("count", 16, 1, MOST_SLICES) or 16, how


def row(text: str) -> int:
    """A sample's row out of the path. Raises Problem 404: a path that names nothing."""
    if not _NUMBER.fullmatch(text):
        raise Problem(404, "sample_not_found", f"{text!r:.80} is no row of a sample")
    return int(text)
