"""`blueno sample rm` and `download`. In app.py's tree; calls blueno/client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from blueno.cli import sample_read, shell
from blueno.cli.options import Dataset, Yes
from blueno.cli.sample_options import Keys, Label, Limit, Split, Starts, Version, Working
from blueno.errors import BluenoError, InvalidSpec, NotFound

All = Annotated[bool, typer.Option("--all", help="All that the other options let through.")]


@shell.placed_with(prefix=(Starts, ""), split=(Split, None), label=(Label, None))
def rm(
    dataset: Dataset,
    key: Keys = None,
    every: All = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase their bytes, too, where nothing else needs them.")
    ] = False,
    yes: Yes = False,
    **filters: Any,
) -> int:
    """Take samples out of what was added; sealed versions keep theirs.

    The next `blueno dataset seal` makes a version without them. With --all you are asked first. Ends with 10 when some
    were not there.
    """
    _check(key, every, filters)
    with shell.client() as client:
        place = shell.here()
        of = client.samples(dataset, place)
        if every:
            found = [
                o.key for o in sample_read.samples(client, dataset, {**filters, "working": True, "version": None})[0]
            ]
            if found and not yes:
                _confirm(f"{len(found)} samples of {place}/{dataset}", purge)
            key = found
        done = of.remove(key or [], purge=purge)
    shell.out(f"{place}/{dataset}: {done.removed} removed" + (f", {done.missing} not there" if done.missing else ""))
    return shell.Exit.PARTLY if done.missing else shell.Exit.DONE


@shell.placed_with(
    version=(Version, None),
    working=(Working, None),
    prefix=(Starts, ""),
    split=(Split, None),
    label=(Label, None),
    limit=(Limit, None),
)
def download(
    dataset: Dataset,
    key: Keys = None,
    target: Annotated[
        Path | None,
        typer.Option("-t", "--target", metavar="PATH", help="A directory; for one sample a file, too. Else here."),
    ] = None,
    every: All = False,
    **filters: Any,
) -> int:
    """Save samples as they were added, byte for byte.

    With --all keys become paths below the target. What is there with the right length is left alone, so that a command
    which broke off is simply run again. Ends with 10 when some could not be saved.
    """
    _check(key, every, {name: filters[name] for name in ("prefix", "split", "label", "limit")})
    bad = 0
    with shell.client() as client:
        of = client.samples(dataset, shell.here())
        if not every:
            for one in key or ():
                try:
                    sample = sample_read.find(client, dataset, one, filters["version"])
                    shell.out(str(of.download(sample, target, waiting=_once())))
                except NotFound as error:
                    if len(key or ()) == 1:
                        raise
                    shell.say(f"blueno: {error}")
                    bad += 1
            return shell.Exit.PARTLY if bad else shell.Exit.DONE
        folder = target or Path.cwd()
        count = 0
        for sample, place in _places(client, dataset, filters, folder):
            try:
                if not _is_there(place, sample.bytes):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    of.download(sample, place, waiting=_once())
                count += 1
            except (InvalidSpec, NotFound, OSError) as error:
                shell.say(f"blueno: {error}")
                bad += 1
    shell.out(f"{count} samples in {folder}" + (f", {bad} not saved" if bad else ""))
    return shell.Exit.PARTLY if bad else shell.Exit.DONE


def _places(client: Any, dataset: str, filters: dict[str, Any], folder: Path) -> Iterator[tuple[Any, Path]]:
    """Each sample and where it goes: its key as a path that cannot lead out of the directory."""
    from blueno.client.transfer import local_name

    for sample in sample_read.samples(client, dataset, dict(filters))[0]:
        steps = [local_name(step) for step in sample.key.split("/") if step]
        yield sample, folder.joinpath(*(steps or [local_name(sample.key)]))


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and path.stat().st_size == size
    except OSError:
        return False


def _once() -> Any:
    """Says once that the data server has to start."""
    said: list[str] = []

    def tell(message: str) -> None:
        if not said:
            shell.say(message)
        said.append(message)

    return tell


def _check(key: list[str] | None, every: bool, filters: dict[str, Any]) -> None:
    if bool(key) == every:
        raise typer.BadParameter("name samples, or say --all", param_hint="KEY")
    if not every and any(filters.values()):
        raise typer.BadParameter("goes with --all", param_hint=f"--{next(k for k, v in filters.items() if v)}")


def _confirm(what: str, purge: bool) -> None:
    if not sys.stdin.isatty():
        raise InvalidSpec("--yes", f"is needed where nobody can be asked: {what} are removed")
    more = ", and their bytes are erased" if purge else ""
    shell.say(f"{what} are removed{more}. Sealed versions stay as they are.")
    if not typer.confirm("Go on?", err=True):
        raise BluenoError("nothing was removed")
