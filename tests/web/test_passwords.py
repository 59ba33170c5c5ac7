"""scrypt with its real numbers."""

from __future__ import annotations

import asyncio

import pytest

from webui import passwords
from webui.passwords import Passwords, fits, hashed
from webui.problems import Problem


@pytest.fixture(autouse=True)
def quick_passwords() -> None:
    """Not here: the real numbers."""


def test_numbers_and_salt() -> None:
    first, second = hashed("a password"), hashed("a password")
    assert first.startswith("scrypt$15$8$1$")
    assert first != second
    assert fits("a password", first)
    assert not fits("a passwore", first)
    assert "a password" not in first


def test_stored_texts_of_no_known_form_fit_nothing() -> None:
    good = hashed("x")
    for stored in (
        "",
        "x",
        "scrypt$15$8$1",
        "scrypt$a$8$1$x$y",
        "scrypt$15$8$1$*$*",
        good.replace("scrypt", "plain"),
        good[:-3],
    ):
        assert not fits("x", stored), stored


async def test_one_at_a_time_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is unknown costs as much as who is known: the same computation, on somebody's salt."""
    monkeypatch.setattr(passwords, "LOG_N", 6)
    monkeypatch.setattr(passwords, "WAITING", 4)
    pool = Passwords()
    seen = []
    real = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda *given: seen.append(given[2]) or real(*given))
    stored = await pool.hashed("a password")
    assert await pool.fits("a password", stored)
    assert not await pool.fits("a password", None)
    assert seen == [(6, 8, 1)] * 3
    results = await asyncio.gather(*(pool.fits("x", stored) for _ in range(10)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Problem)]
    assert [problem.code for problem in refused] == ["overloaded"] * 6
    pool.close()
