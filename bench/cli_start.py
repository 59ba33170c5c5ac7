"""How long a person waits for the command line's help, beside a Python that does nothing and beside the limit.

Usage: bench/cli_start.py [--repetitions 15]. Whole processes, started as the installed programs are, interleaved. A row
is the wall time of one process; what a command takes after that is the server's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402

LIMIT_MS = 150.0
ENTRY = "import sys; sys.path.insert(0, {top!r}); sys.argv[0] = 'blueno'; from blueno.cli.__main__ import main; main()"
WAYS: Mapping[str, Sequence[str]] = {
    "python": ("-c", "pass"),
    "typer": ("-c", "import typer"),
    "help": ("-c", ENTRY.format(top=str(TOP)), "--help"),
    "group": ("-c", ENTRY.format(top=str(TOP)), "dataset", "--help"),
    "command": ("-c", ENTRY.format(top=str(TOP)), "sample", "add", "--help"),
    "completion": ("-c", ENTRY.format(top=str(TOP)), "__complete", "dataset", ""),
}
METRICS = {"help": "`blueno --help`", "group": "`blueno dataset --help`"}
METRICS |= {"command": "`blueno sample add --help`", "completion": "Tab after `blueno dataset`"}


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    repetitions = parser.parse_args().repetitions
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(repetitions + 1):
        for name, arguments in WAYS.items():
            milliseconds = once(arguments)
            if number:  # the first round fills the caches
                taken[name].append(milliseconds)
    beside = {"python_alone": common.summary(taken["python"]), "typer_alone": common.summary(taken["typer"])}
    target = f"<= {LIMIT_MS:g} ms"
    rows = [
        common.row(
            f"cli_{name}_ms",
            "ms",
            taken[name],
            beside | {"limit": common.limit(LIMIT_MS)},
            target,
            f"{METRICS[name]}: start to end of the process.",
        )
        for name in METRICS
    ]
    common.write("cli_start", rows)
    return 0


def once(arguments: Sequence[str]) -> float:
    """Milliseconds of one process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd="/", stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    sys.exit(main())
