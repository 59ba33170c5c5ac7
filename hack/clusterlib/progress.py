"""Says on stderr what a long step does, how long it has taken and how long it usually takes. Used by every back end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# A log file (no terminal) gets a line this often, a terminal is redrawn every second.
_LOG_SECONDS = 30.0


@contextmanager
def step(what: str, expected: str) -> Iterator[None]:
    """Show `what` while the block runs."""
    done = threading.Event()
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    if not terminal:
        _say(f"{what} (usually {expected})\n")
    ticker = threading.Thread(target=_tick, args=(what, expected, started, done, terminal), daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        end = "failed after" if sys.exc_info()[0] else "done in"
        _say(("\r\033[K" if terminal else "") + f"{what}: {end} {time.monotonic() - started:.1f} s\n")


def _tick(what: str, expected: str, started: float, done: threading.Event, terminal: bool) -> None:
    while not done.wait(1.0 if terminal else _LOG_SECONDS):
        text = f"{what}: {time.monotonic() - started:.0f} s (usually {expected})"
        _say(f"\r\033[K{text}" if terminal else f"{text}\n")


def note(text: str) -> None:
    """One line on stderr."""
    _say(text + "\n")


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
