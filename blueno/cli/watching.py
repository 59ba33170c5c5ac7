"""Waiting in the terminal: a bar where a person looks, lines where a program reads. Called by run.py."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from blueno.cli import shell, text
from blueno.client import Client, Run, RunSummary

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


def watch(look: Callable[[], Sequence[RunSummary]], *, with_namespace: bool) -> int:
    """`run ls --watch`: the table, again and again; where no person looks, each row that is new or has changed."""
    if not shell.is_terminal(sys.stdout):
        return _watch_lines(look, with_namespace)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not shell.has_colours(sys.stdout))
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            lines = table(look(), with_namespace=with_namespace, colours=shell.has_colours(sys.stdout))
            live.update(Text.from_ansi("\n".join(lines[: max(2, console.height - 1)]), no_wrap=True), refresh=True)
            time.sleep(EVERY)


def _watch_lines(look: Callable[[], Sequence[RunSummary]], with_namespace: bool) -> int:
    shell.out("   ".join(text.head(with_namespace=with_namespace)))
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    while True:
        now = {}
        for run in look():
            cells = text.row(run, datetime.now(UTC), with_namespace=with_namespace)
            key = (run.namespace, run.name)
            now[key] = cells[:-1]  # the age changes always
            if known.get(key) != now[key]:
                shell.out("   ".join(cell or "-" for cell in cells))
        known = now
        sys.stdout.flush()
        time.sleep(EVERY)


def table(runs: Sequence[RunSummary], *, with_namespace: bool, colours: bool) -> list[str]:
    """Lines of `run ls`."""
    now = datetime.now(UTC)
    rows = [text.head(with_namespace=with_namespace)] + [text.row(r, now, with_namespace=with_namespace) for r in runs]
    lines = text.columns(rows)
    if colours:
        lines[1:] = [text.coloured(line, run.state) for line, run in zip(lines[1:], runs, strict=True)]
    return lines
