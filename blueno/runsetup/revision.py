"""The commit that a run was begun with, kept in its output directory. Called by git.py, started by __main__.py.

A branch may move while an attempt goes on, and several pods fetch it: one that was evicted and replaced, or those of
several nodes. The first of them that finds a commit decides for all; status gets it only when the pod has begun.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from blueno.data.files import create_file, write_file
from blueno.runsetup.failure import SetupFailed

FILE = ".code-revision"  # below the run's output directory
COMMIT = re.compile(r"[0-9a-f]{40}")


def kept(file: Path) -> str:
    """What `file` holds, "" while no pod has kept a commit there.

    The program may have put anything in its place: a link to another run's file is not followed.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            text = stream.read(64).decode("ascii", "replace")
    except OSError:
        return ""
    return text if COMMIT.fullmatch(text) else ""


def keep(file: Path, commit: str) -> str:
    """Write `commit`; the answer is another one if another pod has been faster. Raises SetupFailed."""
    tag = secrets.token_hex(4)
    try:
        if create_file(file, commit.encode(), tag):
            return commit
        if before := kept(file):
            return before
        write_file(file, commit.encode(), tag)  # cut short by a crash, or the program's own
    except OSError as error:
        why = f"the commit of spec.code.git cannot be kept in the run's outputs ({error}): is the claim full?"
        raise SetupFailed(why[:500]) from error
    return commit
