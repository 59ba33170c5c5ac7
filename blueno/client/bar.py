"""A progress bar for uploads in the style of the command line. Used by people's scripts and blueno/cli; calls rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blueno.client.sample_values import UploadProgress
from blueno.client.words import plain


@contextmanager
def progress_bar(title: str = "uploading") -> Iterator[Callable[[UploadProgress], None]]:
    """`with progress_bar() as bar: samples.put_many(…, progress=bar)`. Draws on standard error if it is a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    counts = TextColumn("{task.fields[counts]}", markup=False)
    parts = (TextColumn("{task.description}", markup=False), BarColumn(20), counts, DownloadColumn(binary_units=True))
    with Progress(*parts, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True) as drawn:
        task = drawn.add_task(plain(title, 40), total=None, counts="")

        def tell(now: UploadProgress) -> None:
            drawn.update(task, completed=now.bytes, total=now.of_bytes, counts=counts_of(now))

        yield tell


def counts_of(now: UploadProgress) -> str:
    """Like "4,000/100,000, 3 refused"."""
    of = f"/{now.of_samples:,}" if now.of_samples is not None else ""
    refused = f", {now.so_far.refused:,} refused" if now.so_far.refused else ""
    return f"{now.samples:,}{of}{refused}"
