"""`blueno sample rm` and `download`. In app.py's tree; calls blueno/client."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno.cli import sample_read, saving, shell
from blueno.cli.options import Dataset, Yes
from blueno.cli.sample_options import Keys, Label, Limit, Split, Starts, Version, Working
from blueno.errors import BluenoError, InvalidSpec, NotFound

if TYPE_CHECKING:
    from blueno.client import Sample, WorkingSample
    from blueno.client.samples import Samples

LONGEST = 200  # bytes of a file's name that we make
_NO_NAME = '%\\:*?"<>|\x7f'

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

    With --all keys become paths below the target. What is there byte for byte is left alone, so that a command which
    broke off is simply run again. Ends with 10 when some could not be saved.
    """
    _check(key, every, {name: filters[name] for name in ("prefix", "split", "label", "limit")})
    with shell.client() as client:
        of = client.samples(dataset, shell.here())
        if every:
            return _all(of, sample_read.samples(client, dataset, filters)[0], target or Path.cwd(), dataset)
        bad = 0
        for one in key or ():
            try:
                sample = sample_read.find(client, dataset, one, filters["version"])
                with saving.bar(one) as progress:
                    saved = of.download(sample, target, progress=progress, waiting=saving.starting())
                shell.out(str(saved))
            except NotFound as error:
                if len(key or ()) == 1:
                    raise
                _not_saved(one, error)
                bad += 1
    return shell.Exit.PARTLY if bad else shell.Exit.DONE


def _all(of: Samples, found: Iterator[Any], folder: Path, title: str) -> int:
    """Each below the folder, where its key says; what cannot be saved is told and left out."""
    count = bad = 0
    waiting = saving.starting()
    with saving.count(title) as saved:
        for sample in found:
            place = folder / path_of(sample.key)
            try:
                if not _is_there(place, sample):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    of.download(sample, place, waiting=waiting)
                saved(sample.bytes)
                count += 1
            except (FileExistsError, NotADirectoryError):
                _not_saved(sample.key, "another sample's file is in its way")
                bad += 1
            except (InvalidSpec, NotFound, OSError) as error:
                _not_saved(sample.key, (error.strerror if isinstance(error, OSError) else None) or error)
                bad += 1
    shell.out(f"{count} samples in {folder}" + (f", {bad} not saved" if bad else ""))
    return shell.Exit.PARTLY if bad else shell.Exit.DONE


def _not_saved(key: str, why: object) -> None:
    from blueno.client.words import plain

    shell.say(f"not saved: {plain(key, 200)}: {why}")


def path_of(key: str) -> Path:
    """Where a key lies below a directory: never outside of it, and no two keys in one place.

    What no file may be called on some system is written as %XX, and so is % itself.
    """
    return Path(*(_step(step) for step in key.split("/")))


def _step(step: str) -> str:
    shown = "".join(f"%{ord(sign):02X}" if sign in _NO_NAME or ord(sign) < 32 else sign for sign in step)
    if shown.startswith("."):
        shown = f"%2E{shown[1:]}"
    if len(shown.encode(errors="replace")) > LONGEST:
        ending = hashlib.sha256(step.encode(errors="replace")).hexdigest()[:16]
        shown = shown.encode(errors="replace")[: LONGEST - 20].decode(errors="ignore") + f"%~{ending}"
    return shown or "%"


def _is_there(path: Path, sample: Sample | WorkingSample) -> bool:
    """Byte for byte. (What was never a file has no sum that a file could be compared with.)"""
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size != sample.bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sample.sha256
    except OSError:
        return False


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
