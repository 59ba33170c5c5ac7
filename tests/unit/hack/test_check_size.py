"""hack/check_size.py: what counts, what does not, and that exceptions must be needed and explained."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hack import check_size


def function(source: str) -> check_size.Function:
    node = ast.parse(source).body[0]
    assert isinstance(node, check_size.Function)
    return node


def body(lines: int) -> str:
    return "def f():\n" + "    x = 1\n" * (lines - 1)


def test_a_file_of_300_lines_is_the_longest() -> None:
    assert list(check_size.check_file("a.py", "x = 1\n" * 300)) == []
    assert list(check_size.check_file("a.py", "x = 1\n" * 300 + "x = 1")) == [("a.py", "301 lines, at most 300")]


def test_a_function_of_50_lines_is_the_longest() -> None:
    assert list(check_size.check_file("a.py", body(50))) == []
    ((where, how),) = check_size.check_file("a.py", body(51))
    assert where == "a.py:f"
    assert how == "line 1: 51 lines, at most 50"


def test_a_docstring_is_free_in_its_function() -> None:
    assert check_size.function_lines(function('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n')) == 2


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def f(self, a, b): ...", 2),
        ("def f(cls, /, a, *, b=1): ...", 2),
        ("def f(a, *args, b, **kwargs): ...", 2),
        ("async def f(): ...", 0),
    ],
)
def test_parameters(source: str, count: int) -> None:
    assert check_size.parameters(function(source)) == count


def test_seven_parameters_are_too_many_even_inside_a_class() -> None:
    text = "class C:\n    def m(self, a, b, c, d, e, f, g): ...\n"
    assert [where for where, _ in check_size.check_file("a.py", text)] == ["a.py:m"]


def test_tests_may_tell_long_stories_but_in_short_files() -> None:
    assert list(check_size.check_file("tests/unit/test_a.py", body(60))) == []
    assert len(list(check_size.check_file("tests/unit/test_a.py", body(301)))) == 1


def test_finds_scripts_without_suffix_and_skips_hidden_folders(tmp_path: Path) -> None:
    for name in (".venv/a.py", "node_modules/b.py", "hack/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "hack" / "cluster").write_text("#!/usr/bin/env python3\n")
    (tmp_path / "hack" / "other").write_text("#!/bin/sh\n")
    found = [path.relative_to(tmp_path).as_posix() for path in check_size.python_files(tmp_path)]
    assert found == ["hack/c.py", "hack/cluster"]


def test_an_exception_must_be_needed_and_explained(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("x = 1\n" * 301)
    reason = "Generated from the list of codes by make codes."
    assert check_size.check(tmp_path, {"long.py": reason}) == ([], 1)
    assert check_size.check(tmp_path, {"long.py": "because"})[0] == ["long.py: may be large, but nobody says why"]
    findings, _ = check_size.check(tmp_path, {"long.py": reason, "short.py": reason})
    assert findings == ["short.py: is allowed to be large but is not"]
