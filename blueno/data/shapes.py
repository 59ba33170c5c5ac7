"""A shape as people write it. Called by blueno/prep/prepare.py. Pure; imports no numpy, so that it loads at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {"u": "uint", "i": "int", "f": "float"}


def shape_text(shape: Mapping[str, Any]) -> str:
    """{"shape": [28, 28, 1], "dtype": "|u1"} → "28x28x1 uint8"."""
    dtype = str(shape["dtype"])
    kind, size = dtype[1:2], dtype[2:]
    name = "bool" if kind == "b" else f"{_KINDS.get(kind, kind)}{int(size) * 8}"
    return f"{'x'.join(str(n) for n in shape['shape'])} {name}"
