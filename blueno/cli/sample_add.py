"""`blueno sample add`: files, directories and lists into a data set's working set. In app.py's tree.

Calls blueno/client (`put_many`) and sample_sources.py. Sending again is safe: a command that broke off is run again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blueno.cli import shell
from blueno.cli.options import Dataset, Format
from blueno.cli.sample_options import Group, Key, Label, Layout, List, Metadata, Paths, Prefix, Replace, Split
from blueno.cli.shell import Output

if TYPE_CHECKING:
    from blueno.cli.sample_sources import Source
    from blueno.client.sample_values import Refused, Uploaded, UploadProgress

SHOWN = 20  # refused samples that are told one by one; JSON and YAML have the first thousand
EVERY = 5.0  # seconds between two lines of progress, where no person looks
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be sent, as lines of JSON.")]


@shell.placed_with(
    split=(Split, None),
    label=(Label, None),
    group=(Group, None),
    metadata=(Metadata, None),
    layout=(Layout, None),
    prefix=(Prefix, ""),
    key=(Key, None),
    replace=(Replace, False),
)
def add(
    dataset: Dataset,
    path: Paths = None,
    listed: List = None,
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
    **said: Any,
) -> int:
    """Add files to a data set: single ones, or all below directories.

    Keys are file names; below a directory they are the paths in it. They are seen in the gallery at once, and `blueno
    dataset seal` makes them part of the next version. The same sample again changes nothing, so a command that broke
    off is simply run again; another sample of that key is refused unless you say --replace. Ends with 10 when samples
    were refused.
    """
    from blueno.cli import sample_sources

    if output is Output.NAME:
        raise typer.BadParameter("goes with table, json and yaml", param_hint="--output")
    source = sample_sources.Source(tuple(path or ()), listed, sample_sources.said(said), sys.stdin.buffer)
    if dry_run:
        for line in source.lines():
            shell.out(line)
        return shell.Exit.DONE
    place = shell.here()
    with shell.client() as client, _progress(source, dataset) as progress:
        done = client.samples(dataset, place).put_many(iter(source), progress=progress, refused=_telling())
    return _result(done, dataset, place, output)


def _telling() -> Callable[[Refused], None]:
    """Tells the first refused samples at once: a person may want to stop."""
    from blueno.client.words import plain

    told = 0

    def tell(one: Refused) -> None:
        nonlocal told
        told += 1
        if told <= SHOWN:
            shell.say(f"refused: {plain(one.key, 200)}: {plain(one.detail or one.code)} ({plain(one.code, 64)})")
        elif told == SHOWN + 1:
            shell.say("refused: more; -o json tells the first thousand")

    return tell


def _result(done: Uploaded, dataset: str, place: str, output: Output) -> int:
    from blueno.cli import printing, text

    if output is not Output.TABLE:
        numbers = {key: getattr(done, key) for key in ("created", "same", "replaced", "refused", "bytes", "revision")}
        first = [{"key": o.key, "code": o.code, "detail": o.detail, "etag": o.etag} for o in done.first_refused]
        printing.data({**numbers, "firstRefused": first}, output)
    else:
        parts = [(done.created, "added"), (done.same, "there already"), (done.replaced, "replaced")]
        parts += [(done.refused, "refused")]
        shown = ", ".join(f"{count} {word}" for count, word in parts if count) or "nothing to add"
        shell.out(f"{place}/{dataset}: {shown}" + (f" ({text.size(done.bytes)})" if done.bytes else ""))
        if done.created or done.replaced:
            shell.say(f"make them part of a version: blueno dataset seal {dataset} -n {place}")
    return shell.Exit.PARTLY if done.refused else shell.Exit.DONE


@contextmanager
def _progress(source: Source, title: str) -> Iterator[Callable[[UploadProgress], object]]:
    """A bar of bytes and samples for a person, else a line now and then."""
    if not shell.is_terminal(sys.stderr):
        yield _lines()
        return
    from dataclasses import replace

    from blueno.client.bar import progress_bar

    files, total = source.count() or (None, None)
    with progress_bar(title) as bar:
        yield lambda now: bar(replace(now, of_samples=files, of_bytes=total))


def _lines() -> Callable[[UploadProgress], None]:
    import time

    from blueno.cli import text

    next_line = time.monotonic() + EVERY

    def show(seen: UploadProgress) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + EVERY
            shell.say(f"{seen.samples} samples, {text.size(seen.bytes)} so far")

    return show
