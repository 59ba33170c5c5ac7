#!/usr/bin/env python3
"""Caps the tail: files of at most 300 lines, functions of at most 50, at most 6 parameters.

Run by `make check` and tests/unit/hack/test_check_size.py; reads every Python file of the checkout (scripts without
`.py` that begin with a Python `#!` too). A docstring counts for its file but not for its function; `self`, `cls`,
`*args` and `**kwargs` do not count. Tests are held to the size of files only: a test function that tells a long story,
or asks for seven fixtures, is better than one cut in pieces.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6
SKIPPED = {"node_modules", "build", "dist", "__pycache__", "static"}

# path, or path:function → why it may be larger. Empty is how it should be; an entry that is not needed is a finding.
ALLOWED: Mapping[str, str] = {
    "blueno/client/platform.py:create_sample": "the signature of 2019: scripts call it by position",
    "blueno/client/platform.py:register_sample": "the signature of 2019: scripts call it by position",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(root: Path) -> Iterator[Path]:
    """Python files below `root`, without hidden and generated folders."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED)
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix == ".py" or (path.suffix == "" and _is_python_script(path)):
                yield path


def _is_python_script(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(64)
    return start.startswith(b"#!") and b"python" in start.split(b"\n")[0]


def function_lines(function: Function) -> int:
    """Lines from `def` to the end, less the docstring's."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def parameters(function: Function) -> int:
    """How many parameters a caller has to think of."""
    args = function.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def check_file(path: str, text: str) -> Iterator[tuple[str, str]]:
    """(what is too large, how) for one file; `path` is relative to the checkout."""
    lines = text.count("\n") + (not text.endswith("\n"))
    if lines > MAX_FILE_LINES:
        yield path, f"{lines} lines, at most {MAX_FILE_LINES}"
    if path.startswith("tests/"):
        return
    for node in ast.walk(ast.parse(text, filename=path)):
        if not isinstance(node, Function):
            continue
        where = f"{path}:{node.name}"
        if function_lines(node) > MAX_FUNCTION_LINES:
            yield where, f"line {node.lineno}: {function_lines(node)} lines, at most {MAX_FUNCTION_LINES}"
        if parameters(node) > MAX_PARAMETERS:
            yield where, f"line {node.lineno}: {parameters(node)} parameters, at most {MAX_PARAMETERS}"


def check(root: Path, allowed: Mapping[str, str]) -> tuple[list[str], int]:
    """Findings, and how many files were looked at."""
    findings, used, count = [], set(), 0
    for file in python_files(root):
        count += 1
        for where, how in check_file(file.relative_to(root).as_posix(), file.read_text()):
            if where in allowed:
                used.add(where)
            else:
                findings.append(f"{where}: {how}")
    findings += [f"{where}: is allowed to be large but is not" for where in allowed if where not in used]
    findings += [f"{where}: may be large, but nobody says why" for where, why in allowed.items() if len(why) < 20]
    return findings, count


def main(root: Path = ROOT) -> int:
    """Prints findings; 1 when there is any."""
    findings, count = check(root, ALLOWED)
    print("\n".join(findings) or f"{count} Python files within their size")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
