"""What is said from the tree alone: `--help`, `--version`, and the commands at Tab. Called by __main__.py.

To import typer takes most of the time of such an answer. The text is typer's, word for word
(tests/unit/cli/test_quick.py); all that is asked in another way is typer's to answer.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import blueno
from blueno.cli import spoken
from blueno.cli.tree import SAID, TREE, VERSION, WIDEST, Branch, Tree

NARROWEST = 50  # as click has it: on a narrower terminal, the terminal breaks the lines
OPTIONS = (("--version", VERSION), ("-h, --help", "Show this message and exit."))


def answer(words: Sequence[str]) -> str | None:
    """What to print for the words behind the program's name; None when it takes typer to know."""
    if list(words) in (["--help"], ["-h"]):
        return top_help(max(min(shutil.get_terminal_size().columns, WIDEST) - 2, NARROWEST))
    if list(words) == ["--version"]:
        return f"blueno {blueno.__version__}\n"
    if words[:1] == ["__complete"]:
        return _commands(words[1:-1], words[-1] if words[1:] else "")
    return None


def top_help(width: int) -> str:
    """The help of the whole, in lines of `width`."""
    usage = f"Usage: {spoken.program()} "
    commands = [(name, spoken.as_called(one.help)) for name, one in TREE.items()]
    parts = [
        _wrapped("[OPTIONS] COMMAND [ARGS]...", width, usage, " " * len(usage)),
        _wrapped(spoken.as_called(SAID), width, "  ", "  "),
        "\n".join(["Options:", *_rows(OPTIONS, width)]),
        "\n".join(["Commands:", *_rows(commands, width)]),
    ]
    return "\n\n".join(parts) + "\n"


def say(text: str) -> int:
    """Prints it; the exit code is 1 when nobody listens, as typer has it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _rows(pairs: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    first = max(len(name) for name, _ in pairs) + 2
    for name, meaning in pairs:
        lines = _wrapped(meaning, max(width - first - 2, 10)).splitlines()
        yield f"  {name:<{first}}{lines[0]}"
        yield from (f"{'':>{first + 2}}{line}" for line in lines[1:])


def _wrapped(text: str, width: int, first: str = "", later: str = "") -> str:
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=later, replace_whitespace=False)


def _commands(before: Sequence[str], incomplete: str) -> str | None:
    """The commands that begin with `incomplete`, a line each; None where an option or a command's own word stands."""
    tree: Tree = TREE
    for word in before:
        one = tree.get(word)
        if not isinstance(one, Branch):
            return None
        tree = one.children
    if incomplete.startswith("-"):
        return None
    found = ((name, spoken.as_called(one.help)) for name, one in tree.items() if name.startswith(incomplete))
    return "".join(f"{name}\t{meaning}\n" for name, meaning in found)
