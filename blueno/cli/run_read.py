"""`blueno run describe`, `logs`, `metrics` and `export`. Registered by app.py; calls blueno/client."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from blueno.cli import shell
from blueno.cli.options import Format, Name
from blueno.cli.shell import Output


@shell.placed
def describe(name: Name, output: Format = Output.TABLE) -> None:
    """Say everything about a run: why it waits, how it goes, how it ended."""
    from blueno.cli import printing, text

    with shell.client() as client:
        run = client.runs.get(name, shell.here())
    if output is Output.TABLE:
        for line in text.describe(run, datetime.now(UTC)):
            shell.out(line)
    elif output is Output.NAME:
        shell.out(printing.name(run))
    else:
        printing.data(run.raw, output)


@shell.placed
def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Until the run has ended.")] = False,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, metavar="N", help="Else the latest.")] = None,
    pod: Annotated[str | None, typer.Option("--pod", metavar="POD", help="Else the one that began last.")] = None,
    tail: Annotated[bool, typer.Option("--tail", help="Only the newest 64 KiB, and what follows.")] = False,
) -> None:
    """Print what a run wrote, also after its pods have gone."""
    from blueno.cli import text

    with shell.client() as client:
        place = shell.here()
        pieces = client.runs.logs(name, place, attempt=attempt, pod=pod, follow=follow, tail=tail)
        last, anything = "\n", False
        encoding = sys.stdout.encoding or "utf-8"
        for piece in text.harmless(pieces) if shell.is_terminal(sys.stdout) else pieces:
            sys.stdout.write(piece.encode(encoding, "replace").decode(encoding))
            sys.stdout.flush()
            last = piece[-1:] or last
            anything = True
        if not anything:
            shell.say(f"{place}/{name} has written nothing (yet)")
        if last != "\n" and shell.is_terminal(sys.stdout):
            shell.out("")


@shell.placed
def metrics(
    name: Name,
    metric: Annotated[
        list[str] | None, typer.Argument(metavar="METRIC", help="Only these.", show_default=False)
    ] = None,
    points: Annotated[int, typer.Option("--points", min=2, max=5000, help="At most so many of each.")] = 500,
    output: Format = Output.TABLE,
) -> None:
    """Show the numbers a run reported: the last, the least, the greatest, and their course."""
    from blueno.cli import printing, text
    from blueno.client.words import plain

    with shell.client() as client:
        place = shell.here()
        found = client.runs.metrics(name, place, names=metric or None, points=points)
    if output is Output.NAME:
        for one in found.names:
            shell.out(plain(one, 80))
    elif output is not Output.TABLE:
        printing.data(found.raw, output)
    elif not found.series:
        shell.say(f"{name} has reported no such number (yet)")
    else:
        rows = [("METRIC", "STEP", "LAST", "MIN", "MAX", "COURSE")]
        for series in found.series:
            values = [value for _, _, value in series.points]
            step = series.points[-1][0] if series.points else None
            numbers = [f"{value:.6g}" for value in (values[-1], min(values), max(values))] if values else [""] * 3
            cells = (plain(series.name, 63), "" if step is None else str(step), *numbers, text.curve(values))
            rows.append(cells)  # type: ignore[arg-type]  # six cells: three numbers
        for line in text.columns(rows):
            shell.out(line)


@shell.placed
def export(name: Name) -> None:
    """Print a run as YAML for Git: without defaults and status, always in the same order."""
    with shell.client() as client:
        shell.out(client.runs.export(name, shell.here()).rstrip("\n"))
