"""`blueno run outputs` and `download`. Registered by app.py; calls blueno/client."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from blueno.cli import saving, shell
from blueno.cli.options import Format, Name
from blueno.cli.shell import Output


@shell.placed
def outputs(
    name: Name,
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="A directory below the run's own.", show_default=False)
    ] = "",
    output: Format = Output.TABLE,
) -> None:
    """List what a run has written, also after its pods are gone.

    Directories end with /, links (never followed) with @. A backslash in a name is written \\\\, a byte that cannot be
    printed \\xNN; `download` takes names as they are printed here.
    """
    from blueno.cli import printing, text

    with shell.client() as client:
        place = shell.here()
        found = list(client.runs.outputs(name, path, namespace=place, waiting=saving.starting()))
    if output is Output.TABLE:
        if not found:
            shell.say("nothing was written here yet")
        else:
            now = datetime.now(UTC)
            for line in text.columns([("NAME", "SIZE", "AGE"), *(text.output_row(entry, now) for entry in found)]):
                shell.out(line)
    elif output is Output.NAME:
        for entry in found:
            shell.out(entry.path)
    else:
        printing.data([dict(entry.raw) for entry in found], output)


@shell.placed
def download(
    name: Name,
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A file, or a directory: that comes as a tar.", show_default=False),
    ],
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="TARGET", help="A file, which is replaced, or a directory; else here."),
    ] = None,
) -> None:
    """Save a file that a run has written, or a directory as a tar (/ is all of it).

    What breaks off is gone on with, also by the same command later. Prints where it lies.
    """
    with shell.client() as client, saving.bar(path) as progress:
        place = shell.here()
        saved = client.runs.download(name, path, target, namespace=place, progress=progress, waiting=saving.starting())
    shell.out(str(saved))
