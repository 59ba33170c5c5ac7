"""`blueno dataset ls`, `describe`, `versions` and `export`. In app.py's tree; calls blueno/client, dataset_text.py."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from blueno.cli import shell
from blueno.cli.options import Dataset, Everywhere, Format, Watch
from blueno.cli.shell import Output


@shell.placed
def ls(
    everywhere: Everywhere = False,
    search: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="Part of the name or display name.", show_default=False)
    ] = "",
    output: Format = Output.TABLE,
    watch: Watch = False,
) -> int | None:
    """List data sets, with the words of `kubectl get datasets`."""
    from blueno.cli import dataset_text, printing, watching

    if watch and output is not Output.TABLE:
        raise typer.BadParameter("goes with the table only", param_hint="--watch")
    place = None if everywhere else shell.here()
    view = watching.View(
        head=dataset_text.HEAD,
        row=dataset_text.row,
        colour=lambda body: (str(body.get("reason")), dataset_text.colour(body)),
        place=(lambda body: str(body.get("namespace"))) if everywhere else None,
    )
    with shell.client() as client:
        if watch:
            return watching.watch(
                lambda: [one.raw for one in client.datasets.list(namespace=place, search=search, limit=500)], view
            )
        found = [one.raw for one in client.datasets.list(namespace=place, search=search)]
    if output is Output.NAME:
        for one in found:
            shell.out(printing.dataset(str(one["name"])))
    elif output is not Output.TABLE:
        printing.data([dict(one) for one in found], output)
    elif not found:
        shell.say(f"no data sets in {place or 'any namespace'}")
    else:
        for line in watching.table(found, view, colours=shell.has_colours(sys.stdout)):
            shell.out(line)
    return None


@shell.placed
def describe(name: Dataset, output: Format = Output.TABLE) -> None:
    """Say everything about a data set: where it stands, what it holds, what is wrong and what to do."""
    from blueno.cli import dataset_text, printing

    with shell.client() as client:
        body = client.datasets.get(name, shell.here()).raw
    if output is Output.NAME:
        shell.out(printing.dataset(str(body["name"])))
    elif output is not Output.TABLE:
        printing.data(body, output)
    else:
        for line in dataset_text.describe(body, datetime.now(UTC)):
            shell.out(line)


@shell.placed
def versions(name: Dataset, output: Format = Output.TABLE) -> None:
    """List the sealed versions of a data set, newest first."""
    from blueno.cli import dataset_text, printing

    with shell.client() as client:
        found = [one.raw for one in client.datasets.versions(name, shell.here())]
    if output is Output.NAME:
        for one in found:
            shell.out(str(one["digest"]))
    elif output is not Output.TABLE:
        printing.data([dict(one) for one in found], output)
    elif not found:
        shell.say(f"{name} has no version yet")
    else:
        now = datetime.now(UTC)
        for line in dataset_text.table(dataset_text.VERSIONS, (dataset_text.version_row(one, now) for one in found)):
            shell.out(line)


@shell.placed
def export(name: Dataset) -> None:
    """Print a data set as YAML for Git: without defaults and status, always in the same order."""
    from blueno.client import export as exporting

    place = shell.here()
    with shell.client() as client:
        body = client.datasets.get(name, place).raw
    whole = {"metadata": {"name": body["name"], "namespace": body["namespace"]}, "spec": body["spec"]}
    shell.out(exporting.dataset_yaml(whole).rstrip("\n"))
