"""Kinds of values that only the working set's pictures have. Used by api/working_pixels.py. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from webui.kinds import wrong

_NUMBERS = re.compile(r"[0-9]{1,16}(,[0-9]{1,16})*")


@dataclass(frozen=True)
class Numbers:
    """Numbers of samples in the order in which they are wanted, like `7,3,12`; `parse` gives the text back."""

    max: int

    def parse(self, text: str) -> str:
        if len(text) > 17 * self.max or not _NUMBERS.fullmatch(text):
            raise wrong("must be numbers of samples like 7,3,12")
        count = text.count(",") + 1
        if count > self.max:
            raise wrong(f"must be at most {self.max} numbers, not {count}")
        return text

    def check(self, value: Any) -> str:
        return self.parse(value if isinstance(value, str) else "")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_NUMBERS.pattern}$", "maxLength": 17 * self.max}
