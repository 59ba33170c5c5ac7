"""blueno/resending.py: what is kept until it is stored, and what comes again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blueno.resending import Unstored


def points(*numbers: int) -> list[dict[str, Any]]:
    return [{"step": number} for number in numbers]


def answer(epoch: str, seq: int, stored: int, **more: Any) -> str:
    return json.dumps({"epoch": epoch, "seq": seq, "stored": stored, **more})


def lost(unstored: Unstored) -> list[int] | None:
    """Steps that an operator of another life makes come again."""
    found = unstored.take(answer("other", 0, 0, resend=True), points(99))
    return None if found is None else [point["step"] for point in found if point["again"]]


def test_what_is_stored_is_forgotten() -> None:
    unstored = Unstored(100)
    assert unstored.take(answer("a", 2, 0), points(1, 2)) is None
    assert unstored.take(answer("a", 4, 2), points(3, 4)) is None
    assert unstored.epoch == "a"
    assert lost(unstored) == [3, 4]
    assert (unstored.epoch, lost(unstored)) == ("", None)  # once


def test_when_all_is_stored_nothing_can_be_lost() -> None:
    unstored = Unstored(100)
    unstored.take(answer("a", 2, 0), points(1, 2))
    unstored.take(answer("a", 2, 2), [])
    assert (unstored.epoch, lost(unstored)) == ("", None)


def test_it_is_bounded() -> None:
    unstored = Unstored(4)
    for number in range(10):
        unstored.take(answer("a", number, -1), points(number, number))
    assert lost(unstored) == [8, 8, 9, 9]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '{"epoch": 1, "seq": 1, "stored": 1}', '{"epoch": "a"}', "[" * 100_000,
             '{"epoch": "a", "seq": true, "stored": 0}', '{"resend": true}']
)  # fmt: skip
def test_an_answer_that_says_nothing_takes_the_points(text: str) -> None:
    unstored = Unstored(100)
    assert unstored.take(text, points(1)) is None
    assert unstored.epoch == ""
