"""`blueno sample ls` and `get`. In app.py's tree; calls blueno/client and dataset_text.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno.cli import shell
from blueno.cli.options import Dataset, Format
from blueno.cli.sample_options import Label, Limit, Split, Starts, Version, Working
from blueno.cli.shell import Output
from blueno.errors import NotFound

if TYPE_CHECKING:
    from blueno.client import Client
    from blueno.client.sample_values import Sample, WorkingSample

SHORT, WHOLE = 6, 16  # digits of a digest: that mean one version here, and that the server takes
TABLE = 1000  # lines of which one table is made; then its columns are as wide as they are


@shell.placed_with(
    working=(Working, None),
    version=(Version, None),
    prefix=(Starts, ""),
    split=(Split, None),
    label=(Label, None),
    limit=(Limit, None),
)
def ls(dataset: Dataset, output: Format = Output.TABLE, **filters: Any) -> None:
    """List samples: of a sealed version, or with --working those that were added.

    Data sets that are made by uploading show what was added, others their newest version, unless you say which.
    """
    with shell.client() as client:
        found, is_working = samples(client, dataset, filters)
        if output is Output.TABLE:
            _table(found, is_working, dataset)
        elif output is Output.NAME:
            for one in found:
                shell.out(one.key)
        else:
            _data(found, output)


@shell.placed
def get(
    dataset: Dataset,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of the sample.", show_default=False)],
    version: Version = None,
    output: Format = Output.TABLE,
) -> None:
    """Say everything about one sample: as it was added, or as it is in a version.

    Without --version it is looked for among what was added first, and then in the newest version.
    """
    from blueno.cli import dataset_text, printing

    with shell.client() as client:
        body = whole(find(client, dataset, key, version))
    if output is Output.NAME:
        shell.out(str(body["key"]))
    elif output is not Output.TABLE:
        printing.data(body, output)
    else:
        for line in dataset_text.describe_sample(body):
            shell.out(line)


def samples(
    client: Client, dataset: str, filters: dict[str, Any]
) -> tuple[Iterator[Sample] | Iterator[WorkingSample], bool]:
    """Those that the options mean, and whether they are of the working set."""
    from blueno.cli.sample_sources import label_of
    from blueno.client.samples import ANY

    place, is_working, version = shell.here(), filters.pop("working"), filters.pop("version")
    if is_working and version is not None:
        raise typer.BadParameter("goes with --sealed", param_hint="--version")
    if is_working is None:
        is_working = version is None and "upload" in client.datasets.get(dataset, place).spec.get("source", {})
    label = filters.pop("label")
    wanted = {**filters, "label": ANY if label is None else label_of(label)}
    of, version = client.samples(dataset, place), _version(client, dataset, version)
    return (of.working(**wanted), True) if is_working else (of.iterate(version=version, **wanted), False)


def find(client: Client, dataset: str, key: str, version: str | None) -> Sample | WorkingSample:
    """By its key: of a version if one is named, else of the working set, else of the newest version."""
    from blueno.client.words import plain

    of, version = client.samples(dataset, shell.here()), _version(client, dataset, version)
    if version is None:
        try:
            return of.get(key)
        except NotFound as error:
            client.datasets.get(dataset, shell.here())  # whether that is what is not there
            missing = error
    for one in of.iterate(version=version, prefix=key, limit=1):
        if one.key == key:
            return one
    if version is None:
        raise NotFound(f"{dataset} has no sample {plain(key, 200)!r}, added or sealed") from missing
    raise NotFound(f"version {version} has no sample {plain(key, 200)!r}")


def _version(client: Client, dataset: str, version: str | None) -> str | None:
    """Its digest, also for what tables show of it: the number, or a few digits."""
    if version is None or len(version) >= WHOLE:
        return version
    for one in client.datasets.versions(dataset, shell.here()):
        if version == str(one.sequence) or (len(version) >= SHORT and one.digest.startswith(version)):
            return str(one.digest)
    raise NotFound(f"{dataset} has no version {version}: see blueno dataset versions {dataset}")


def whole(one: Sample | WorkingSample) -> dict[str, Any]:
    """As programs get it: labels are values, wherever it comes from (a page of the server has them as texts)."""
    return {**one.raw, "label": one.label}


def _table(found: Iterator[Any], is_working: bool, dataset: str) -> None:
    from blueno.cli import dataset_text, text

    now = datetime.now(UTC)
    head = dataset_text.WORKING if is_working else dataset_text.SAMPLES

    def row(one: Any) -> tuple[str, ...]:
        return dataset_text.working_row(whole(one), now) if is_working else dataset_text.sample_row(whole(one))

    first = [row(one) for one in islice(found, TABLE)]
    if not first:
        shell.say(
            f"{dataset}: no such samples" + ("" if is_working else " in this version; --working lists what was added")
        )
        return
    for line in text.columns([head, *first]):
        shell.out(line)
    for one in found:
        shell.out("   ".join(row(one)))


def _data(found: Iterator[Any], output: Output) -> None:
    """One list, written as it comes: a version may have millions of samples."""
    from blueno.client.export import dump

    if output is Output.YAML:
        empty = True
        for one in found:
            empty = False
            sys.stdout.write(dump([whole(one)]))
        if empty:
            shell.out("[]")
        return
    between = "[\n"
    for one in found:
        sys.stdout.write(f"{between}  {json.dumps(whole(one))}")
        between = ",\n"
    shell.out("[]" if between == "[\n" else "\n]")
