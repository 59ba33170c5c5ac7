"""Temporary files of attempts that were killed, taken away when the work is sealed. Called by blueno/prep/prepare.py.

Only what this attempt, or an earlier one, began for this work: a later attempt still needs its own. One that lives
although it was given up loses at most a file that it was about to rename, and then finds the work sealed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from blueno.data.volume import Volume
from blueno.names import OWNER_FILE
from blueno.prep.config import PrepConfig
from blueno.prep.probe import PROBE


def clear_leftovers(config: PrepConfig, work: str) -> None:
    """Best effort: a volume that is mounted read-only stays as it is."""
    volume = Volume(config.root)
    names = {volume.root: f"{re.escape(PROBE)}-(.+)|{_temporary(OWNER_FILE)}", volume.works: _temporary(f"{work}.json")}
    for folder, pattern in names.items():
        with suppress(OSError):
            for path in list(folder.iterdir()):
                if _is_left(path, pattern, config.attempt):
                    path.unlink(missing_ok=True)


def _temporary(name: str) -> str:
    return rf"\.{re.escape(name)}\.(.+)\.tmp"


def _is_left(path: Path, pattern: str, attempt: int) -> bool:
    """Whether its tag, `<attempt>-<host>`, is of an attempt up to this one."""
    match = re.fullmatch(pattern, path.name)
    if match is None:
        return False
    number = next(tag for tag in match.groups() if tag).partition("-")[0]
    return number.isdecimal() and int(number) <= attempt
