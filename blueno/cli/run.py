"""`blueno run submit`, `ls` and `wait`. Registered by app.py; calls blueno/client."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from blueno.cli import shell
from blueno.cli.options import Everywhere, File, Format, Name, Set, Watch
from blueno.cli.shell import Output


@shell.placed
def submit(
    file: File,
    parameters: Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The server checks everything and makes nothing.")] = False,
    output: Format = Output.NAME,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; 7 when it failed.")] = False,
) -> int | None:
    """Start a run from a YAML file.

    `--dry-run -o yaml` prints what to keep in Git, with --set filled in.
    """
    from blueno.cli import printing, watching
    from blueno.client import export, specfile

    chosen = shell.pairs(parameters or (), "--set KEY=VALUE")
    with shell.client() as client:
        source = specfile.read(file)
        place = shell.here(source.namespace)
        run = client.runs.submit(source.body(), namespace=place, parameters=chosen, dry_run=dry_run)
        if output is Output.YAML:
            shell.out(export.to_yaml(run.name, run.namespace, run.spec).rstrip("\n"))
        elif output is Output.JSON:
            printing.data(run.raw, output)
        else:
            shell.out(printing.name(run) + (" (dry run)" if dry_run else ""))
        if wait and not dry_run:
            sys.stdout.flush()
            return watching.wait(client, run.name, run.namespace, None)
    return None


@shell.placed
def ls(
    everywhere: Everywhere = False,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="pending, running, suspended, succeeded or failed."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Those that read it.")] = None,
    output: Format = Output.TABLE,
    watch: Watch = False,
) -> int | None:
    """List runs, newest first, with the time and the GPU hours they took, each and together."""
    from blueno.cli import printing, text, watching
    from blueno.client.values import STATES

    if state is not None and state not in STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(STATES)}", param_hint="--state")
    if watch and output is not Output.TABLE:
        raise typer.BadParameter("goes with the table only", param_hint="--watch")
    place = None if everywhere else shell.here()
    with shell.client() as client:
        if watch:
            return watching.watch(
                lambda: client.runs.list(namespace=place, state=state, dataset=dataset, limit=500),
                watching.runs(with_namespace=everywhere),
            )
        runs = client.runs.list(namespace=place, state=state, dataset=dataset)
    if output is Output.TABLE:
        if not runs:
            shell.say(f"no runs in {place or 'any namespace'}")
            return None
        view = watching.runs(with_namespace=everywhere)
        for line in watching.table(runs, view, colours=shell.has_colours(sys.stdout)):
            shell.out(line)
        shell.say(text.used(runs, datetime.now(UTC)))
    elif output is Output.NAME:
        for run in runs:
            shell.out(printing.name(run))
    else:
        printing.data([run.raw for run in runs], output)
    return None


@shell.placed
def wait(
    name: Name,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Then give up with 8; the run goes on.")
    ] = None,
) -> int | None:
    """Wait until a run has ended: 0 when it succeeded, 7 when it failed."""
    from blueno.cli import watching

    with shell.client() as client:
        return watching.wait(client, name, shell.here(), timeout)
