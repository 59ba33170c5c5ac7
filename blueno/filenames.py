r"""File names of other people's programs as text that can be printed, and back.

A name on a volume is bytes: it may hold newlines, commands to a terminal, or nothing that is UTF-8. As text, a
backslash is written `\\`, and each byte of what is no printable sign `\xNN`: every name has a text of its own. Used by
blueno/dataserver (which lists names), webui and blueno/client. Pure.
"""

from __future__ import annotations

import re
from typing import Final

MOST_STEPS: Final = 64  # directories below each other
MOST_BYTES: Final = 255  # of one name, as file systems have it
_PIECE = re.compile(r"\\\\|\\x([0-9a-f]{2})|([^\\]+)")


def shown(name: bytes) -> str:
    """The text of a name."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join(_shown_sign(sign) for sign in text)


def meant(text: str) -> bytes:
    """The name that a text stands for. Raises ValueError, saying why it stands for none."""
    found, at = bytearray(), 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ValueError(r"a backslash is written \\, and other bytes \xNN with two digits of 0-9a-f")
        if piece[1] is not None:
            found.append(int(piece[1], 16))
        else:
            found += b"\\" if piece[2] is None else piece[2].encode("utf-8", "surrogatepass")
        at = piece.end()
    return bytes(found)


def steps(path: str) -> tuple[bytes, ...]:
    """The names along a path like `checkpoints/step-10`; none for "". Raises ValueError, saying what is wrong with it.

    Slashes around it do not matter. No step leads anywhere but down.
    """
    path = path.strip("/")
    found = tuple(meant(part) for part in path.split("/")) if path else ()
    if len(found) > MOST_STEPS:
        raise ValueError(f"a path has at most {MOST_STEPS} steps")
    for name in found:
        if name in (b"", b".", b".."):
            raise ValueError("the steps of a path are names: neither empty nor . nor ..")
        if b"/" in name or b"\0" in name or len(name) > MOST_BYTES:
            raise ValueError(f"a name has at most {MOST_BYTES} bytes, and neither / nor NUL among them")
    return found


def joined(names: tuple[bytes, ...]) -> str:
    """The text of a path."""
    return "/".join(shown(name) for name in names)


def _shown_sign(sign: str) -> str:
    if sign == "\\":
        return r"\\"
    if sign.isprintable():
        return sign
    return "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", "surrogateescape"))
