"""Waiting in the terminal: a bar where a person looks, lines where a program reads. Called by the commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from blueno.cli import shell, text
from blueno.client import Client, Run, RunSummary
from blueno.client.words import plain

T = TypeVar("T")

EVERY = 2.0  # seconds


def wait(client: Client, name: str, namespace: str, timeout: float | None) -> int:
    """Until the run has ended, with what happens on standard error. The exit code of `--wait`."""
    try:
        with _seen() as seen:
            run = client.runs.wait(name, namespace, timeout=timeout, seen=seen)
    except KeyboardInterrupt:
        shell.say(f"no longer waiting; {namespace}/{name} goes on (stop it: blueno run cancel {name} -n {namespace})")
        return shell.Exit.INTERRUPTED
    shell.say(f"{namespace}/{name}  {text.status(run)}")
    if run.failure is not None:
        for line in text.describe(run, datetime.now(UTC))[-1 - len(run.failure.last_lines) :]:
            shell.say(line)
    return shell.Exit.DONE if run.succeeded else shell.Exit.RUN_FAILED


@contextmanager
def _seen() -> Iterator[Callable[[Run], None]]:
    if not shell.is_terminal(sys.stderr):
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not shell.has_colours(sys.stderr))
    parts = (SpinnerColumn(), BarColumn(20), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*parts, console=console, transient=True) as progress:
        task = progress.add_task("asking", total=None)

        def show(run: Run) -> None:
            percentage = run.progress.percentage if run.progress is not None else None
            progress.update(
                task, description=text.status(run), total=None if percentage is None else 100, completed=percentage or 0
            )

        yield show


def _lines() -> Callable[[Run], None]:
    """A line for every new word, and for every ten percent."""
    last: list[object] = [None]

    def show(run: Run) -> None:
        tenth = run.progress.percentage // 10 if run.progress is not None else None
        now = (run.state, run.reason, run.message, run.attempt, tenth)
        if now != last[0] and not run.ended:
            shell.say(f"{run.namespace}/{run.name}  {text.status(run)}")
        last[0] = now

    return show


@dataclass(frozen=True)
class View(Generic[T]):
    """How a list is shown: `row` takes an item and the time, `colour` gives a word of it and its colour's number.

    `place`: its namespace, when there is a column for it. The last `timed` columns change with the clock alone.
    """

    head: Sequence[str]
    row: Callable[[T, datetime], tuple[str, ...]]
    colour: Callable[[T], tuple[str, int]]
    place: Callable[[T], str] | None = None
    timed: int = 1

    def titles(self) -> tuple[str, ...]:
        """The first line."""
        return tuple(self.head) if self.place is None else ("NAMESPACE", *self.head)

    def cells(self, item: T, now: datetime) -> tuple[str, ...]:
        """One line."""
        row = self.row(item, now)
        return row if self.place is None else (plain(self.place(item), 63), *row)


def runs(*, with_namespace: bool) -> View[RunSummary]:
    """Of `run ls`."""
    return View(
        head=text.HEAD,
        row=text.row,
        colour=lambda run: (run.state, text.COLOURS.get(run.state, 0)),
        place=(lambda run: run.namespace) if with_namespace else None,
        timed=2,
    )


def watch(look: Callable[[], Sequence[T]], view: View[T]) -> int:
    """`ls --watch`: the table, again and again; where no person looks, each row that is new or has changed."""
    if not shell.is_terminal(sys.stdout):
        return _watch_lines(look, view)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not shell.has_colours(sys.stdout))
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            lines = table(look(), view, colours=shell.has_colours(sys.stdout))
            live.update(Text.from_ansi("\n".join(lines[: max(2, console.height - 1)]), no_wrap=True), refresh=True)
            time.sleep(EVERY)


def _watch_lines(look: Callable[[], Sequence[T]], view: View[T]) -> int:
    shell.out("   ".join(view.titles()))
    known: set[tuple[str, ...]] = set()
    while True:
        now = datetime.now(UTC)
        rows = [view.cells(item, now) for item in look()]
        for cells in rows:
            if cells[: -view.timed] not in known:
                shell.out("   ".join(cell or "-" for cell in cells))
        known = {cells[: -view.timed] for cells in rows}
        sys.stdout.flush()
        time.sleep(EVERY)


def table(items: Sequence[T], view: View[T], *, colours: bool) -> list[str]:
    """All lines."""
    now = datetime.now(UTC)
    lines = text.columns([view.titles(), *(view.cells(item, now) for item in items)])
    if colours:
        lines[1:] = [text.coloured(line, *view.colour(item)) for line, item in zip(lines[1:], items, strict=True)]
    return lines
