"""`blueno dataset verify`. Registered by app.py; calls blueno/data/survey.py and verify.py. Needs no server."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno.cli import shell
from blueno.cli.options import Format
from blueno.cli.shell import Output

if TYPE_CHECKING:
    from blueno.data.survey import Problem, Survey
    from blueno.data.verify import Verified

EVERY = 5.0  # seconds between two lines of progress, where no person looks
SHOWN = 20  # problems in the table; JSON and YAML have them all


@shell.command
def verify(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A data set's directory, or one version of it.", show_default=False)
    ],
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="DIGEST", help="That has to be there: status.version.digest of the Dataset."),
    ] = None,
    output: Format = Output.TABLE,
) -> int:
    """Read a copy of a data set and compare every sum: is it whole?

    A data set's directory has versions/ and works/ in it, a version's directory a manifest.json. Ends
    with 0 when all is as it was sealed, with 9 when anything is missing or has been changed. Writes nothing.
    """
    from blueno.data import survey as looking
    from blueno.data import verify as reading

    if output is Output.NAME:
        raise typer.BadParameter("goes with table, json and yaml", param_hint="--output")
    if digest is not None and not re.fullmatch(r"[0-9a-f]{16,64}", digest):
        raise typer.BadParameter(f"{digest[:80]!r} is not 16 to 64 hexadecimal digits", param_hint="--digest")
    found = looking.survey(Path(path))
    with _progress(found.bytes) as read:
        versions = list(reading.verify(found, read))
    problems = [*found.problems, *_other(versions, digest)]
    body = _body(found, versions, problems)
    if output is Output.TABLE:
        for line in _lines(found, versions, problems):
            shell.out(line)
    else:
        from blueno.cli import printing

        printing.data(body, output)
    return shell.Exit.DONE if body["intact"] else shell.Exit.DAMAGED


def _other(versions: list[Verified], digest: str | None) -> list[Problem]:
    """When the version that was asked for is not among those found."""
    from blueno.data.survey import Problem, ProblemCode

    there = [v.found.manifest.digest for v in versions if v.found.manifest is not None]
    if digest is None or any(one.startswith(digest) for one in there):
        return []
    return [Problem(".", ProblemCode.WRONG_DIGEST, f"no version here has the digest {digest}")]


def _body(found: Survey, versions: list[Verified], problems: list[Problem]) -> dict[str, Any]:
    """What programs get."""
    from blueno.client.words import plain

    def said(those: list[Problem]) -> list[dict[str, str]]:
        return [{"path": plain(p.path, 300), "code": str(p.code), "message": plain(p.message)} for p in those]

    shown = []
    for version in versions:
        manifest = version.found.manifest
        shown.append(
            {
                "path": plain(found.place(version.found.folder), 300),
                "digest": manifest.digest if manifest is not None else None,
                "current": manifest is not None and manifest.digest == found.current,
                "samples": manifest.samples if manifest is not None else None,
                "files": len(manifest.files) if manifest is not None else None,
                "bytes": manifest.bytes if manifest is not None else None,
                "intact": version.intact,
                "problems": said(list(version.problems)),
                "extraFiles": [plain(name, 300) for name in version.extra],
            }
        )
    intact = not problems and all(v.intact for v in versions)
    return {"path": plain(str(found.root), 4096), "intact": intact, "versions": shown, "problems": said(problems)}


def _lines(found: Survey, versions: list[Verified], problems: list[Problem]) -> Iterator[str]:
    """What people get; the verdict comes last."""
    from blueno.cli import text
    from blueno.client.words import plain

    rows: list[tuple[str, ...]] = [("VERSION", "SAMPLES", "FILES", "SIZE", "RESULT")]
    for version in versions:
        manifest = version.found.manifest
        result = "intact" if version.intact else f"{len(version.problems)} wrong"
        if manifest is None:
            rows.append((plain(version.found.folder.name, 60), "?", "?", "?", result))
            continue
        name = manifest.digest[:16] + (" (current)" if manifest.digest == found.current else "")
        rows.append((name, str(manifest.samples), str(len(manifest.files)), text.size(manifest.bytes), result))
    yield from text.columns(rows)
    wrong = [*problems, *(problem for version in versions for problem in version.problems)]
    yield from (f"{plain(p.path, 300)}: {plain(p.message)} ({p.code})" for p in wrong[:SHOWN])
    if len(wrong) > SHOWN:
        yield f"and {len(wrong) - SHOWN} more: -o json has them all"
    for version in versions:
        if version.extra:
            names = ", ".join(plain(name, 60) for name in version.extra[:5])
            more = f" and {len(version.extra) - 5} more" if len(version.extra) > 5 else ""
            yield f"# in {plain(version.found.folder.name, 60)}, no part of it and never read: {names}{more}"
    if wrong:
        yield "damaged: do not restore this copy; the data that it was made from may be whole"
    else:
        yield f"intact: every sum is as it was sealed, {text.size(found.bytes)} read"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar for a person, else a line now and then. What it gives takes the bytes that were read since."""
    from blueno.cli import text

    if not shell.is_terminal(sys.stderr):
        done, next_line = 0, time.monotonic() + EVERY

        def count(more: int) -> None:
            nonlocal done, next_line
            done += more
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + EVERY
                shell.say(f"{text.size(done)} of {text.size(total)} read ({100 * done // max(total, 1)}%)")

        yield count
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True, no_color=not shell.has_colours(sys.stderr))
    parts = (BarColumn(30), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*parts, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda more: bar.update(task, advance=more)
