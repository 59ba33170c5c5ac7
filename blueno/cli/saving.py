"""What a person sees while files are saved. Called by run_outputs.py and sample_change.py; calls rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blueno.cli import shell

Told = Callable[[int, int | None], None]


def starting() -> Callable[[str], None]:
    """Says once that the server of the files has to start."""
    said: list[str] = []

    def tell(message: str) -> None:
        if not said:
            shell.say(message)
        said.append(message)

    return tell


@contextmanager
def bar(title: str) -> Iterator[Told | None]:
    """Bytes of one file, where a person looks."""
    if not shell.is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from blueno.client.words import plain

    console = Console(stderr=True, no_color=not shell.has_colours(sys.stderr))
    parts = (TextColumn("{task.description}", markup=False), BarColumn(20), DownloadColumn(binary_units=True))
    with Progress(*parts, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(plain(title, 40), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def count(title: str) -> Iterator[Callable[[int], None]]:
    """Files and their bytes, where a person looks: called with the bytes of each."""
    if not shell.is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import FileSizeColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

    from blueno.client.words import plain

    console = Console(stderr=True, no_color=not shell.has_colours(sys.stderr))
    parts = (SpinnerColumn(), TextColumn("{task.description} {task.fields[files]:,} samples", markup=False))
    columns = (*parts, FileSizeColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task, files = progress.add_task(plain(title, 40), total=None, files=0), 0

        def one(size: int) -> None:
            nonlocal files
            files += 1
            progress.update(task, advance=size, files=files)

        yield one
