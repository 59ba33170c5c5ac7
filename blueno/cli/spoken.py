"""The program's name as the person called it: `blueno`, or `kubectl blueno` as a plug-in. Pure but for `called_as`.

Used by __main__.py, lazy.py and shell.py, so that help and errors say what can be typed.
"""

from __future__ import annotations

import re
from pathlib import PurePath

OURS = "blueno"
PLUGIN = "kubectl blueno"
_name = OURS


def called_as(argument: str) -> str:
    """Remembers and returns the name; `argument` is the first word of the command line, kubectl-blueno for kubectl."""
    global _name
    _name = PLUGIN if PurePath(argument).stem in ("kubectl-blueno", "kubectl_blueno") else OURS
    return _name


def program() -> str:
    """How the person calls us."""
    return _name


def as_called(text: str) -> str:
    """`text` with our name as the person types it, where it stands for a command line."""
    return text if _name == OURS else re.sub(r"(?<![\w./-])(?<!kubectl )blueno (?=[a-z]|--)", f"{_name} ", text)
