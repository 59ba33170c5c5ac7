"""`python -m tests.checker`: the checker for people, on whatever is named: directories, volumes, a cluster, a database.

Exit code: 0 nothing found, 1 something was found, 2 nothing was named or it could not be read. Reads only.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg2

from tests.checker.finding import report
from tests.checker.gather.objects import gather_kubectl, gather_list
from tests.checker.gather.rows import gather_rows
from tests.checker.gather.volume import find_roots, gather_directory, gather_reservations
from tests.checker.snapshot import Canary, Directory, Objects, Snapshot, Text
from tests.checker.sound import judge


def main(arguments: Sequence[str]) -> int:
    """Gathers, judges, prints."""
    given = _parser().parse_args(arguments)
    if not (given.volume or given.objects or given.kubectl or given.database_url_file):
        sys.stderr.write("nothing to check: name a --volume, --objects, --kubectl or --database-url-file\n")
        return 2
    try:
        snapshot = gather(given)
    except (OSError, ValueError, KeyError, psycopg2.Error, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        sys.stderr.write(f"cannot be read: {said.strip()}\n")
        return 2
    found = judge(snapshot)
    print(report(found, given.limit) if found else f"nothing found in {_seen(snapshot)}")
    return 1 if found else 0


def gather(given: argparse.Namespace) -> Snapshot:
    """A snapshot of what the arguments name. Raises what the sources raise."""
    texts = [Text(str(path), path.read_text(errors="replace")) for path in given.log]
    rows = None
    if given.database_url_file:
        rows, logs = gather_rows(given.database_url_file.read_text().strip())
        texts += logs
    secrets = [line for path in given.canary_file for line in path.read_text().splitlines() if line]
    return Snapshot(
        objects=_objects(given),
        directories=_directories(given.volume) if given.volume else None,
        reservations=tuple(uid for volume in given.volume for uid in gather_reservations(volume)),
        rows=rows,
        texts=tuple(texts),
        canaries=tuple(Canary(secret) for secret in secrets),
        at_rest=not given.moving,
    )


def _objects(given: argparse.Namespace) -> Objects | None:
    if given.objects:
        return gather_list(given.objects.read_text())
    return gather_kubectl(_kubectl(given.kubectl), given.namespace) if given.kubectl else None


def _directories(volumes: Sequence[Path]) -> tuple[Directory, ...]:
    """Of volumes, and of data sets' own directories."""
    found = []
    for volume in volumes:
        if not volume.is_dir():
            raise NotADirectoryError(f"{volume} is no directory")
        found += [gather_directory(root, volume if root != volume else None) for root in find_roots(volume)]
    return tuple(found)


def _kubectl(command: str) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        whole = [*shlex.split(command), *arguments]
        return subprocess.run(whole, check=True, capture_output=True, text=True).stdout

    return run


def _seen(snapshot: Snapshot) -> str:
    parts = []
    if snapshot.objects is not None:
        parts.append(f"{sum(len(some) for some in snapshot.objects.by_kind.values())} objects")
    if snapshot.directories is not None:
        versions = sum(len(directory.versions) for directory in snapshot.directories)
        parts.append(f"{len(snapshot.directories)} directories with {versions} versions")
    if snapshot.rows is not None:
        parts.append(f"{sum(len(rows) for rows in snapshot.rows.tables.values())} rows")
    return ", ".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    path = {"type": Path, "metavar": "PATH"}
    parser.add_argument("--volume", **path, action="append", default=[], help="a volume, or one data set's directory")
    parser.add_argument("--objects", **path, help="what `kubectl get … -o json` has written")
    parser.add_argument("--kubectl", metavar="COMMAND", help='for example "hack/cluster kubectl"')
    parser.add_argument("--namespace", action="append", default=[], help="with --kubectl: only these")
    parser.add_argument("--database-url-file", **path, help="holds the URL of PostgreSQL")
    parser.add_argument("--log", **path, action="append", default=[], help="a log that must show no secret")
    parser.add_argument("--canary-file", **path, action="append", default=[], help="planted secrets, one a line")
    parser.add_argument("--moving", action="store_true", help="work is under way: do not judge what is unfinished")
    parser.add_argument("--limit", type=int, default=100, help="lines")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
