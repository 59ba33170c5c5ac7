"""What runs before a training: makes the run's output directory and, if asked, fetches its code.

`python -m blueno.runsetup`, the first container of a training pod (controllers/training_run/pod.py); calls
git.py and revision.py. Its last words are its termination message: the commit of the code, or what is wrong and what to
do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from blueno import names
from blueno.errors import BluenoError
from blueno.runsetup.failure import SetupFailed

_MODE = 0o2775  # what is made below belongs to the same group; the run's own user may differ from ours


def make_directory(root: Path, directory: str, checkpoints: str, group: int) -> None:
    """`root/directory/checkpoints`, writable for `group`. Raises SetupFailed."""
    for path in (root / directory, root / directory / checkpoints):
        try:
            path.mkdir(exist_ok=True)
            if path.stat().st_uid == os.geteuid():
                os.chown(path, -1, group)
                path.chmod(_MODE)
        except OSError as error:
            raise SetupFailed(
                f"the outputs claim cannot be written ({error.strerror}): user {os.geteuid()} or group {group} needs "
                "to be allowed to write in its root; see spec.output and spec.podSecurity"
            ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 with the reason in the termination message."""
    parser = argparse.ArgumentParser(prog="blueno.runsetup", description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--checkpoints", required=True)
    parser.add_argument("--group", type=int, required=True)
    parser.add_argument("--git", default="")
    parser.add_argument("--revision", default="")
    parser.add_argument("--into", type=Path)
    asked = parser.parse_args(argv)
    try:
        make_directory(asked.root, asked.directory, asked.checkpoints, asked.group)
        if asked.git:
            from blueno.runsetup.git import fetch  # only the runs that ask for it pay for it
            from blueno.runsetup.revision import FILE, keep, kept

            file = asked.root / asked.directory / FILE
            commit = fetch(asked.git, kept(file) or asked.revision, asked.into, partial(keep, file))
            _say(json.dumps({"revision": commit}))
    except BluenoError as error:
        print(error, file=sys.stderr)
        _say(str(error))
        return 1
    return 0


def _say(text: str) -> None:
    Path(os.environ.get("BLUENO_TERMINATION_LOG", names.TERMINATION_LOG)).write_text(text[:2000], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
