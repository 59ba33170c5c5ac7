"""`blueno dataset create` and `delete`. In app.py's tree; calls blueno/client, dataset_source.py and following.py."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno import names
from blueno.cli import known, shell
from blueno.cli.options import DryRun, Format, Wait, Yes
from blueno.cli.shell import Output
from blueno.errors import BluenoError, InvalidSpec, NotFound

if TYPE_CHECKING:
    from blueno.client import Client
    from blueno.client import Dataset as Made

Target = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A name, with --from; else YAML of one Dataset, - is standard input.",
        show_default=False,
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="upload, tfds:NAME[/CONFIG][:VERSION], claim:NAME[/PATH], https://….tar[#sha256=…].",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="A field of the spec, like storage.managedNFS.size=20Gi; as often as needed.",
        show_default=False,
    ),
]


@shell.placed
def create(
    target: Target,
    source: Sources = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    output: Format = Output.NAME,
    wait: Wait = False,
) -> int | None:
    """Make a data set, from a YAML file or from a name and a source.

    `--dry-run -o yaml` prints what to keep in Git; the server checks it when one is known. With `--wait` the exit code
    is 7 when it cannot be prepared.
    """
    body = _body(target, source or [], settings or [])
    if dry_run and not _is_server_known():
        shell.say("not checked: no server is known here")
        _tell(body, None, output, dry_run=True)
        return None
    name, place = body["metadata"]["name"], shell.here(body["metadata"].get("namespace"))
    body["metadata"]["namespace"] = place
    with shell.client() as client:
        _tell(body, client.datasets.create(body, namespace=place, dry_run=dry_run), output, dry_run=dry_run)
        if not wait or dry_run:
            return None
        from blueno.cli import following

        sys.stdout.flush()
        return following.follow(client, name, place)


def _tell(body: dict[str, Any], made: Made | None, output: Output, *, dry_run: bool) -> None:
    """What was made, or would be; None when no server was asked."""
    from blueno.cli import printing
    from blueno.client import export

    if output is Output.YAML:
        shell.out(export.dataset_yaml(body if made is None else {**body, "spec": made.spec}).rstrip("\n"))
    elif output is Output.JSON:
        printing.data(body if made is None else made.raw, output)
    else:
        shell.out(printing.dataset(body["metadata"]["name"]) + (" (dry run)" if dry_run else ""))


@shell.placed
def delete(
    name: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET…", help="Names of data sets.", show_default=False, autocompletion=known.datasets
        ),
    ],
    yes: Yes = False,
) -> None:
    """Delete data sets; their data go or stay as spec.reclaimPolicy says.

    With reclaimPolicy Delete you are asked for the name first. A data set that runs still use is deleted when they have
    ended.
    """
    from blueno.client.words import plain

    place = shell.here()
    with shell.client() as client:
        found = [_found(client, one, place) for one in name]
        erased = [one.name for one in found if one.spec.get("reclaimPolicy") == "Delete"]
        if erased and not yes:
            _confirm(erased)
        for one in found:
            client.datasets.delete(one.name, place)
            shell.out(f"{place}/{plain(one.name, 253)} is being deleted")
            if one.managed_by:
                who = plain(one.managed_by, 80)
                shell.say(f"{who} keeps it as it is in Git and may make it again: remove it there, too")


def _found(client: Client, name: str, place: str) -> Made:
    """One of several: the error says which."""
    try:
        return client.datasets.get(name, place)
    except NotFound as error:
        raise NotFound(f"{name}: {error}", error.said) from error


def _confirm(erased: list[str]) -> None:
    shown = ", ".join(erased)
    if not sys.stdin.isatty():
        raise InvalidSpec("--yes", f"is needed where nobody can be asked: all data of {shown} are erased")
    shell.say(f"This erases all data of {shown}, every version: reclaimPolicy is Delete. It cannot be undone.")
    what = "the name" if len(erased) == 1 else "the names, as they stand there,"
    if typer.prompt(f"Type {what} to go on", err=True).strip() != shown:
        raise BluenoError("that is something else: nothing was deleted")


def _body(target: str, sources: list[str], settings: list[str]) -> dict[str, Any]:
    from blueno.cli import dataset_source
    from blueno.client import specfile

    body = (
        dataset_source.of_words(target, sources)
        if sources
        else dataset_source.of_document(specfile.document(target, names.DATASET_KIND))
    )
    return dataset_source.changed(body, shell.pairs(settings, "--set FIELD=VALUE"))


def _is_server_known() -> bool:
    try:
        shell.settings()
    except BluenoError:
        if shell.is_server_named():
            raise
        return False
    return True
