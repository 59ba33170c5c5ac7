"""Sizes as Kubernetes writes them. Pure; used to compare what a claim has with what is asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

_FORM: Final = re.compile(
    r"([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,2}))?"
)
_FACTORS: Final = {
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)},
}


def parse_quantity(text: str) -> int | None:
    """ "20Gi" → 21474836480, parts of a byte rounded up; None for what is no quantity."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    number, unit, power = found.groups()
    factor = _FACTORS[unit] if unit else Decimal(10) ** int(power or 0)
    return math.ceil(Decimal(number) * factor)


def largest(texts: Iterable[str]) -> str:
    """The largest of some quantities, as it was written; "" when none is one."""
    known = (text for text in texts if parse_quantity(text) is not None)
    return max(known, key=lambda text: parse_quantity(text) or 0, default="")


def is_larger(one: str, other: str) -> bool:
    """Whether `one` is certainly more than `other`; what is no quantity is neither more nor less."""
    first, second = parse_quantity(one), parse_quantity(other)
    return first is not None and second is not None and first > second
