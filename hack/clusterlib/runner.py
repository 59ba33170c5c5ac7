"""Runs other programs. Real for the command line; tests hand in a Runner that records instead."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clusterlib.errors import Refused


@dataclass(frozen=True)
class Result:
    """How a program ended."""

    code: int
    output: str


class Runner(Protocol):
    """Runs one program to its end."""

    def run(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float | None = None) -> Result:
        """Output is stdout and stderr together; a missing program is code 127, a timeout 124."""


class RealRunner:
    """Runner that runs."""

    def run(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float | None = None) -> Result:
        """See Runner."""
        try:
            done = subprocess.run(
                argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=timeout, check=False,
            )  # fmt: skip
        except (FileNotFoundError, PermissionError):  # the latter: an unreadable directory in PATH
            return Result(127, f"{argv[0]}: not found")
        except subprocess.TimeoutExpired:
            return Result(124, f"{argv[0]}: no answer after {timeout:g} s")
        return Result(done.returncode, done.stdout)


def must(runner: Runner, argv: Sequence[str], *, stdin: str | None = None) -> str:
    """Output of a program that has to succeed."""
    result = runner.run(argv, stdin=stdin)
    if result.code != 0:
        tail = "\n".join(result.output.splitlines()[-15:])
        raise Refused(f"`{' '.join(argv)}` failed ({result.code}):\n{tail}")
    return result.output


def logged(argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run a long program with its output in a file; on failure show the file's end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        done = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Refused(f"`{argv[0]}` failed ({done.returncode}); all of its output is in {log}:\n{tail}")
