"""Plants a bug into the real code: a function's own source with one thing changed. Used by tests/unit/checker.

The changed code is given to the function that is there, so that everybody who has imported it runs it. A bug whose
place is no longer in the source fails its test: it would prove nothing.
"""

from __future__ import annotations

import inspect
import textwrap
import types
from typing import Any

import pytest


def plant(patch: pytest.MonkeyPatch, function: Any, old: str, new: str) -> None:
    """Replace `old` by `new` in the source of a function, method or property, until `patch` is undone."""
    plain = function.fget if isinstance(function, property) else getattr(function, "__func__", function)
    plain = inspect.unwrap(plain)  # of a context manager: the generator
    source = textwrap.dedent(inspect.getsource(plain))
    source = source[source.index("async def ") if source.startswith("async") else source.index("def ") :]
    if inspect.iscoroutinefunction(plain) and not source.startswith("async"):
        source = f"async {source}"
    assert source.count(old) >= 1, f"{plain.__qualname__} has no {old!r} any more: plant this bug elsewhere"
    changed = source.replace(old, new)
    module = compile(
        f"from __future__ import annotations\n{changed}", inspect.getfile(plain), "exec", dont_inherit=True
    )
    made = _function_of(module, plain.__name__)
    assert made.co_freevars == plain.__code__.co_freevars, "a closure cannot be planted in"
    patch.setattr(plain, "__code__", made)


def _function_of(module: types.CodeType, name: str) -> types.CodeType:
    return next(code for code in module.co_consts if isinstance(code, types.CodeType) and code.co_name == name)
