"""Options and fixtures of all test levels."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import deadline, fuzz

GOLDEN = Path(__file__).parent / "golden"

fuzz.register()

# A shell ignores Ctrl-C for what runs in its background, nohup a hang-up, and children inherit it: ours are to hear.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites the golden files instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files (then read the difference)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before any fixture of the test."""
    deadline.skip_if_passed()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Compare a manifest, whole, with `tests/golden/<name>.yaml`."""

    def check(name: str, manifest: Any) -> None:
        path = GOLDEN / f"{name}.yaml"
        text = yaml.safe_dump(manifest, sort_keys=True, allow_unicode=True, width=120)
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run `make golden`"
        assert text == path.read_text(), "if the new manifest is right: `make golden`, and read the difference"

    return check
