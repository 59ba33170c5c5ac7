"""Waiting for a data set: a bar where a person looks, lines where a program reads. Called by dataset_*.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blueno.cli import dataset_text, shell

if TYPE_CHECKING:
    from blueno.client import Client
    from blueno.client.dataset_values import Dataset

Body = Mapping[str, Any]


def follow(client: Client, name: str, namespace: str, *, since: str | None = None, timeout: float | None = None) -> int:
    """Until it can be used or only a person can help, with what happens on standard error. The exit code of `--wait`.

    `since`: what was asked for then has to be done, too.
    """
    try:
        with _seen(f"{namespace}/{name}") as seen:
            found = client.datasets.wait(name, namespace, since=since, timeout=timeout, seen=lambda one: seen(one))
    except KeyboardInterrupt:
        shell.say(f"no longer waiting; {namespace}/{name} goes on")
        return shell.Exit.INTERRUPTED
    shell.say(f"{namespace}/{name}  {dataset_text.status(found.raw)}")
    return shell.Exit.RUN_FAILED if found.stalled else shell.Exit.DONE


@contextmanager
def _seen(name: str) -> Iterator[Callable[[Dataset], None]]:
    if not shell.is_terminal(sys.stderr):
        yield _lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not shell.has_colours(sys.stderr))
    parts = (SpinnerColumn(), BarColumn(20), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*parts, console=console, transient=True) as bar:
        task = bar.add_task("asking", total=None)

        def show(found: Dataset) -> None:
            done = found.progress.percentage if found.progress is not None and found.reconciling else None
            total = None if done is None else 100
            bar.update(task, description=dataset_text.status(found.raw), total=total, completed=done or 0)

        yield show


def _lines(name: str) -> Callable[[Dataset], None]:
    """A line for every new word, and for every ten percent."""
    last: list[object] = [None]

    def show(found: Dataset) -> None:
        tenth = found.progress.percentage // 10 if found.progress is not None else None
        now = (found.reason, found.message, tenth)
        if now != last[0] and not found.settled:
            shell.say(f"{name}  {dataset_text.status(found.raw)}")
        last[0] = now

    return show
